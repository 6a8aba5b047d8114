//! Operator sets 1 to 6: attributes that became inputs, and attributes about training.

use super::Call;
use crate::scope::Scope;
use qcc_ops::{AttrValue, OpError};

/// `BatchNormalization` and `Dropout` trained unless told not to.
pub(super) fn inference_only(call: &mut Call, _: &mut Scope<'_>) -> Result<(), OpError> {
    match call.attrs.remove("is_test") {
        Some(AttrValue::Int(1)) => Ok(()),
        _ => Err(OpError::unsupported("its training form (is_test = 0, before operator set 7)")),
    }
}

/// `Reshape`: the shape as an attribute.
pub(super) fn reshape(call: &mut Call, scope: &mut Scope<'_>) -> Result<(), OpError> {
    call.ints_to_input("shape", 1, scope)
}

/// `Concat`: the axis could be left out.
pub(super) fn concat(call: &mut Call, _: &mut Scope<'_>) -> Result<(), OpError> {
    if call.attrs.get("axis").is_none() {
        call.attrs.set("axis", AttrValue::Int(1));
    }
    Ok(())
}

/// `Tile` had other inputs.
pub(super) fn tile(_: &mut Call, _: &mut Scope<'_>) -> Result<(), OpError> {
    Err(OpError::unsupported("tiling along one axis (before operator set 6)"))
}

/// A hint for in-place execution.
pub(super) fn drop_consumed(call: &mut Call) {
    call.attrs.remove("consumed_inputs");
}
