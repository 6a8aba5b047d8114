//! `Hardmax`.

use crate::numeric::dispatch;
use crate::reduce::over;
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Tensor, TensorType};

/// 1 at the first maximum along an axis, 0 elsewhere.
pub static OP: OpDef = OpDef {
    name: "Hardmax",
    domain: "",
    doc: "1 at the first maximum along an axis, 0 elsewhere.",
    inputs: &[Param::one("input")],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("axis", AttrKind::Int, Default::Int(-1))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    if !x.dtype.is_float() {
        return Err(OpError::invalid(format!("the input must be a float tensor, got {x}")));
    }
    let axis = crate::shape::positive_axis(a.attrs.int("axis").unwrap_or(-1), x.rank())?;
    a.attrs.set("axis", AttrValue::Int(axis as i64));
    Ok(vec![x.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let axis = a.attrs.int("axis").unwrap_or(0) as usize;
    dispatch!(floats x.dtype(), T => {
        let data = x.slice::<T>();
        Ok(vec![Tensor::build::<T>(x.shape().iter().copied().collect(), |y| {
            over::groups(x.shape(), &[axis], |group| {
                let at: Vec<usize> = group.collect();
                let top = at.iter().map(|&i| data[i].to_f64()).fold(f64::NEG_INFINITY, f64::max);
                if let Some(&i) = at.iter().find(|&&i| data[i].to_f64() == top) {
                    y[i] = T::from_f64(1.0);
                }
            });
        })])
    }, "Hardmax")
}
