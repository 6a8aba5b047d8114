//! `OneHot`.

use super::{axes::checked_elements, moved::moved};
use crate::index::each_index;
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Shape, Tensor, TensorType, row_major_strides};

/// A new axis of `depth` elements that are `values[1]` at the index and `values[0]` elsewhere; an index outside gives no
/// `values[1]` at all.
pub static OP: OpDef = OpDef {
    name: "OneHot",
    domain: "",
    doc: "A new axis that marks the position an index names.",
    inputs: &[Param::one("indices"), Param::one("depth"), Param::one("values")],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("axis", AttrKind::Int, Default::Int(-1))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn result(indices: &[usize], depth: Option<i64>, axis: usize) -> Result<Shape, OpError> {
    let depth = depth.and_then(|d| usize::try_from(d).ok());
    let depth = depth.ok_or_else(|| OpError::invalid("the depth must be one number that is not negative"))?;
    let mut shape: Shape = indices.iter().copied().collect();
    shape.insert(axis, depth);
    checked_elements(&shape)?;
    Ok(shape)
}

fn single(t: &Tensor) -> Option<i64> {
    if t.elements() == 1 { Some(t.to_f64_vec()[0] as i64) } else { None }
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (indices, values) = (a.ty(0)?, a.ty(2)?);
    if values.shape.as_slice() != [2] {
        return Err(OpError::invalid(format!("values must be those for off and on, got {values}")));
    }
    let axis = crate::shape::positive_axis(a.attrs.int("axis").unwrap_or(-1), indices.rank() + 1)?;
    a.attrs.set("axis", AttrValue::Int(axis as i64));
    let depth = a.value(1).ok_or_else(|| OpError::dynamic("the depth is computed from run-time data"))?;
    Ok(vec![TensorType { dtype: values.dtype, shape: result(&indices.shape, single(depth), axis)? }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (indices, values) = (a.input(0)?, a.input(2)?);
    let axis = a.attrs.int("axis").unwrap_or(0) as usize;
    let shape = result(indices.shape(), single(a.input(1)?), axis)?;
    let depth = shape[axis] as f64;
    let list = indices.to_f64_vec();
    let strides = row_major_strides(indices.shape());
    let mut sources = Vec::new();
    each_index(&shape, |at| {
        let others = (0..at.len()).filter(|&d| d != axis);
        let from: usize = others.zip(&strides).map(|(d, s)| at[d] * s).sum();
        let hot = if list[from] < 0.0 { list[from] + depth } else { list[from] };
        sources.push(usize::from(hot == at[axis] as f64));
    });
    Ok(vec![moved(values, shape, sources.into_iter())])
}
