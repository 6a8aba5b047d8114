//! `Codes`.

use crate::Param;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// All 256 codes of an 8-bit type in ascending order: the argument of every table.
pub static OP: OpDef = OpDef {
    name: "Codes",
    domain: "qcc",
    doc: "All codes of an 8-bit type in ascending order.",
    inputs: &[],
    outputs: &[Param::one("y")],
    attrs: &[AttrDef::new("dtype", AttrKind::Type, Default::Required)],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    match a.attrs.dtype("dtype") {
        Some(d @ (DType::U8 | DType::I8)) => Ok(vec![TensorType::new(d, [256])]),
        _ => Err(OpError::invalid("only u8 and i8 have 256 codes")),
    }
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    Ok(vec![match a.attrs.dtype("dtype") {
        Some(DType::I8) => Tensor::new([256], (i8::MIN..=i8::MAX).collect()),
        _ => Tensor::new([256], (u8::MIN..=u8::MAX).collect()),
    }])
}
