//! `MaxPool`: the order in which its second output counts positions.

use super::Call;
use crate::scope::Scope;
use qcc_ops::OpError;

/// Drops the order where nobody reads the positions, and where it is the default.
pub(super) fn storage_order(call: &mut Call, _: &mut Scope<'_>) -> Result<(), OpError> {
    if call.outputs < 2 || call.attrs.int("storage_order") == Some(0) {
        call.attrs.remove("storage_order");
    }
    Ok(())
}
