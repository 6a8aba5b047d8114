//! `Approximate`.

use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// A value, and what may stand for it where an error is allowed. Quantization writes its alternatives with it, rules choose:
/// no program holds it.
pub static OP: OpDef = OpDef {
    name: "Approximate",
    domain: "qcc",
    doc: "The first input, for which the second may stand within an error budget.",
    inputs: &[Param::one("x"), Param::one("approximation")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, approximation) = (a.ty(0)?, a.ty(1)?);
    if x != approximation {
        return Err(OpError::invalid(format!("an approximation of {x} is {x}, not {approximation}")));
    }
    Ok(vec![x.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    Ok(vec![a.input(0)?.clone()])
}
