//! `Split`.

use super::{axes::axis, moved::from_bytes};
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// A tensor cut along an axis, into given sizes or into equal parts (the last one smaller if need be).
pub static OP: OpDef = OpDef {
    name: "Split",
    domain: "",
    doc: "A tensor cut along an axis.",
    inputs: &[Param::one("input"), Param::optional("split")],
    outputs: &[Param::variadic("outputs")],
    attrs: &[
        AttrDef::new("axis", AttrKind::Int, Default::Int(0)),
        AttrDef::new("num_outputs", AttrKind::Int, Default::Absent),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn sizes(total: usize, given: Option<Vec<i64>>, parts: usize) -> Result<Vec<usize>, OpError> {
    let list: Vec<usize> = match given {
        Some(list) => list.iter().map(|&v| usize::try_from(v).unwrap_or(usize::MAX)).collect(),
        None => {
            let part = total.div_ceil(parts.max(1));
            (0..parts).map(|i| part.min(total.saturating_sub(i * part))).collect()
        }
    };
    if list.iter().try_fold(0usize, |s, &v| s.checked_add(v)) != Some(total) || list.len() != parts {
        return Err(OpError::invalid(format!("an axis of {total} cannot be cut into {parts} parts {list:?}")));
    }
    Ok(list)
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let at = axis(a.attrs.int("axis").unwrap_or(0), x.rank())?;
    a.attrs.set("axis", AttrValue::Int(at as i64));
    a.attrs.remove("num_outputs");
    let parts = sizes(x.shape[at], a.ints(1, "the list of sizes")?, a.outputs)?;
    Ok(parts
        .into_iter()
        .map(|n| {
            let mut ty = x.clone();
            ty.shape[at] = n;
            ty
        })
        .collect())
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let at = a.attrs.int("axis").unwrap_or(0) as usize;
    let parts = sizes(x.shape()[at], a.opt(1).and_then(Tensor::to_i64_vec), a.outputs)?;
    let outer: usize = x.shape()[..at].iter().product();
    let inner = x.shape()[at + 1..].iter().product::<usize>() * x.dtype().size();
    let row = x.shape()[at] * inner;
    let mut start = 0;
    let mut out = Vec::new();
    for n in parts {
        let mut ty = x.ty().clone();
        ty.shape[at] = n;
        let bytes =
            (0..outer).flat_map(|o| &x.bytes()[o * row + start..o * row + start + n * inner]).copied().collect();
        out.push(from_bytes(ty, bytes));
        start += n * inner;
    }
    Ok(out)
}
