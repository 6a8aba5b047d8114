//! `Cast`.

use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Element, Tensor, TensorType};

/// Converts elements: floats round to nearest even, float to integer truncates (and saturates where the standard leaves it
/// open), integers wrap, zero is false.
pub static OP: OpDef = OpDef {
    name: "Cast",
    domain: "",
    doc: "Converts elements to another type.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("saturate", AttrKind::Int, Default::Int(1)),
        AttrDef::new("to", AttrKind::Type, Default::Required),
    ],
    elementwise: true,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let dtype = a.attrs.dtype("to").ok_or_else(|| OpError::invalid("`to` must be an element type"))?;
    Ok(vec![TensorType { dtype, shape: a.ty(0)?.shape.clone() }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let to = a.attrs.dtype("to").ok_or_else(|| OpError::invalid("`to` must be an element type"))?;
    if to == x.dtype() {
        return Ok(vec![x.clone()]);
    }
    let shape = x.shape().iter().copied();
    if x.dtype().is_float() || x.dtype() == DType::Bool || to.is_float() || to == DType::Bool {
        return Ok(vec![Tensor::from_f64(to, shape, &x.to_f64_vec())]);
    }
    let wide: Vec<i128> =
        dispatch!(ints x.dtype(), T => Ok(x.slice::<T>().iter().map(|&v| v as i128).collect()), "Cast")?;
    dispatch!(ints to, T => {
        debug_assert_eq!(T::DTYPE, to);
        Ok(vec![Tensor::new(shape, wide.iter().map(|&v| v as T).collect())])
    }, "Cast")
}
