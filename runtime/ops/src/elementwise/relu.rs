//! `Relu`.

use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// `y = max(x, 0)`; NaN stays NaN.
pub static OP: OpDef = OpDef {
    name: "Relu",
    domain: "",
    doc: "Rectified linear unit: the larger of the element and zero.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: true,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    Ok(vec![a.ty(0)?.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let y: Vec<f32> = x.slice::<f32>().iter().map(|&v| if v < 0.0 { 0.0 } else { v }).collect();
    Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
}
