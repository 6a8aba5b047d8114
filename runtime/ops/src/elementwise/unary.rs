//! What all functions of one element share.

use crate::numeric::dispatch;
use crate::{Attrs, EvalArgs, InferArgs, OpError};
use qcc_tensor::{DType, Element, Tensor, TensorType};

/// The output has the input's type.
pub(crate) fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    Ok(vec![a.ty(0)?.clone()])
}

/// As [`infer`], for functions that exist on floats only.
pub(crate) fn infer_float(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let ty = a.ty(0)?;
    if !ty.dtype.is_float() {
        return Err(OpError::invalid(format!("the input must be a float tensor, got {ty}")));
    }
    Ok(vec![ty.clone()])
}

/// As [`infer`], for functions that exist on numbers only.
pub(crate) fn infer_number(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let ty = a.ty(0)?;
    if ty.dtype == DType::Bool {
        return Err(OpError::invalid(format!("the input must be a tensor of numbers, got {ty}")));
    }
    Ok(vec![ty.clone()])
}

/// Computes in f64 and rounds once to the element type.
pub(crate) fn eval_float(a: &EvalArgs<'_>, f: impl Fn(f64, &Attrs) -> f64) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    dispatch!(floats x.dtype(), T => {
        let y = x.slice::<T>().iter().map(|v| T::from_f64(f(v.to_f64(), a.attrs))).collect();
        Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
    }, "this function")
}

/// Floats in f64, integers in i128 with the result wrapped to the element type.
pub(crate) fn eval_number(
    a: &EvalArgs<'_>,
    float: impl Fn(f64) -> f64,
    int: impl Fn(i128) -> i128,
) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    if x.dtype().is_float() {
        return eval_float(a, |v, _| float(v));
    }
    dispatch!(ints x.dtype(), T => {
        let y = x.slice::<T>().iter().map(|&v| int(v as i128) as T).collect();
        Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
    }, "this function")
}

/// The output is `bool`.
pub(crate) fn infer_predicate(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let ty = a.ty(0)?;
    Ok(vec![TensorType { dtype: DType::Bool, shape: ty.shape.clone() }])
}

/// Defines `OP` of a float function without attributes.
macro_rules! float_function {
    ($name:literal, $doc:literal, |$x:ident| $value:expr) => {
        /// The operator.
        pub static OP: crate::OpDef = crate::OpDef {
            name: $name,
            domain: "",
            doc: $doc,
            inputs: &[crate::Param::one("x")],
            outputs: &[crate::Param::one("y")],
            attrs: &[],
            elementwise: true,
            infer: crate::elementwise::unary::infer_float,
            eval: |a| crate::elementwise::unary::eval_float(a, |$x, _| $value),
            macs: crate::def::no_macs,
        };
    };
}

/// Defines `OP` of a float function with float attributes, given as `name = default`.
macro_rules! float_function_with {
    ($name:literal, $doc:literal, [$($attr:ident = $default:expr),*], |$x:ident| $value:expr) => {
        /// The operator.
        pub static OP: crate::OpDef = crate::OpDef {
            name: $name,
            domain: "",
            doc: $doc,
            inputs: &[crate::Param::one("x")],
            outputs: &[crate::Param::one("y")],
            attrs: &[$(crate::AttrDef::new(stringify!($attr), crate::AttrKind::Float, crate::Default::Float($default))),*],
            elementwise: true,
            infer: crate::elementwise::unary::infer_float,
            eval: |a| crate::elementwise::unary::eval_float(a, |$x, attrs| {
                $(let $attr = f64::from(attrs.float(stringify!($attr)).unwrap_or($default));)*
                $value
            }),
            macs: crate::def::no_macs,
        };
    };
}

/// Defines `OP` of a function of any number type.
macro_rules! number_function {
    ($name:literal, $doc:literal, |$x:ident| $float:expr, |$i:ident| $int:expr) => {
        /// The operator.
        pub static OP: crate::OpDef = crate::OpDef {
            name: $name,
            domain: "",
            doc: $doc,
            inputs: &[crate::Param::one("x")],
            outputs: &[crate::Param::one("y")],
            attrs: &[],
            elementwise: true,
            infer: crate::elementwise::unary::infer_number,
            eval: |a| crate::elementwise::unary::eval_number(a, |$x| $float, |$i| $int),
            macs: crate::def::no_macs,
        };
    };
}

pub(crate) use {float_function, float_function_with, number_function};
