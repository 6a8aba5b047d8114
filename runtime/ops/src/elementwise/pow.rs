//! `Pow`.

use crate::elementwise::binary;
use crate::numeric::dispatch;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Element, Tensor, TensorType};

/// Power, broadcast, in the type of the base. The exponent may be of another type; a negative one of an integer gives zero.
pub static OP: OpDef = OpDef {
    name: "Pow",
    domain: "",
    doc: "Power, broadcast.",
    inputs: &[Param::one("a"), Param::one("b")],
    outputs: &[Param::one("c")],
    attrs: &[],
    elementwise: true,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, y) = (a.ty(0)?, a.ty(1)?);
    let number = |t: &TensorType| t.dtype.is_float() || t.dtype.is_int();
    if !number(x) || !number(y) {
        return Err(OpError::invalid(format!("base and exponent must be numbers, got {x} and {y}")));
    }
    Ok(vec![TensorType { dtype: x.dtype, shape: binary::common_shape(a)? }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, y) = (a.input(0)?, a.input(1)?);
    let whole = x.dtype().is_int() && y.dtype().is_int();
    let exponents = Tensor::from_f64(DType::F64, y.shape().iter().copied(), &y.to_f64_vec());
    if whole {
        let power = |i: i128, j: f64| if j < 0.0 { 0 } else { i.wrapping_pow(j as u32) };
        return dispatch!(ints x.dtype(), T => {
            Ok(vec![binary::zip(x, &exponents, |p: T, q: f64| power(p as i128, q) as T)?])
        }, "Pow");
    }
    dispatch!(numbers x.dtype(), T => {
        Ok(vec![binary::zip(x, &exponents, |p: T, q: f64| T::from_f64(p.to_f64().powf(q)))?])
    }, "Pow")
}
