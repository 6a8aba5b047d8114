//! `Lookup`.

use crate::numeric::dispatch;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// `y = table[x - lowest code]`: any function of an 8-bit code, exact by construction.
pub static OP: OpDef = OpDef {
    name: "Lookup",
    domain: "qcc",
    doc: "Table of a function of an 8-bit code.",
    inputs: &[Param::one("x"), Param::one("table")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: true,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, table) = (a.ty(0)?, a.ty(1)?);
    if !matches!(x.dtype, DType::U8 | DType::I8) || table.shape.as_slice() != [256] {
        return Err(OpError::invalid(format!("expected 8-bit codes and a table of 256 entries, got {x}, {table}")));
    }
    Ok(vec![TensorType { dtype: table.dtype, shape: x.shape.clone() }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, table) = (a.input(0)?, a.input(1)?);
    let flip = if x.dtype() == DType::I8 { 0x80 } else { 0 };
    dispatch!(all table.dtype(), T => {
        let entries = table.slice::<T>();
        let y = x.bytes().iter().map(|&b| entries[usize::from(b ^ flip)]).collect();
        Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
    }, "Lookup")
}
