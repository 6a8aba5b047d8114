//! `ArgMax`.

use super::over;
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// Position of the maximum along an axis: the first one, or the last with `select_last_index`.
pub static OP: OpDef = OpDef {
    name: "ArgMax",
    domain: "",
    doc: "Position of the maximum along an axis.",
    inputs: &[Param::one("data")],
    outputs: &[Param::one("reduced")],
    attrs: &[
        AttrDef::new("axis", AttrKind::Int, Default::Int(0)),
        AttrDef::new("keepdims", AttrKind::Int, Default::Int(1)),
        AttrDef::new("select_last_index", AttrKind::Int, Default::Int(0)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let axis = crate::shape::positive_axis(a.attrs.int("axis").unwrap_or(0), x.rank())?;
    a.attrs.set("axis", AttrValue::Int(axis as i64));
    let shape = over::reduced(&x.shape, &[axis], a.attrs.int("keepdims") != Some(0));
    Ok(vec![TensorType { dtype: DType::I64, shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let axis = a.attrs.int("axis").unwrap_or(0) as usize;
    let last = a.attrs.int("select_last_index") == Some(1);
    let data = x.to_f64_vec();
    let mut out = Vec::new();
    over::groups(x.shape(), &[axis], |group| {
        let mut best = (0i64, f64::NAN);
        for (i, at) in group.enumerate() {
            let v = data[at];
            if i == 0 || v > best.1 || (last && v == best.1) {
                best = (i as i64, v);
            }
        }
        out.push(best.0);
    });
    Ok(vec![Tensor::new(over::reduced(x.shape(), &[axis], a.attrs.int("keepdims") != Some(0)), out)])
}
