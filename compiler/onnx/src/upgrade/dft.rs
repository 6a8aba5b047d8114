//! `DFT` before operator set 20: the axis as an attribute.

use super::Call;
use crate::scope::Scope;
use qcc_ops::{AttrValue, OpError};
use qcc_tensor::Tensor;

/// Moves the axis, by default 1, to the third input.
pub(super) fn axis(call: &mut Call, scope: &mut Scope<'_>) -> Result<(), OpError> {
    let axis = match call.attrs.remove("axis") {
        None => 1,
        Some(AttrValue::Int(axis)) => axis,
        Some(other) => return Err(OpError::invalid(format!("attribute `axis` must be an integer, got {other}"))),
    };
    let value = scope.constant(Tensor::scalar(axis));
    call.set_input(2, value);
    Ok(())
}
