//! `Split`: sizes as an attribute before operator set 13, equal parts by the number of outputs before 18.

use super::Call;
use crate::scope::Scope;
use qcc_ops::{AttrValue, OpError};

/// Moves the sizes to the second input.
pub(super) fn sizes(call: &mut Call, scope: &mut Scope<'_>) -> Result<(), OpError> {
    call.ints_to_input("split", 1, scope)
}

/// Says the number of parts where the sizes are not given.
pub(super) fn count(call: &mut Call, _: &mut Scope<'_>) -> Result<(), OpError> {
    if call.inputs.get(1).copied().flatten().is_none() {
        call.attrs.set("num_outputs", AttrValue::Int(call.outputs as i64));
    }
    Ok(())
}
