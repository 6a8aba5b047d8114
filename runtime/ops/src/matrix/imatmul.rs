//! `IMatMul`.

use super::{matmul, product};
use crate::conv::iconv;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param};
use qcc_tensor::{DType, Tensor, TensorType};

/// Integer matrix product: `acc = bias + sum (a - a_zero)(b - b_zero)` modulo 2^32, exact where it fits; `b_zero` and `bias`
/// per column.
pub static OP: OpDef = OpDef {
    name: "IMatMul",
    domain: "qcc",
    doc: "Integer matrix product of codes of 8 or 16 bits with weights of 8 bits into 32-bit accumulators.",
    inputs: &[
        Param::one("a"),
        Param::one("b"),
        Param::optional("a_zero_point"),
        Param::optional("b_zero_point"),
        Param::optional("bias"),
    ],
    outputs: &[Param::one("acc")],
    attrs: &[],
    elementwise: false,
    infer,
    eval,
    macs: matmul::macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let p = product::geometry(&a.ty(0)?.shape, &a.ty(1)?.shape)?;
    iconv::check_codes(a, iconv::INPUTS)?;
    for i in 3..5 {
        if let Some(t) = a.opt_ty(i)
            && t.elements() != p.n
            && (i == 4 || t.elements() != 1)
        {
            return Err(OpError::invalid(format!("expected one value per column ({}), got {t}", p.n)));
        }
    }
    Ok(vec![TensorType { dtype: DType::I32, shape: p.shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, y) = (a.input(0)?, a.input(1)?);
    let p = product::geometry(x.shape(), y.shape())?;
    let xz = iconv::zero_points(a.opt(2), 1)?[0];
    let yz = iconv::zero_points(a.opt(3), p.n)?;
    let bias = a.opt(4).map(|b| b.slice::<i32>());
    let xs: Vec<i32> = iconv::codes(x).into_iter().map(|v| v - xz).collect();
    let ys = iconv::codes(y);
    Ok(vec![Tensor::build::<i32>(p.shape.clone(), |out| {
        p.multiply(
            &xs,
            &ys,
            |j| bias.map_or(0, |b| b[j]),
            |acc: i32, l, r, j| acc.wrapping_add(l * (r - yz[j])),
            |i, acc| out[i] = acc,
        );
    })])
}
