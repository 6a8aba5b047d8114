//! `Concat`.

use super::{axes::axis, moved::from_bytes};
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// Tensors joined along an axis.
pub static OP: OpDef = OpDef {
    name: "Concat",
    domain: "",
    doc: "Tensors joined along an axis.",
    inputs: &[Param::variadic("inputs")],
    outputs: &[Param::one("concat_result")],
    attrs: &[AttrDef::new("axis", AttrKind::Int, Default::Required)],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let mut out = a.ty(0)?.clone();
    let at = axis(a.attrs.int("axis").unwrap_or(0), out.rank())?;
    a.attrs.set("axis", AttrValue::Int(at as i64));
    for i in 1..a.inputs.len() {
        let next = a.ty(i)?;
        let fits = next.dtype == out.dtype
            && next.rank() == out.rank()
            && (0..out.rank()).all(|d| d == at || next.shape[d] == out.shape[d]);
        if !fits {
            return Err(OpError::invalid(format!("{next} cannot be joined to {} along axis {at}", a.ty(0)?)));
        }
        out.shape[at] = out.shape[at].checked_add(next.shape[at]).ok_or_else(|| OpError::invalid("too large"))?;
    }
    Ok(vec![out])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let first = a.input(0)?;
    let at = a.attrs.int("axis").unwrap_or(0) as usize;
    let inputs: Vec<&Tensor> = (0..a.inputs.len()).map(|i| a.input(i)).collect::<Result<_, _>>()?;
    let outer: usize = first.shape()[..at].iter().product();
    let run = |t: &Tensor| t.shape()[at..].iter().product::<usize>() * t.dtype().size();
    let mut ty = first.ty().clone();
    ty.shape[at] = inputs.iter().map(|t| t.shape()[at]).sum();
    let mut out = Vec::with_capacity(ty.bytes());
    for o in 0..outer {
        for t in &inputs {
            out.extend_from_slice(&t.bytes()[o * run(t)..(o + 1) * run(t)]);
        }
    }
    Ok(vec![from_bytes(ty, out)])
}
