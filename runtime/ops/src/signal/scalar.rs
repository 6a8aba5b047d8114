//! Inputs that are one number and decide about shapes.

use crate::{InferArgs, OpError};
use qcc_tensor::Tensor;

/// The one integer of a tensor.
pub(crate) fn integer(t: &Tensor, what: &str) -> Result<i64, OpError> {
    match t.to_i64_vec().as_deref() {
        Some([one]) => Ok(*one),
        _ => Err(OpError::invalid(format!("{what} must be one integer, got {}", t.ty()))),
    }
}

/// Input `i` as one integer; [`OpError::Dynamic`] if it is not known yet.
pub(crate) fn known(a: &InferArgs<'_>, i: usize, what: &str) -> Result<Option<i64>, OpError> {
    if a.opt_ty(i).is_none() {
        return Ok(None);
    }
    let value = a.value(i).ok_or_else(|| OpError::dynamic(format!("{what} is computed from run-time data")))?;
    integer(value, what).map(Some)
}

/// A size that is not negative and not absurd.
pub(crate) fn size(value: i64, what: &str) -> Result<usize, OpError> {
    usize::try_from(value)
        .ok()
        .filter(|&n| n <= 1 << 24)
        .ok_or_else(|| OpError::invalid(format!("{what} must be a size, got {value}")))
}
