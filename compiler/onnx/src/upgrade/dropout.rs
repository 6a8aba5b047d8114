//! `Dropout` before operator set 12: the ratio as an attribute, and no way to train.

use super::Call;
use crate::scope::Scope;
use qcc_ops::OpError;

/// Drops the ratio, which counts in training only.
pub(super) fn ratio(call: &mut Call, _: &mut Scope<'_>) -> Result<(), OpError> {
    call.attrs.remove("ratio");
    call.inputs.truncate(1);
    Ok(())
}
