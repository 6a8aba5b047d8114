//! `CastLike`.

use super::{cast, convert::convert};
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// As `Cast`, to the element type of another tensor.
pub static OP: OpDef = OpDef {
    name: "CastLike",
    domain: "",
    doc: "Converts elements to the type of another tensor.",
    inputs: &[Param::one("input"), Param::one("target_type")],
    outputs: &[Param::one("output")],
    attrs: &[
        AttrDef::new("round_mode", AttrKind::Str, Default::Str("up")),
        AttrDef::new("saturate", AttrKind::Int, Default::Int(1)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    cast::rounding(a.attrs)?;
    Ok(vec![TensorType { dtype: a.ty(1)?.dtype, shape: a.ty(0)?.shape.clone() }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let to = a.input(1)?.dtype();
    Ok(vec![convert(a.input(0)?, to, cast::overflow(a.attrs), cast::rounding(a.attrs)?)?])
}
