//! `Unsqueeze`.

use super::axes::axes;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Shape, Tensor, TensorType};

/// Inserts axes of size one at the named positions of the result.
pub static OP: OpDef = OpDef {
    name: "Unsqueeze",
    domain: "",
    doc: "Inserts axes of size one at the named positions of the result.",
    inputs: &[Param::one("data"), Param::one("axes")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn resolve(input: &[usize], given: Option<Vec<i64>>) -> Result<Shape, OpError> {
    let list = given.ok_or_else(|| OpError::invalid("Unsqueeze needs axes"))?;
    let axes = axes(&list, input.len() + list.len())?;
    let mut rest = input.iter().copied();
    Ok((0..input.len() + list.len()).map(|i| if axes.contains(&i) { 1 } else { rest.next().unwrap_or(1) }).collect())
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    Ok(vec![TensorType { dtype: x.dtype, shape: resolve(&x.shape, a.ints(1, "the list of axes")?)? }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    Ok(vec![x.reshaped(resolve(x.shape(), a.opt(1).and_then(Tensor::to_i64_vec))?)])
}
