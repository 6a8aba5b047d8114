//! `Squeeze`.

use super::axes::axes;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Shape, Tensor, TensorType};

/// Removes axes of size one; all of them if none are named.
pub static OP: OpDef = OpDef {
    name: "Squeeze",
    domain: "",
    doc: "Removes axes of size one; all of them if none are named.",
    inputs: &[Param::one("data"), Param::optional("axes")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn resolve(input: &[usize], given: Option<Vec<i64>>) -> Result<Shape, OpError> {
    let axes = match given {
        Some(list) => axes(&list, input.len())?,
        None => (0..input.len()).filter(|&i| input[i] == 1).collect(),
    };
    if let Some(&i) = axes.iter().find(|&&i| input[i] != 1) {
        return Err(OpError::invalid(format!("axis {i} of {input:?} is not of size one")));
    }
    Ok((0..input.len()).filter(|i| !axes.contains(i)).map(|i| input[i]).collect())
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    Ok(vec![TensorType { dtype: x.dtype, shape: resolve(&x.shape, a.ints(1, "the list of axes")?)? }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    Ok(vec![x.reshaped(resolve(x.shape(), a.opt(1).and_then(Tensor::to_i64_vec))?)])
}
