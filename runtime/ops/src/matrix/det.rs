//! `Det`.

use crate::numeric::dispatch;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Tensor, TensorType};

/// Determinants of square matrices in the last two axes, by elimination with pivots in f64.
pub static OP: OpDef = OpDef {
    name: "Det",
    domain: "",
    doc: "Determinants of square matrices.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    match &x.shape[..] {
        [batch @ .., m, n] if m == n && x.dtype.is_float() => Ok(vec![TensorType::new(x.dtype, batch.iter().copied())]),
        _ => Err(OpError::invalid(format!("expected square matrices of floats, got {x}"))),
    }
}

fn determinant(mut m: Vec<f64>, n: usize) -> f64 {
    let mut product = 1.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| m[i * n + k].abs().total_cmp(&m[j * n + k].abs())).unwrap_or(k);
        if m[pivot * n + k] == 0.0 {
            return 0.0;
        }
        if pivot != k {
            (0..n).for_each(|j| m.swap(pivot * n + j, k * n + j));
            product = -product;
        }
        product *= m[k * n + k];
        for i in k + 1..n {
            let factor = m[i * n + k] / m[k * n + k];
            (k..n).for_each(|j| m[i * n + j] -= factor * m[k * n + j]);
        }
    }
    product
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let n = x.shape()[x.rank() - 1];
    let batch = &x.shape()[..x.rank() - 2];
    let count: usize = batch.iter().product();
    dispatch!(floats x.dtype(), T => {
        let data: Vec<f64> = x.slice::<T>().iter().map(|v| v.to_f64()).collect();
        let y = (0..count).map(|i| T::from_f64(determinant(data[i * n * n..(i + 1) * n * n].to_vec(), n))).collect();
        Ok(vec![Tensor::new(batch.iter().copied(), y)])
    }, "Det")
}
