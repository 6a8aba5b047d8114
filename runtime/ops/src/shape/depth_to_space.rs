//! `DepthToSpace`.

use super::axes::checked_elements;
use super::moved::moved;
use crate::index::each_index;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// Channels moved into blocks of pixels; with `DCR` the position in the block is the slowest part of the channel, with
/// `CRD` the fastest.
pub static OP: OpDef = OpDef {
    name: "DepthToSpace",
    domain: "",
    doc: "Channels moved into blocks of pixels.",
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

/// The block size, if it is one.
pub(crate) fn block(attrs: &crate::Attrs) -> Result<usize, OpError> {
    let b = attrs.int("blocksize").unwrap_or(0);
    usize::try_from(b)
        .ok()
        .filter(|b| (1..1 << 16).contains(b))
        .ok_or_else(|| OpError::invalid(format!("blocksize must be positive, got {b}")))
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let b = block(a.attrs)?;
    let &[n, c, h, w] = x.shape.as_slice() else {
        return Err(OpError::invalid(format!("the input must have four axes, got {x}")));
    };
    if c % (b * b) != 0 {
        return Err(OpError::invalid(format!("{c} channels are not divided by blocks of {b} by {b}")));
    }
    if !matches!(a.attrs.str("mode"), Some("DCR" | "CRD")) {
        return Err(OpError::invalid("mode must be DCR or CRD"));
    }
    let shape = [n, c / (b * b), h * b, w * b];
    checked_elements(&shape)?;
    Ok(vec![TensorType::new(x.dtype, shape)])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let b = block(a.attrs)?;
    let column_first = a.attrs.str("mode") == Some("CRD");
    let (c, h, w) = (x.shape()[1], x.shape()[2], x.shape()[3]);
    let depth = c / (b * b);
    let shape = [x.shape()[0], depth, h * b, w * b];
    let mut sources = Vec::with_capacity(x.elements());
    each_index(&shape, |at| {
        let in_block = at[2] % b * b + at[3] % b;
        let channel = if column_first { at[1] * b * b + in_block } else { in_block * depth + at[1] };
        sources.push(((at[0] * c + channel) * h + at[2] / b) * w + at[3] / b);
    });
    Ok(vec![moved(x, shape.into_iter().collect(), sources.into_iter())])
}
