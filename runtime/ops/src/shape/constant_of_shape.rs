//! `ConstantOfShape`.

use super::{axes::checked_elements, moved::moved};
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Shape, Tensor, TensorType};

/// A tensor of the given shape, every element equal to `value` (0 as f32 if absent).
pub static OP: OpDef = OpDef {
    name: "ConstantOfShape",
    domain: "",
    doc: "A tensor of a given shape with equal elements.",
    inputs: &[Param::one("shape"), Param::optional("value")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn resolve(dims: &[i64]) -> Result<Shape, OpError> {
    let shape: Option<Shape> = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    let shape = shape.ok_or_else(|| OpError::invalid(format!("{dims:?} is no shape")))?;
    checked_elements(&shape)?;
    Ok(shape)
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let shape = resolve(&a.ints(0, "the shape")?.unwrap_or_default())?;
    if a.opt_ty(1).is_some_and(|v| v.elements() != 1) {
        return Err(OpError::invalid("the value must have one element"));
    }
    Ok(vec![TensorType { dtype: a.opt_ty(1).map_or(DType::F32, |v| v.dtype), shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let shape = resolve(&a.input(0)?.to_i64_vec().unwrap_or_default())?;
    let count = shape.iter().product();
    let zero = Tensor::scalar(0.0f32);
    Ok(vec![moved(a.opt(1).unwrap_or(&zero), shape, std::iter::repeat_n(0, count))])
}
