//! `axes` of `Squeeze`, `Unsqueeze` and the reductions: an attribute before operator set 13 or 18, an input since.

use super::Call;
use crate::scope::Scope;
use qcc_ops::OpError;

/// Moves the attribute to the second input.
pub(super) fn to_input(call: &mut Call, scope: &mut Scope<'_>) -> Result<(), OpError> {
    call.ints_to_input("axes", 1, scope)
}
