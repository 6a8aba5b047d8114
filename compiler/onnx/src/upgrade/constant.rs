//! `Constant` and `ConstantOfShape`: attributes that are values.

use super::Call;
use crate::scope::Scope;
use qcc_ops::{AttrValue, OpError};
use qcc_tensor::Tensor;

/// The tensor of a `Constant`, whichever of its attributes holds it.
pub(crate) fn constant(call: &Call) -> Result<Tensor, OpError> {
    if let Some((_, tensor)) = call.tensors.iter().find(|(name, _)| name == "value") {
        return Ok(tensor.clone());
    }
    match call.attrs.iter().find(|(name, _)| name.starts_with("value_")) {
        Some(("value_float", AttrValue::Float(x))) => Ok(Tensor::scalar(*x)),
        Some(("value_floats", AttrValue::Floats(x))) => Ok(Tensor::new([x.len()], x.clone())),
        Some(("value_int", AttrValue::Int(x))) => Ok(Tensor::scalar(*x)),
        Some(("value_ints", AttrValue::Ints(x))) => Ok(Tensor::new([x.len()], x.clone())),
        Some((name, _)) => Err(OpError::unsupported(format!("its attribute `{name}`"))),
        None => Err(OpError::invalid("it has no value")),
    }
}

/// `ConstantOfShape`: the value becomes the second input.
pub(super) fn of_shape(call: &mut Call, scope: &mut Scope<'_>) -> Result<(), OpError> {
    if let Some(at) = call.tensors.iter().position(|(name, _)| name == "value") {
        let (_, tensor) = call.tensors.remove(at);
        if tensor.elements() != 1 {
            return Err(OpError::invalid(format!("its value must have one element, it is {}", tensor.ty())));
        }
        let value = scope.constant(tensor.reshaped([]));
        call.set_input(1, value);
    }
    Ok(())
}
