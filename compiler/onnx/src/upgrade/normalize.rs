//! `BatchNormalization` before operator set 14: attributes and outputs of training; `GroupNormalization` before 21.

use super::Call;
use crate::scope::Scope;
use qcc_ops::OpError;

/// Checks that the node is in inference form and drops what counts in training only.
pub(super) fn batch_normalization(call: &mut Call, _: &mut Scope<'_>) -> Result<(), OpError> {
    if call.attrs.int("spatial").unwrap_or(1) != 1 {
        return Err(OpError::unsupported("normalization of every position by itself (spatial = 0)"));
    }
    if call.outputs > 1 {
        return Err(OpError::unsupported("its outputs for training; export the model for inference"));
    }
    call.attrs.remove("spatial");
    call.attrs.remove("momentum");
    Ok(())
}

/// `GroupNormalization` before operator set 21 scaled groups, not channels.
pub(super) fn group_normalization(_: &mut Call, _: &mut Scope<'_>) -> Result<(), OpError> {
    Err(OpError::unsupported("one scale per group (before operator set 21)"))
}
