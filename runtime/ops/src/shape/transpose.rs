//! `Transpose`.

use super::moved::moved;
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Shape, Tensor, TensorType, row_major_strides};

/// Axis `i` of the result is axis `perm[i]` of the input; without `perm` the axes are reversed.
pub static OP: OpDef = OpDef {
    name: "Transpose",
    domain: "",
    doc: "Axes in another order.",
    inputs: &[Param::one("data")],
    outputs: &[Param::one("transposed")],
    attrs: &[AttrDef::new("perm", AttrKind::Ints, Default::Computed)],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let perm = a.attrs.ints("perm").map_or_else(|| (0..x.rank() as i64).rev().collect(), <[i64]>::to_vec);
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if sorted != (0..x.rank() as i64).collect::<Vec<_>>() {
        return Err(OpError::invalid(format!("perm {perm:?} is no order of the {} axes of {x}", x.rank())));
    }
    let shape: Shape = perm.iter().map(|&p| x.shape[p as usize]).collect();
    a.attrs.set("perm", AttrValue::Ints(perm));
    Ok(vec![TensorType { dtype: x.dtype, shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let perm: Vec<usize> = a.attrs.ints("perm").unwrap_or(&[]).iter().map(|&p| p as usize).collect();
    let shape: Shape = perm.iter().map(|&p| x.shape()[p]).collect();
    let strides = row_major_strides(x.shape());
    let mut sources = Vec::with_capacity(x.elements());
    crate::index::each_index(&shape, |index| {
        sources.push(index.iter().zip(&perm).map(|(i, &p)| i * strides[p]).sum());
    });
    Ok(vec![moved(x, shape, sources.into_iter())])
}
