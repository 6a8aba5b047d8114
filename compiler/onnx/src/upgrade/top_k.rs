//! `TopK` before operator set 10: the count as an attribute.

use super::Call;
use crate::scope::Scope;
use qcc_ops::{AttrValue, OpError};
use qcc_tensor::Tensor;

/// Moves the count to the second input.
pub(super) fn k(call: &mut Call, scope: &mut Scope<'_>) -> Result<(), OpError> {
    match call.attrs.remove("k") {
        Some(AttrValue::Int(k)) => {
            let value = scope.constant(Tensor::new([1], vec![k]));
            call.set_input(1, value);
            Ok(())
        }
        _ => Err(OpError::invalid("it has no count")),
    }
}
