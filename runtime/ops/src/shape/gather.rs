//! `Gather`.

use super::{axes::axis, moved::from_bytes};
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Shape, Tensor, TensorType};

/// Slices along an axis, by index; negative indices count from the end.
pub static OP: OpDef = OpDef {
    name: "Gather",
    domain: "",
    doc: "Slices along an axis, by index.",
    inputs: &[Param::one("data"), Param::one("indices")],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("axis", AttrKind::Int, Default::Int(0))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn result_shape(x: &[usize], indices: &[usize], at: usize) -> Shape {
    x[..at].iter().chain(indices).chain(&x[at + 1..]).copied().collect()
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, indices) = (a.ty(0)?, a.ty(1)?);
    if !indices.dtype.is_int() {
        return Err(OpError::invalid(format!("indices must be integers, got {indices}")));
    }
    let at = axis(a.attrs.int("axis").unwrap_or(0), x.rank())?;
    a.attrs.set("axis", AttrValue::Int(at as i64));
    Ok(vec![TensorType { dtype: x.dtype, shape: result_shape(&x.shape, &indices.shape, at) }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, indices) = (a.input(0)?, a.input(1)?);
    let at = a.attrs.int("axis").unwrap_or(0) as usize;
    let size = x.shape()[at];
    let list = indices.to_i64_vec().ok_or_else(|| OpError::invalid("indices must be integers"))?;
    let list: Vec<usize> = list
        .iter()
        .map(|&i| usize::try_from(if i < 0 { i + size as i64 } else { i }).ok().filter(|&i| i < size))
        .collect::<Option<_>>()
        .ok_or_else(|| OpError::invalid(format!("an index is outside an axis of {size}")))?;
    let outer: usize = x.shape()[..at].iter().product();
    let run = x.shape()[at + 1..].iter().product::<usize>() * x.dtype().size();
    let mut out = Vec::new();
    for o in 0..outer {
        for &i in &list {
            out.extend_from_slice(&x.bytes()[(o * size + i) * run..(o * size + i + 1) * run]);
        }
    }
    Ok(vec![from_bytes(TensorType { dtype: x.dtype(), shape: result_shape(x.shape(), indices.shape(), at) }, out)])
}
