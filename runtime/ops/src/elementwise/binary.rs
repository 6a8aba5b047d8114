//! What functions of two or more broadcast elements share.

use crate::numeric::dispatch;
use crate::{EvalArgs, InferArgs, OpError};
use ndarray::{ArrayD, IxDyn, Zip};
use qcc_tensor::{DType, Element, Shape, Tensor, TensorType, broadcast_shapes};

/// The common shape of all present inputs.
pub(crate) fn common_shape(a: &InferArgs<'_>) -> Result<Shape, OpError> {
    let mut shape = Shape::new();
    for i in 0..a.inputs.len() {
        if let Some(ty) = a.opt_ty(i) {
            shape = broadcast_shapes(&shape, &ty.shape)
                .ok_or_else(|| OpError::invalid(format!("shapes {:?} and {:?} do not broadcast", shape, ty.shape)))?;
        }
    }
    Ok(shape)
}

fn common_dtype(a: &InferArgs<'_>) -> Result<DType, OpError> {
    let first = a.ty(0)?;
    for i in 1..a.inputs.len() {
        let other = a.ty(i)?;
        if other.dtype != first.dtype {
            return Err(OpError::invalid(format!("the inputs must have one element type, got {first} and {other}")));
        }
    }
    Ok(first.dtype)
}

/// Broadcast shape, the inputs' common type.
pub(crate) fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    Ok(vec![TensorType { dtype: common_dtype(a)?, shape: common_shape(a)? }])
}

/// As [`infer`], for functions that exist on numbers only.
pub(crate) fn infer_numbers(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let types = infer(a)?;
    if types[0].dtype == DType::Bool {
        return Err(OpError::invalid(format!(
            "the inputs must be tensors of numbers, got {} and {}",
            a.ty(0)?,
            a.ty(1)?
        )));
    }
    Ok(types)
}

/// Broadcast shape, `bool`.
pub(crate) fn infer_predicate(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    common_dtype(a)?;
    Ok(vec![TensorType { dtype: DType::Bool, shape: common_shape(a)? }])
}

/// Applies `f` to broadcast pairs.
pub(crate) fn zip<A: Element, B: Element, R: Element>(
    a: &Tensor,
    b: &Tensor,
    f: impl Fn(A, B) -> R,
) -> Result<Tensor, OpError> {
    let shape = broadcast_shapes(a.shape(), b.shape()).ok_or_else(|| OpError::invalid("shapes do not broadcast"))?;
    if a.shape() == b.shape() {
        let data = a.slice::<A>().iter().zip(b.slice::<B>()).map(|(&x, &y)| f(x, y)).collect();
        return Ok(Tensor::new(shape, data));
    }
    let (av, bv) = (a.view::<A>(), b.view::<B>());
    let fail = || OpError::invalid("shapes do not broadcast");
    let av = av.broadcast(IxDyn(&shape)).ok_or_else(fail)?;
    let bv = bv.broadcast(IxDyn(&shape)).ok_or_else(fail)?;
    let out: ArrayD<R> = Zip::from(&av).and(&bv).map_collect(|&x, &y| f(x, y));
    Ok(Tensor::new(shape, out.iter().copied().collect()))
}

/// Floats in f64 rounded once (which is exactly the operation in the element type for + - * / and comparisons),
/// integers in i128 wrapped to the element type.
pub(crate) fn eval(
    a: &EvalArgs<'_>,
    float: impl Fn(f64, f64) -> f64,
    int: impl Fn(i128, i128) -> i128,
) -> Result<Vec<Tensor>, OpError> {
    let (x, y) = (a.input(0)?, a.input(1)?);
    let t = if x.dtype().is_float() {
        dispatch!(floats x.dtype(), T => zip(x, y, |p: T, q: T| T::from_f64(float(p.to_f64(), q.to_f64()))), "this function")?
    } else {
        dispatch!(ints x.dtype(), T => zip(x, y, |p: T, q: T| int(p as i128, q as i128) as T), "this function")?
    };
    Ok(vec![t])
}

/// Compares broadcast pairs; bool counts as 0 and 1.
pub(crate) fn eval_compare(
    a: &EvalArgs<'_>,
    float: impl Fn(f64, f64) -> bool,
    int: impl Fn(i128, i128) -> bool,
) -> Result<Vec<Tensor>, OpError> {
    let (x, y) = (a.input(0)?, a.input(1)?);
    let t = if x.dtype() == DType::Bool {
        zip(x, y, |p: bool, q: bool| int(i128::from(p), i128::from(q)))?
    } else if x.dtype().is_float() {
        dispatch!(floats x.dtype(), T => zip(x, y, |p: T, q: T| float(p.to_f64(), q.to_f64())), "a comparison")?
    } else {
        dispatch!(ints x.dtype(), T => zip(x, y, |p: T, q: T| int(p as i128, q as i128)), "a comparison")?
    };
    Ok(vec![t])
}

/// Defines `OP` of an arithmetic function of two operands.
macro_rules! arithmetic {
    ($name:literal, $doc:literal, |$a:ident, $b:ident| $float:expr, |$i:ident, $j:ident| $int:expr) => {
        /// The operator.
        pub static OP: crate::OpDef = crate::OpDef {
            name: $name,
            domain: "",
            doc: $doc,
            inputs: &[crate::Param::one("a"), crate::Param::one("b")],
            outputs: &[crate::Param::one("c")],
            attrs: &[],
            elementwise: true,
            infer: crate::elementwise::binary::infer_numbers,
            eval: |a| crate::elementwise::binary::eval(a, |$a, $b| $float, |$i, $j| $int),
            macs: crate::def::no_macs,
        };
    };
}

/// Defines `OP` of a comparison.
macro_rules! comparison {
    ($name:literal, $doc:literal, |$a:ident, $b:ident| $value:expr) => {
        /// The operator.
        pub static OP: crate::OpDef = crate::OpDef {
            name: $name,
            domain: "",
            doc: $doc,
            inputs: &[crate::Param::one("a"), crate::Param::one("b")],
            outputs: &[crate::Param::one("c")],
            attrs: &[],
            elementwise: true,
            infer: crate::elementwise::binary::infer_predicate,
            eval: |a| crate::elementwise::binary::eval_compare(a, |$a, $b| $value, |$a, $b| $value),
            macs: crate::def::no_macs,
        };
    };
}

pub(crate) use {arithmetic, comparison};
