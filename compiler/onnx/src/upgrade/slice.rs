//! `Slice` before operator set 10: ranges as attributes.

use super::Call;
use crate::scope::Scope;
use qcc_ops::OpError;

/// Moves starts, ends and axes to inputs.
pub(super) fn attributes(call: &mut Call, scope: &mut Scope<'_>) -> Result<(), OpError> {
    for (i, name) in [(1, "starts"), (2, "ends"), (3, "axes")] {
        call.ints_to_input(name, i, scope)?;
    }
    Ok(())
}
