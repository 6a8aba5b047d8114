//! `ReverseSequence`.

use super::moved::moved;
use crate::index::each_index;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType, row_major_strides};

/// The first elements along the time axis in reverse, as many as each batch's length says.
pub static OP: OpDef = OpDef {
    name: "ReverseSequence",
    domain: "",
    doc: "Sequences of a batch reversed up to their lengths.",
    inputs: &[Param::one("input"), Param::one("sequence_lens")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("batch_axis", AttrKind::Int, Default::Int(1)),
        AttrDef::new("time_axis", AttrKind::Int, Default::Int(0)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, lengths) = (a.ty(0)?, a.ty(1)?);
    let (batch, time) = (a.attrs.int("batch_axis").unwrap_or(1), a.attrs.int("time_axis").unwrap_or(0));
    if x.rank() < 2 || !matches!((batch, time), (0, 1) | (1, 0)) {
        return Err(OpError::invalid(format!(
            "batch and time must be the axes 0 and 1 of {x}, got {batch} and {time}"
        )));
    }
    if lengths.shape.as_slice() != [x.shape[batch as usize]] || !lengths.dtype.is_int() {
        return Err(OpError::invalid(format!("the lengths of {x} must be one integer for each batch, got {lengths}")));
    }
    Ok(vec![x.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, lengths) = (a.input(0)?, a.opt_ints(1)?.unwrap_or_default());
    let (batch, time) =
        (a.attrs.int("batch_axis").unwrap_or(1) as usize, a.attrs.int("time_axis").unwrap_or(0) as usize);
    let steps = x.shape()[time];
    if let Some(wrong) = lengths.iter().find(|&&n| n < 0 || n > steps as i64) {
        return Err(OpError::invalid(format!("a length is {wrong}, there are {steps} steps")));
    }
    let strides = row_major_strides(x.shape());
    let mut sources = Vec::with_capacity(x.elements());
    each_index(x.shape(), |index| {
        let length = lengths[index[batch]] as usize;
        let at = |d: usize| if d == time && index[d] < length { length - 1 - index[d] } else { index[d] };
        sources.push((0..index.len()).map(|d| at(d) * strides[d]).sum::<usize>());
    });
    Ok(vec![moved(x, x.shape().iter().copied().collect(), sources.into_iter())])
}
