//! `SpaceToDepth`.

use super::depth_to_space::block;
use super::moved::moved;
use crate::index::each_index;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// Blocks of pixels moved into channels; the position in the block is the slowest part of the channel (`DCR`) or the
/// fastest (`CRD`).
pub static OP: OpDef = OpDef {
    name: "SpaceToDepth",
    domain: "",
    doc: "Blocks of pixels moved into channels.",
    inputs: &[Param::one("input")],
    outputs: &[Param::one("output")],
    attrs: &[
        AttrDef::new("blocksize", AttrKind::Int, Default::Required),
        AttrDef::new("mode", AttrKind::Str, Default::Str("DCR")),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let b = block(a.attrs)?;
    if !matches!(a.attrs.str("mode"), Some("DCR" | "CRD")) {
        return Err(OpError::invalid(format!("mode must be DCR or CRD, got {:?}", a.attrs.str("mode"))));
    }
    match *x.shape.as_slice() {
        [n, c, h, w] if h % b == 0 && w % b == 0 => Ok(vec![TensorType::new(x.dtype, [n, c * b * b, h / b, w / b])]),
        _ => Err(OpError::invalid(format!("{x} has no four axes of which the last two divide into blocks of {b}"))),
    }
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let b = block(a.attrs)?;
    let last = a.attrs.str("mode") == Some("CRD");
    let (c, h, w) = (x.shape()[1], x.shape()[2], x.shape()[3]);
    let shape = [x.shape()[0], c * b * b, h / b, w / b];
    let mut sources = Vec::with_capacity(x.elements());
    each_index(&shape, |at| {
        let (in_block, channel) = if last { (at[1] % (b * b), at[1] / (b * b)) } else { (at[1] / c, at[1] % c) };
        sources.push(((at[0] * c + channel) * h + at[2] * b + in_block / b) * w + at[3] * b + in_block % b);
    });
    Ok(vec![moved(x, shape.into_iter().collect(), sources.into_iter())])
}
