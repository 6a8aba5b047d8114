//! `GatherElements`.

use super::{axes::axis, moved::moved};
use crate::index::each_index;
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType, row_major_strides};

/// One element per index, at the index's own position along the other axes.
pub static OP: OpDef = OpDef {
    name: "GatherElements",
    domain: "",
    doc: "One element per index.",
    inputs: &[Param::one("data"), Param::one("indices")],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("axis", AttrKind::Int, Default::Int(0))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, indices) = (a.ty(0)?, a.ty(1)?);
    let at = axis(a.attrs.int("axis").unwrap_or(0), x.rank())?;
    a.attrs.set("axis", AttrValue::Int(at as i64));
    let fits = indices.rank() == x.rank() && (0..x.rank()).all(|d| d == at || indices.shape[d] <= x.shape[d]);
    if !fits || !indices.dtype.is_int() {
        return Err(OpError::invalid(format!("indices {indices} do not fit {x}")));
    }
    Ok(vec![TensorType { dtype: x.dtype, shape: indices.shape.clone() }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, indices) = (a.input(0)?, a.input(1)?);
    let at = a.attrs.int("axis").unwrap_or(0) as usize;
    let list = indices.to_i64_vec().ok_or_else(|| OpError::invalid("indices must be integers"))?;
    let size = x.shape()[at] as i64;
    if list.iter().any(|&i| i < -size || i >= size) {
        return Err(OpError::invalid(format!("an index is outside an axis of {size}")));
    }
    let strides = row_major_strides(x.shape());
    let mut sources = Vec::with_capacity(list.len());
    each_index(indices.shape(), |index| {
        let i = list[sources.len()];
        let i = if i < 0 { i + size } else { i } as usize;
        sources.push((0..index.len()).map(|d| if d == at { i } else { index[d] } * strides[d]).sum::<usize>());
    });
    Ok(vec![moved(x, indices.shape().iter().copied().collect(), sources.into_iter())])
}
