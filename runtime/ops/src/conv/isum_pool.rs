//! `ISumPool`.

use super::pool;
use crate::conv::iconv;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// `acc = sum (x - x_zero)` over every window, exact in i32; padding contributes zero.
pub static OP: OpDef = OpDef {
    name: "ISumPool",
    domain: "qcc",
    doc: "Sum of 8-bit codes over every window into 32-bit accumulators.",
    inputs: &[Param::one("x"), Param::optional("x_zero_point")],
    outputs: &[Param::one("acc")],
    attrs: pool::ATTRS,
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let shape = pool::infer_shape(a)?;
    check(a)?;
    Ok(vec![TensorType { dtype: DType::I32, shape }])
}

/// Checks codes and zero-point; shared with `IReduceSum`.
pub(crate) fn check(a: &InferArgs<'_>) -> Result<(), OpError> {
    let x = a.ty(0)?;
    if !matches!(x.dtype, DType::U8 | DType::I8) {
        return Err(OpError::invalid(format!("expected 8-bit codes, got {x}")));
    }
    match a.opt_ty(1) {
        Some(z) if z.dtype != x.dtype || z.elements() != 1 => {
            Err(OpError::invalid(format!("the zero-point of {x} is {z}")))
        }
        _ => Ok(()),
    }
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let zero = iconv::zero_points(a.opt(1), 1)?[0];
    let data = iconv::codes(x);
    let mut out: Vec<(usize, i32)> = Vec::new();
    let shape = pool::each_window(x.ty(), a.attrs, |o, indices, _, _| {
        out.push((o, indices.iter().map(|&i| data[i] - zero).sum()));
    })?;
    Ok(vec![Tensor::build::<i32>(shape, |y| out.iter().for_each(|&(o, v)| y[o] = v))])
}
