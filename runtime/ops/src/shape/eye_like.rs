//! `EyeLike`.

use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// A matrix of the input's shape with ones on diagonal `k` and zeros elsewhere.
pub static OP: OpDef = OpDef {
    name: "EyeLike",
    domain: "",
    doc: "Ones on a diagonal, in the shape of a matrix.",
    inputs: &[Param::one("input")],
    outputs: &[Param::one("output")],
    attrs: &[
        AttrDef::new("dtype", AttrKind::Type, Default::Computed),
        AttrDef::new("k", AttrKind::Int, Default::Int(0)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    if x.rank() != 2 {
        return Err(OpError::invalid(format!("the input must be a matrix, got {x}")));
    }
    let dtype = a.attrs.dtype("dtype").unwrap_or(x.dtype);
    a.attrs.set("dtype", AttrValue::Type(dtype));
    Ok(vec![TensorType { dtype, shape: x.shape.clone() }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let k = a.attrs.int("k").unwrap_or(0);
    let columns = x.shape()[1];
    let on = |i: usize| (i % columns) as i64 - (i / columns) as i64 == k;
    let values: Vec<f64> = (0..x.elements()).map(|i| f64::from(u8::from(on(i)))).collect();
    Ok(vec![Tensor::from_f64(a.attrs.dtype("dtype").unwrap_or(x.dtype()), x.shape().iter().copied(), &values)])
}
