//! `ScatterND`.

use super::scatter;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType, row_major_strides};

/// A copy of the data with slices replaced (or reduced with the updates) at index tuples, which are the last axis of
/// `indices`.
pub static OP: OpDef = OpDef {
    name: "ScatterND",
    domain: "",
    doc: "The data with slices replaced at index tuples.",
    inputs: &[Param::one("data"), Param::one("indices"), Param::one("updates")],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("reduction", AttrKind::Str, Default::Str("none"))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    scatter::check(a)?;
    let (x, indices, updates) = (a.ty(0)?, a.ty(1)?, a.ty(2)?);
    let fits = indices.shape.split_last().is_some_and(|(&tuple, outer)| {
        tuple <= x.rank() && outer.iter().chain(&x.shape[tuple..]).eq(updates.shape.iter())
    });
    if !fits {
        return Err(OpError::invalid(format!("updates {updates} at indices {indices} do not fit {x}")));
    }
    Ok(vec![x.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, indices, updates) = (a.input(0)?, a.input(1)?, a.input(2)?);
    let tuple = indices.shape()[indices.rank() - 1];
    let list = indices.to_i64_vec().ok_or_else(|| OpError::invalid("indices must be integers"))?;
    let strides = row_major_strides(x.shape());
    let run: usize = x.shape()[tuple..].iter().product();
    let count: usize = indices.shape()[..indices.rank() - 1].iter().product();
    let mut pairs = Vec::with_capacity(updates.elements());
    for i in 0..count {
        let mut start = 0;
        for t in 0..tuple {
            let (v, size) = (list[i * tuple + t], x.shape()[t] as i64);
            let v = if v < 0 { v.saturating_add(size) } else { v };
            if !(0..size).contains(&v) {
                return Err(OpError::invalid(format!("an index is outside an axis of {size}")));
            }
            start += v as usize * strides[t];
        }
        pairs.extend((0..run).map(|j| (start + j, i * run + j)));
    }
    Ok(vec![scatter::scatter(x, updates, a.attrs, &pairs)?])
}
