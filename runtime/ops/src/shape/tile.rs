//! `Tile`.

use super::{axes::checked_elements, moved::moved};
use crate::index::each_index;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Shape, Tensor, TensorType, row_major_strides};

/// The input repeated along each axis.
pub static OP: OpDef = OpDef {
    name: "Tile",
    domain: "",
    doc: "The input repeated along each axis.",
    inputs: &[Param::one("input"), Param::one("repeats")],
    outputs: &[Param::one("output")],
    attrs: &[],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn resolve(x: &[usize], repeats: &[i64]) -> Result<Shape, OpError> {
    let fail = || OpError::invalid(format!("{repeats:?} are no repeats of {x:?}"));
    if repeats.len() != x.len() {
        return Err(fail());
    }
    let shape: Option<Shape> =
        x.iter().zip(repeats).map(|(&d, &r)| usize::try_from(r).ok().and_then(|r| d.checked_mul(r))).collect();
    let shape = shape.ok_or_else(fail)?;
    checked_elements(&shape)?;
    Ok(shape)
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    Ok(vec![TensorType { dtype: x.dtype, shape: resolve(&x.shape, &a.ints(1, "the repeats")?.unwrap_or_default())? }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let shape = resolve(x.shape(), &a.input(1)?.to_i64_vec().unwrap_or_default())?;
    let strides = row_major_strides(x.shape());
    let mut sources = Vec::new();
    each_index(&shape, |i| sources.push((0..x.rank()).map(|d| i[d] % x.shape()[d] * strides[d]).sum()));
    Ok(vec![moved(x, shape, sources.into_iter())])
}
