//! What functions of all elements along one axis share.

use crate::numeric::dispatch;
use crate::reduce::over;
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpError};
use qcc_tensor::{Element, Tensor, TensorType};

/// The axis, the last one if not given.
pub(crate) const ATTRS: &[AttrDef] = &[AttrDef::new("axis", AttrKind::Int, Default::Int(-1))];

/// The output has the input's type; the axis becomes positive.
pub(crate) fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    if !x.dtype.is_float() {
        return Err(OpError::invalid(format!("the input must be a float tensor, got {x}")));
    }
    let axis = crate::shape::positive_axis(a.attrs.int("axis").unwrap_or(-1), x.rank())?;
    a.attrs.set("axis", AttrValue::Int(axis as i64));
    Ok(vec![x.clone()])
}

/// Gives `f` the elements along the axis and their maximum, in f64; rounds the elements it returns once.
pub(crate) fn eval(a: &EvalArgs<'_>, f: impl Fn(&[f64], f64) -> Vec<f64>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let axis = a.attrs.int("axis").unwrap_or(0) as usize;
    dispatch!(floats x.dtype(), T => {
        let data = x.slice::<T>();
        Ok(vec![Tensor::build::<T>(x.shape().iter().copied().collect(), |y| {
            over::groups(x.shape(), &[axis], |group| {
                let at: Vec<usize> = group.collect();
                let values: Vec<f64> = at.iter().map(|&i| data[i].to_f64()).collect();
                let top = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                at.iter().zip(f(&values, top)).for_each(|(&i, v)| y[i] = T::from_f64(v));
            });
        })])
    }, "this function")
}
