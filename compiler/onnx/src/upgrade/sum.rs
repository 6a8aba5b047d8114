//! `Sum` of any number of inputs.

use super::{Call, emit};
use crate::scope::Scope;
use qcc_ir::ValueId;
use qcc_ops::{Attrs, OpError};

/// Adds from left to right; the sum of one input is that input.
pub(super) fn chain(mut call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    let (last, rest) = match (0..call.inputs.len()).map(|i| call.input(i)).collect::<Result<Vec<_>, _>>()?[..] {
        [] => return Err(OpError::invalid("it has no inputs")),
        [one] => {
            call.op = "Identity".to_string();
            call.inputs = vec![Some(one)];
            return emit(call, scope);
        }
        [first, ref middle @ .., last] => {
            let mut sum = first;
            for &next in middle {
                sum = scope.extra(&call, "Add", Attrs::new(), &[sum, next])?;
            }
            (last, sum)
        }
    };
    call.op = "Add".to_string();
    call.inputs = vec![Some(rest), Some(last)];
    emit(call, scope)
}
