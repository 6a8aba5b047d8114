//! `Cast`.

use super::convert::{Rounding, convert};
use crate::{AttrDef, AttrKind, Attrs, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::small::Overflow;
use qcc_tensor::{Tensor, TensorType};

/// Converts elements: floats round to nearest even, float to integer truncates (and saturates where the standard leaves it
/// open), integers wrap, zero is false.
pub static OP: OpDef = OpDef {
    name: "Cast",
    domain: "",
    doc: "Converts elements to another type.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("round_mode", AttrKind::Str, Default::Str("up")),
        AttrDef::new("saturate", AttrKind::Int, Default::Int(1)),
        AttrDef::new("to", AttrKind::Type, Default::Required),
    ],
    elementwise: true,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let dtype = a.attrs.dtype("to").ok_or_else(|| OpError::invalid("`to` must be an element type"))?;
    rounding(a.attrs)?;
    Ok(vec![TensorType { dtype, shape: a.ty(0)?.shape.clone() }])
}

/// What becomes of values that are too large.
pub(crate) fn overflow(attrs: &Attrs) -> Overflow {
    if attrs.int("saturate") == Some(0) { Overflow::Leave } else { Overflow::Saturate }
}

/// How powers of two are rounded.
pub(crate) fn rounding(attrs: &Attrs) -> Result<Rounding, OpError> {
    match attrs.str("round_mode") {
        Some("up") => Ok(Rounding::Up),
        Some("down") => Ok(Rounding::Down),
        Some("nearest") => Ok(Rounding::Nearest),
        other => Err(OpError::invalid(format!("round_mode must be up, down or nearest, got {other:?}"))),
    }
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let to = a.attrs.dtype("to").ok_or_else(|| OpError::invalid("`to` must be an element type"))?;
    Ok(vec![convert(a.input(0)?, to, overflow(a.attrs), rounding(a.attrs)?)?])
}
