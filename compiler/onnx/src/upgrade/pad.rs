//! `Pad` before operator set 11: amounts and value as attributes.

use super::Call;
use crate::scope::Scope;
use qcc_ops::OpError;
use qcc_tensor::{DType, Tensor};

/// Moves the amounts and the value to inputs, the value in the element type of the data.
pub(super) fn attributes(call: &mut Call, scope: &mut Scope<'_>) -> Result<(), OpError> {
    let dtype = scope.fact(Some(call.input(0)?)).dtype.unwrap_or(DType::F32);
    call.ints_to_input("pads", 1, scope)?;
    if let Some(value) = call.take_float("value")? {
        let value = scope.constant(Tensor::from_f64(dtype, [], &[f64::from(value)]));
        call.set_input(2, value);
    }
    Ok(())
}
