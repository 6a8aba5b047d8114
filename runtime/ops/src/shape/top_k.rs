//! `TopK`.

use super::axes::axis;
use crate::numeric::dispatch;
use crate::reduce::over;
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};
use std::cmp::Ordering;

/// The `k` largest (or smallest) elements along an axis with their positions; of equal elements the first comes first.
/// The result is always sorted. NaN counts as the largest value.
pub static OP: OpDef = OpDef {
    name: "TopK",
    domain: "",
    doc: "The k largest or smallest elements along an axis, and their positions.",
    inputs: &[Param::one("x"), Param::one("k")],
    outputs: &[Param::one("values"), Param::optional("indices")],
    attrs: &[
        AttrDef::new("axis", AttrKind::Int, Default::Int(-1)),
        AttrDef::new("largest", AttrKind::Int, Default::Int(1)),
        AttrDef::new("sorted", AttrKind::Int, Default::Int(1)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn count(k: &[i64], size: usize) -> Result<usize, OpError> {
    match *k {
        [k] if (0..=size as i64).contains(&k) => Ok(k as usize),
        _ => Err(OpError::invalid(format!("k must be one number from 0 to {size}, got {k:?}"))),
    }
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let at = axis(a.attrs.int("axis").unwrap_or(-1), x.rank())?;
    a.attrs.set("axis", AttrValue::Int(at as i64));
    let mut shape = x.shape.clone();
    shape[at] = count(&a.ints(1, "k")?.unwrap_or_default(), shape[at])?;
    let indices = TensorType { dtype: DType::I64, shape: shape.clone() };
    let mut types = vec![TensorType { dtype: x.dtype, shape }, indices];
    types.truncate(a.outputs);
    Ok(types)
}

/// Total order in which NaN is above everything.
fn compare<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    #[allow(clippy::eq_op, reason = "a NaN is the only value that differs from itself")]
    let by_nan = || (a != a).cmp(&(b != b));
    a.partial_cmp(b).unwrap_or_else(by_nan)
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let at = a.attrs.int("axis").unwrap_or(0) as usize;
    let largest = a.attrs.int("largest") != Some(0);
    let k = count(&a.input(1)?.to_i64_vec().unwrap_or_default(), x.shape()[at])?;
    let mut shape: qcc_tensor::Shape = x.shape().iter().copied().collect();
    shape[at] = k;
    let inner: usize = shape[at + 1..].iter().product();
    dispatch!(numbers x.dtype(), T => {
        let data = x.slice::<T>();
        let mut values = vec![T::default(); shape.iter().product()];
        let mut indices = vec![0i64; values.len()];
        let mut group = 0;
        over::groups(x.shape(), &[at], |members| {
            let mut order: Vec<(usize, usize)> = members.enumerate().collect();
            order.sort_by(|(_, p), (_, q)| {
                let by = compare(&data[*p], &data[*q]);
                if largest { by.reverse() } else { by }
            });
            let first = group / inner * k * inner + group % inner;
            for (i, (position, source)) in order.into_iter().take(k).enumerate() {
                values[first + i * inner] = data[source];
                indices[first + i * inner] = position as i64;
            }
            group += 1;
        });
        let mut outputs = vec![Tensor::new(shape.clone(), values), Tensor::new(shape, indices)];
        outputs.truncate(a.outputs);
        Ok(outputs)
    }, "TopK")
}
