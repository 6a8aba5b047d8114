//! `Clip` before operator set 11: bounds as attributes.

use super::Call;
use crate::scope::Scope;
use qcc_ops::OpError;
use qcc_tensor::{DType, Tensor};

/// Moves the bounds to inputs, in the element type of the data. The defaults were the range of a float, which bound
/// nothing, so absent bounds stay absent.
pub(super) fn bounds(call: &mut Call, scope: &mut Scope<'_>) -> Result<(), OpError> {
    let dtype = scope.fact(Some(call.input(0)?)).dtype.unwrap_or(DType::F32);
    for (i, name) in [(1, "min"), (2, "max")] {
        if let Some(bound) = call.take_float(name)? {
            let value = scope.constant(Tensor::from_f64(dtype, [], &[f64::from(bound)]));
            call.set_input(i, value);
        }
    }
    Ok(())
}
