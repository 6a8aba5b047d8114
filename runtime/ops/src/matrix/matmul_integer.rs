//! `MatMulInteger`.

use super::{matmul, product};
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param};
use qcc_tensor::{DType, Tensor, TensorType};

/// Product of 8-bit codes into i32: `sum (a - a_zero)(b - b_zero)`; a zero-point is one number, one for each row of `a`,
/// or one for each column of `b`.
pub static OP: OpDef = OpDef {
    name: "MatMulInteger",
    domain: "",
    doc: "Matrix product of 8-bit codes into 32-bit integers.",
    inputs: &[Param::one("a"), Param::one("b"), Param::optional("a_zero_point"), Param::optional("b_zero_point")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: false,
    infer,
    eval,
    macs: matmul::macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let p = product::geometry(&a.ty(0)?.shape, &a.ty(1)?.shape)?;
    for (i, count) in [(0, p.m), (1, p.n)] {
        let codes = a.ty(i)?;
        if !matches!(codes.dtype, DType::U8 | DType::I8) {
            return Err(OpError::invalid(format!("operand {i} must be 8-bit codes, got {codes}")));
        }
        let Some(z) = a.opt_ty(i + 2) else { continue };
        if z.dtype != codes.dtype || (z.rank() == 1 && z.elements() != 1 && z.elements() != count) {
            return Err(OpError::invalid(format!("the zero-point of {codes} is {z}")));
        }
        if z.rank() > 1 && z.elements() != 1 {
            return Err(OpError::unsupported(format!("a zero-point for each matrix of a batch, {z}")));
        }
        if z.elements() == 0 {
            return Err(OpError::invalid(format!("the zero-point of {codes} is {z}")));
        }
    }
    Ok(vec![TensorType { dtype: DType::I32, shape: p.shape }])
}

/// Codes less their zero-points; `channel` is the zero-point's index for a flat position.
fn shifted(codes: &Tensor, zero: Option<&Tensor>, channel: impl Fn(usize) -> usize) -> Vec<i32> {
    let zero = zero.map_or_else(|| vec![0], crate::conv::iconv::codes);
    let at = |i: usize| if zero.len() == 1 { zero[0] } else { zero[channel(i)] };
    crate::conv::iconv::codes(codes).into_iter().enumerate().map(|(i, v)| v - at(i)).collect()
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, y) = (a.input(0)?, a.input(1)?);
    let p = product::geometry(x.shape(), y.shape())?;
    let xs = shifted(x, a.opt(2), |i| i / p.k.max(1) % p.m);
    let ys = shifted(y, a.opt(3), |i| i % p.n);
    Ok(vec![Tensor::build::<i32>(p.shape.clone(), |out| {
        p.multiply(&xs, &ys, |_| 0, |acc: i32, l, r, _| acc.wrapping_add(l * r), |i, acc| out[i] = acc);
    })])
}
