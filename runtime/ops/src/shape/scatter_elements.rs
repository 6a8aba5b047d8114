//! `ScatterElements`.

use super::{axes::axis, scatter};
use crate::index::each_index;
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType, row_major_strides};

/// A copy of the data with one element replaced (or reduced with the update) per index.
pub static OP: OpDef = OpDef {
    name: "ScatterElements",
    domain: "",
    doc: "The data with one element replaced per index.",
    inputs: &[Param::one("data"), Param::one("indices"), Param::one("updates")],
    outputs: &[Param::one("output")],
    attrs: &[
        AttrDef::new("axis", AttrKind::Int, Default::Int(0)),
        AttrDef::new("reduction", AttrKind::Str, Default::Str("none")),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    scatter::check(a)?;
    let (x, indices, updates) = (a.ty(0)?, a.ty(1)?, a.ty(2)?);
    let at = axis(a.attrs.int("axis").unwrap_or(0), x.rank())?;
    a.attrs.set("axis", AttrValue::Int(at as i64));
    let fits = indices.rank() == x.rank() && (0..x.rank()).all(|d| d == at || indices.shape[d] <= x.shape[d]);
    if !fits || indices.shape != updates.shape {
        return Err(OpError::invalid(format!("updates {updates} at indices {indices} do not fit {x}")));
    }
    Ok(vec![x.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, indices, updates) = (a.input(0)?, a.input(1)?, a.input(2)?);
    let at = a.attrs.int("axis").unwrap_or(0) as usize;
    let list = indices.to_i64_vec().ok_or_else(|| OpError::invalid("indices must be integers"))?;
    let size = x.shape()[at] as i64;
    if list.iter().any(|&i| i < -size || i >= size) {
        return Err(OpError::invalid(format!("an index is outside an axis of {size}")));
    }
    let strides = row_major_strides(x.shape());
    let mut pairs = Vec::with_capacity(list.len());
    each_index(indices.shape(), |index| {
        let from = pairs.len();
        let i = if list[from] < 0 { list[from] + size } else { list[from] } as usize;
        let to = (0..index.len()).map(|d| if d == at { i } else { index[d] } * strides[d]).sum::<usize>();
        pairs.push((to, from));
    });
    Ok(vec![scatter::scatter(x, updates, a.attrs, &pairs)?])
}
