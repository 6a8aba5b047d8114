//! `LpNormalization`.

use crate::numeric::dispatch;
use crate::reduce::over;
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Tensor, TensorType};

/// Division by the norm of order 1 or 2 along an axis; where the norm is zero the result is zero.
pub static OP: OpDef = OpDef {
    name: "LpNormalization",
    domain: "",
    doc: "Division by the norm along an axis.",
    inputs: &[Param::one("input")],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("axis", AttrKind::Int, Default::Int(-1)), AttrDef::new("p", AttrKind::Int, Default::Int(2))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let axis = crate::shape::positive_axis(a.attrs.int("axis").unwrap_or(-1), x.rank())?;
    if !x.dtype.is_float() || !matches!(a.attrs.int("p"), Some(1 | 2)) {
        return Err(OpError::invalid(format!("expected floats and a norm of order 1 or 2, got {x}")));
    }
    a.attrs.set("axis", AttrValue::Int(axis as i64));
    Ok(vec![x.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let axis = a.attrs.int("axis").unwrap_or(0) as usize;
    let first = a.attrs.int("p") == Some(1);
    dispatch!(floats x.dtype(), T => {
        let data = x.slice::<T>();
        let mut y = vec![T::default(); data.len()];
        over::groups(x.shape(), &[axis], |group| {
            let at: Vec<usize> = group.collect();
            let values = at.iter().map(|&i| data[i].to_f64());
            let norm = if first { values.map(f64::abs).sum() } else { values.map(|v| v * v).sum::<f64>().sqrt() };
            if norm != 0.0 {
                at.iter().for_each(|&i| y[i] = T::from_f64(data[i].to_f64() / norm));
            }
        });
        Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
    }, "LpNormalization")
}
