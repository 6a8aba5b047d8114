//! `BitCast`.

use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// The same bits read as another type of the same size.
pub static OP: OpDef = OpDef {
    name: "BitCast",
    domain: "",
    doc: "The same bits read as another type.",
    inputs: &[Param::one("input")],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("to", AttrKind::Type, Default::Required)],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let dtype = a.attrs.dtype("to").ok_or_else(|| OpError::invalid("`to` must be an element type"))?;
    if dtype.bits() != x.dtype.bits() {
        return Err(OpError::invalid(format!("the bits of {x} cannot be read as {dtype}, which has another size")));
    }
    Ok(vec![TensorType { dtype, shape: x.shape.clone() }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let dtype = a.attrs.dtype("to").unwrap_or(x.dtype());
    let ty = TensorType::new(dtype, x.shape().iter().copied());
    Ok(vec![Tensor::from_bytes(ty, x.to_shared()).map_err(|e| OpError::invalid(e.to_string()))?])
}
