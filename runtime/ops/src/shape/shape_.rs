//! `Shape`.

use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// The sizes of the axes from `start` to `end`, as i64.
pub static OP: OpDef = OpDef {
    name: "Shape",
    domain: "",
    doc: "The sizes of the axes.",
    inputs: &[Param::one("data")],
    outputs: &[Param::one("shape")],
    attrs: &[
        AttrDef::new("end", AttrKind::Int, Default::Computed),
        AttrDef::new("start", AttrKind::Int, Default::Int(0)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let rank = a.ty(0)?.rank() as i64;
    let clamp = |v: i64| if v < 0 { v + rank } else { v }.clamp(0, rank);
    let start = clamp(a.attrs.int("start").unwrap_or(0));
    let end = clamp(a.attrs.int("end").unwrap_or(rank));
    a.attrs.set("start", AttrValue::Int(start));
    a.attrs.set("end", AttrValue::Int(end));
    Ok(vec![TensorType::new(DType::I64, [(end - start).max(0) as usize])])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let shape = a.input(0)?.shape();
    let start = a.attrs.int("start").unwrap_or(0) as usize;
    let end = a.attrs.int("end").map_or(shape.len(), |e| e as usize).max(start);
    let dims: Vec<i64> = shape[start..end].iter().map(|&d| d as i64).collect();
    Ok(vec![Tensor::new([dims.len()], dims)])
}
