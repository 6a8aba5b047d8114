//! `Pow`.

use crate::elementwise::binary;
use crate::numeric::dispatch;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Tensor, TensorType};

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
    if x.dtype().is_int() && y.dtype().is_int() {
        let power = |i: i128, j: i128| match j {
            ..0 => 0,
            j => i.wrapping_pow(u32::try_from(j).unwrap_or(u32::MAX)),
        };
        return dispatch!(ints x.dtype(), T => dispatch!(ints y.dtype(), U => {
            Ok(vec![binary::zip(x, y, |p: T, q: U| power(p as i128, q as i128) as T)?])
        }, "Pow"), "Pow");
    }
    dispatch!(numbers x.dtype(), T => dispatch!(numbers y.dtype(), U => {
        Ok(vec![binary::zip(x, y, |p: T, q: U| T::from_f64(p.to_f64().powf(q.to_f64())))?])
    }, "Pow"), "Pow")
}
