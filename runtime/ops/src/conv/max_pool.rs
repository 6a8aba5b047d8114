//! `MaxPool`.

use super::pool;
use crate::numeric::dispatch;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// The largest element of every window; padding never wins. Works on any number type.
pub static OP: OpDef = OpDef {
    name: "MaxPool",
    domain: "",
    doc: "Largest element of every window.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y"), Param::optional("indices")],
    attrs: pool::ATTRS,
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    if a.outputs > 1 {
        return Err(OpError::unsupported("the indices of MaxPool"));
    }
    let shape = pool::infer_shape(a)?;
    Ok(vec![TensorType { dtype: a.ty(0)?.dtype, shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    dispatch!(numbers x.dtype(), T => {
        let data = x.slice::<T>();
        let lowest = x.dtype().int_range().map_or(f64::NEG_INFINITY, |(lo, _)| lo as f64);
        let lowest = <T as qcc_tensor::Element>::from_f64(lowest);
        let mut out: Vec<(usize, T)> = Vec::new();
        let shape = pool::each_window(x.ty(), a.attrs, |o, indices, _, _| {
            let best = indices.iter().map(|&i| data[i]).fold(lowest, |m, v| if v > m { v } else { m });
            out.push((o, best));
        })?;
        Ok(vec![Tensor::build::<T>(shape, |y| out.iter().for_each(|&(o, v)| y[o] = v))])
    }, "MaxPool")
}
