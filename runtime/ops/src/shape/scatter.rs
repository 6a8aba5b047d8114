//! What the scattering ops share: writing updates into a copy of the data.

use crate::numeric::dispatch;
use crate::{Attrs, InferArgs, OpError};
use qcc_tensor::{DType, Tensor};

/// Checks the way of reduction and the element types.
pub(crate) fn check(a: &InferArgs<'_>) -> Result<(), OpError> {
    let (x, indices, updates) = (a.ty(0)?, a.ty(1)?, a.ty(2)?);
    if updates.dtype != x.dtype || !indices.dtype.is_int() {
        return Err(OpError::invalid(format!("updates {updates} at indices {indices} do not fit {x}")));
    }
    match a.attrs.str("reduction") {
        Some("none") => Ok(()),
        Some("add" | "mul" | "min" | "max") if x.dtype != DType::Bool => Ok(()),
        other => Err(OpError::invalid(format!("reduction {other:?} of {x}"))),
    }
}

/// A copy of `x` into which, for every pair `(target, source)`, element `source` of the updates went. Floats are reduced
/// in f64 and rounded once.
pub(crate) fn scatter(
    x: &Tensor,
    updates: &Tensor,
    attrs: &Attrs,
    pairs: &[(usize, usize)],
) -> Result<Tensor, OpError> {
    let shape = || x.shape().iter().copied();
    let reduction = attrs.str("reduction").unwrap_or("none");
    if reduction == "none" {
        return dispatch!(all x.dtype(), T => {
            let mut out = x.slice::<T>().to_vec();
            let new = updates.slice::<T>();
            pairs.iter().for_each(|&(to, from)| out[to] = new[from]);
            Ok(Tensor::new(shape(), out))
        }, "scattering");
    }
    if x.dtype().is_float() {
        let mut out = x.to_f64_vec();
        let new = updates.to_f64_vec();
        for &(to, from) in pairs {
            let (old, new) = (out[to], new[from]);
            out[to] = match reduction {
                "add" => old + new,
                "mul" => old * new,
                _ if old.is_nan() || new.is_nan() => f64::NAN,
                "min" => old.min(new),
                _ => old.max(new),
            };
        }
        return Ok(Tensor::from_f64(x.dtype(), shape(), &out));
    }
    dispatch!(ints x.dtype(), T => {
        let mut out = x.slice::<T>().to_vec();
        let new = updates.slice::<T>();
        for &(to, from) in pairs {
            out[to] = match reduction {
                "add" => out[to].wrapping_add(new[from]),
                "mul" => out[to].wrapping_mul(new[from]),
                "min" => out[to].min(new[from]),
                _ => out[to].max(new[from]),
            };
        }
        Ok(Tensor::new(shape(), out))
    }, "scattering")
}
