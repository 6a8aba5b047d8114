//! `MatMul`.

use super::product;
use crate::numeric::dispatch;
use crate::{Attrs, EvalArgs, InferArgs, OpDef, OpError, Param};
use qcc_tensor::{Element, Tensor, TensorType};

/// Matrix product with numpy semantics; floats are summed in f64 and rounded once, integers in i64 and wrapped.
pub static OP: OpDef = OpDef {
    name: "MatMul",
    domain: "",
    doc: "Matrix product, batched over leading axes.",
    inputs: &[Param::one("a"), Param::one("b")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: false,
    infer,
    eval,
    macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, y) = (a.ty(0)?, a.ty(1)?);
    if x.dtype != y.dtype {
        return Err(OpError::invalid(format!("the operands must have one element type, got {x} and {y}")));
    }
    Ok(vec![TensorType { dtype: x.dtype, shape: product::geometry(&x.shape, &y.shape)?.shape }])
}

/// Multiply-accumulates of a product.
pub(crate) fn macs(inputs: &[Option<&TensorType>], outputs: &[TensorType], _: &Attrs) -> u64 {
    let k = inputs.first().copied().flatten().and_then(|a| a.shape.last().copied()).unwrap_or(0);
    outputs.iter().map(|o| o.elements() as u64).sum::<u64>().saturating_mul(k as u64)
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, y) = (a.input(0)?, a.input(1)?);
    let p = product::geometry(x.shape(), y.shape())?;
    if x.dtype().is_float() {
        return dispatch!(floats x.dtype(), T => {
            Ok(vec![Tensor::build::<T>(p.shape.clone(), |out| p.multiply(
                x.slice::<T>(), y.slice::<T>(), |_| 0.0, |acc: f64, l, r, _| acc + l.to_f64() * r.to_f64(),
                |i, acc| out[i] = T::from_f64(acc)))])
        }, "MatMul");
    }
    dispatch!(ints x.dtype(), T => {
        Ok(vec![Tensor::build::<T>(p.shape.clone(), |out| p.multiply(
            x.slice::<T>(), y.slice::<T>(), |_| 0i64, |acc, l, r, _| acc.wrapping_add((l as i64).wrapping_mul(r as i64)),
            |i, acc| out[i] = acc as T))])
    }, "MatMul")
}
