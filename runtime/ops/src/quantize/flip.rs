//! `Flip`.

use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// `q ^ 0x80`: signed codes to unsigned and back, the same value with the zero-point moved by 128.
pub static OP: OpDef = OpDef {
    name: "Flip",
    domain: "qcc",
    doc: "Signed 8-bit codes to unsigned ones and back (x ^ 0x80).",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: true,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let dtype = match x.dtype {
        DType::U8 => DType::I8,
        DType::I8 => DType::U8,
        _ => return Err(OpError::invalid(format!("expected 8-bit codes, got {x}"))),
    };
    Ok(vec![TensorType { dtype, shape: x.shape.clone() }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let shape = x.shape().iter().copied();
    Ok(vec![match x.dtype() {
        DType::U8 => Tensor::new(shape, x.bytes().iter().map(|b| (b ^ 0x80) as i8).collect()),
        _ => Tensor::new(shape, x.bytes().iter().map(|b| b ^ 0x80).collect()),
    }])
}
