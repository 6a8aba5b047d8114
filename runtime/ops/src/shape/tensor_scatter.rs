//! `TensorScatter`.

use super::axes::axis;
use super::moved::from_bytes;
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// A cache with new entries written along its sequence axis from a position of each batch on; in mode `circular` the
/// positions begin again at the end.
pub static OP: OpDef = OpDef {
    name: "TensorScatter",
    domain: "",
    doc: "A cache with new entries written along its sequence axis.",
    inputs: &[Param::one("past_cache"), Param::one("update"), Param::optional("write_indices")],
    outputs: &[Param::one("present_cache")],
    attrs: &[
        AttrDef::new("axis", AttrKind::Int, Default::Int(-2)),
        AttrDef::new("mode", AttrKind::Str, Default::Str("linear")),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (cache, update) = (a.ty(0)?, a.ty(1)?);
    let at = axis(a.attrs.int("axis").unwrap_or(-2), cache.rank())?;
    a.attrs.set("axis", AttrValue::Int(at as i64));
    let fits = at > 0
        && cache.dtype == update.dtype
        && cache.rank() == update.rank()
        && (0..cache.rank())
            .all(|d| if d == at { update.shape[d] <= cache.shape[d] } else { update.shape[d] == cache.shape[d] });
    if !fits {
        return Err(OpError::invalid(format!("{update} cannot be written along axis {at} of {cache}")));
    }
    if let Some(w) = a.opt_ty(2)
        && (w.shape.as_slice() != [cache.shape[0]] || !w.dtype.is_int())
    {
        return Err(OpError::invalid(format!("expected one position for each batch of {cache}, got {w}")));
    }
    match a.attrs.str("mode") {
        Some("linear" | "circular") => Ok(vec![cache.clone()]),
        other => Err(OpError::invalid(format!("mode must be linear or circular, got {other:?}"))),
    }
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (cache, update) = (a.input(0)?, a.input(1)?);
    let at = a.attrs.int("axis").unwrap_or(1) as usize;
    let circular = a.attrs.str("mode") == Some("circular");
    let starts = a.opt_ints(2)?.unwrap_or_else(|| vec![0; cache.shape()[0]]);
    let (long, new) = (cache.shape()[at], update.shape()[at]);
    let run = cache.shape()[at + 1..].iter().product::<usize>() * cache.dtype().size();
    let outer: usize = cache.shape()[..at].iter().product();
    let per_batch: usize = cache.shape()[1..at].iter().product();
    let mut out = cache.bytes().to_vec();
    for o in 0..outer {
        let start = starts[o / per_batch];
        let fits = start >= 0 && (circular || start as usize + new <= long);
        if !fits {
            return Err(OpError::invalid(format!("{new} entries from position {start} on do not fit {long}")));
        }
        for i in 0..new {
            let target = (start as usize + i) % long;
            let (to, from) = ((o * long + target) * run, (o * new + i) * run);
            out[to..to + run].copy_from_slice(&update.bytes()[from..from + run]);
        }
    }
    Ok(vec![from_bytes(cache.ty().clone(), out)])
}
