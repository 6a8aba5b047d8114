//! `Range`.

use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// `start, start + delta, …` below (or, with a negative delta, above) `limit`.
pub static OP: OpDef = OpDef {
    name: "Range",
    domain: "",
    doc: "An arithmetic sequence.",
    inputs: &[Param::one("start"), Param::one("limit"), Param::one("delta")],
    outputs: &[Param::one("output")],
    attrs: &[],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn resolve(values: [&Tensor; 3]) -> Result<(f64, f64, usize), OpError> {
    if values.iter().any(|t| t.elements() != 1) {
        return Err(OpError::invalid("start, limit and delta must be scalars"));
    }
    let [start, limit, delta] = values.map(|t| t.to_f64_vec()[0]);
    let count = ((limit - start) / delta).ceil().max(0.0);
    if count.is_nan() || count > 1e9 {
        return Err(OpError::invalid(format!("a range from {start} to {limit} by {delta}")));
    }
    Ok((start, delta, count as usize))
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let known =
        |i: usize| a.value(i).ok_or_else(|| OpError::dynamic("the range's length is computed from run-time data"));
    let (_, _, count) = resolve([known(0)?, known(1)?, known(2)?])?;
    Ok(vec![TensorType::new(a.ty(0)?.dtype, [count])])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (start, delta, count) = resolve([a.input(0)?, a.input(1)?, a.input(2)?])?;
    let data: Vec<f64> = (0..count).map(|i| start + i as f64 * delta).collect();
    Ok(vec![Tensor::from_f64(a.input(0)?.dtype(), [count], &data)])
}
