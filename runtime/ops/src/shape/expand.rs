//! `Expand`.

use super::{axes::checked_elements, moved::moved};
use crate::index::each_index;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Shape, Tensor, TensorType, broadcast_shapes, row_major_strides};

/// The input broadcast together with a shape.
pub static OP: OpDef = OpDef {
    name: "Expand",
    domain: "",
    doc: "The input broadcast to a shape.",
    inputs: &[Param::one("input"), Param::one("shape")],
    outputs: &[Param::one("output")],
    attrs: &[],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn resolve(x: &[usize], dims: &[i64]) -> Result<Shape, OpError> {
    let wanted: Option<Shape> = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    let shape = wanted
        .and_then(|w| broadcast_shapes(x, &w))
        .ok_or_else(|| OpError::invalid(format!("{x:?} does not broadcast to {dims:?}")))?;
    checked_elements(&shape)?;
    Ok(shape)
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    Ok(vec![TensorType { dtype: x.dtype, shape: resolve(&x.shape, &a.ints(1, "the shape")?.unwrap_or_default())? }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let shape = resolve(x.shape(), &a.input(1)?.to_i64_vec().unwrap_or_default())?;
    let strides = row_major_strides(x.shape());
    let lead = shape.len() - x.rank();
    let mut sources = Vec::new();
    each_index(&shape, |i| {
        sources.push((0..x.rank()).map(|d| if x.shape()[d] == 1 { 0 } else { i[lead + d] * strides[d] }).sum());
    });
    Ok(vec![moved(x, shape, sources.into_iter())])
}
