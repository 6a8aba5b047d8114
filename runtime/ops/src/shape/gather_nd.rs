//! `GatherND`.

use super::moved::from_bytes;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Shape, Tensor, TensorType, row_major_strides};

/// Slices by index tuples, which are the last axis of `indices`.
pub static OP: OpDef = OpDef {
    name: "GatherND",
    domain: "",
    doc: "Slices by index tuples.",
    inputs: &[Param::one("data"), Param::one("indices")],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("batch_dims", AttrKind::Int, Default::Int(0))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn result_shape(x: &[usize], indices: &[usize], batch: i64) -> Result<Shape, OpError> {
    let fail = || OpError::invalid(format!("indices {indices:?} do not fit {x:?}"));
    let tuple = *indices.last().ok_or_else(fail)?;
    let batch = usize::try_from(batch).map_err(|_| fail())?;
    if batch + tuple > x.len() || batch >= indices.len() || x[..batch] != indices[..batch] {
        return Err(fail());
    }
    Ok(indices[..indices.len() - 1].iter().chain(&x[batch + tuple..]).copied().collect())
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, indices) = (a.ty(0)?, a.ty(1)?);
    let shape = result_shape(&x.shape, &indices.shape, a.attrs.int("batch_dims").unwrap_or(0))?;
    Ok(vec![TensorType { dtype: x.dtype, shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, indices) = (a.input(0)?, a.input(1)?);
    let batch = a.attrs.int("batch_dims").unwrap_or(0) as usize;
    let shape = result_shape(x.shape(), indices.shape(), batch as i64)?;
    let tuple = indices.shape()[indices.rank() - 1];
    let list = indices.to_i64_vec().ok_or_else(|| OpError::invalid("indices must be integers"))?;
    let strides = row_major_strides(x.shape());
    let run = x.shape()[batch + tuple..].iter().product::<usize>() * x.dtype().size();
    let count: usize = indices.shape()[..indices.rank() - 1].iter().product();
    let per_batch: usize = indices.shape()[batch..indices.rank() - 1].iter().product();
    let mut out = Vec::new();
    for i in 0..count {
        let group = i / per_batch.max(1);
        let mut start = group * x.shape()[batch..].iter().product::<usize>();
        for t in 0..tuple {
            let (v, size) = (list[i * tuple + t], x.shape()[batch + t] as i64);
            let v = if v < 0 { v + size } else { v };
            if !(0..size).contains(&v) {
                return Err(OpError::invalid(format!("an index is outside an axis of {size}")));
            }
            start += v as usize * strides[batch + t];
        }
        let start = start * x.dtype().size();
        out.extend_from_slice(&x.bytes()[start..start + run]);
    }
    Ok(vec![from_bytes(TensorType { dtype: x.dtype(), shape }, out)])
}
