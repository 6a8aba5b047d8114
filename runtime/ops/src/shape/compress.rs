//! `Compress`.

use super::{axes::axis, moved::moved};
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// Slices along an axis (or, without one, elements in row-major order) where a condition holds.
pub static OP: OpDef = OpDef {
    name: "Compress",
    domain: "",
    doc: "Slices along an axis where a condition holds.",
    inputs: &[Param::one("input"), Param::one("condition")],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("axis", AttrKind::Int, Default::Absent)],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

/// Positions where the condition holds.
fn kept(condition: &Tensor, size: usize) -> Result<Vec<usize>, OpError> {
    let bits = condition.as_slice::<bool>().filter(|_| condition.rank() == 1);
    let bits =
        bits.ok_or_else(|| OpError::invalid(format!("the condition must be a list of bools, got {}", condition.ty())))?;
    let kept: Vec<usize> = bits.iter().enumerate().filter(|(_, b)| **b).map(|(i, _)| i).collect();
    match kept.last() {
        Some(&last) if last >= size => {
            Err(OpError::invalid(format!("the condition holds at {last}, the axis has {size}")))
        }
        _ => Ok(kept),
    }
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let along = match a.attrs.int("axis") {
        Some(value) => Some(axis(value, x.rank())?),
        None => None,
    };
    if let Some(along) = along {
        a.attrs.set("axis", AttrValue::Int(along as i64));
    }
    let condition = a.value(1).ok_or_else(|| OpError::dynamic("how often the condition holds depends on the data"))?;
    let mut out = x.clone();
    match along {
        Some(along) => out.shape[along] = kept(condition, x.shape[along])?.len(),
        None => out.shape = [kept(condition, x.elements())?.len()].into_iter().collect(),
    }
    Ok(vec![out])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, condition) = (a.input(0)?, a.input(1)?);
    let Some(along) = a.attrs.int("axis") else {
        let kept = kept(condition, x.elements())?;
        return Ok(vec![moved(x, [kept.len()].into_iter().collect(), kept.into_iter())]);
    };
    let along = along as usize;
    let kept = kept(condition, x.shape()[along])?;
    let inner: usize = x.shape()[along + 1..].iter().product();
    let outer: usize = x.shape()[..along].iter().product();
    let mut shape: qcc_tensor::Shape = x.shape().iter().copied().collect();
    shape[along] = kept.len();
    let size = x.shape()[along];
    let row = |o: usize, k: usize| (0..inner).map(move |i| (o * size + k) * inner + i);
    let sources: Vec<usize> = (0..outer).flat_map(|o| kept.iter().flat_map(move |&k| row(o, k))).collect();
    Ok(vec![moved(x, shape, sources.into_iter())])
}
