//! Codes to values and back.

use crate::scope::Scope;
use crate::upgrade::{Call, newest};
use qcc_ir::ValueId;
use qcc_ops::{AttrValue, Attrs, OpError};
use qcc_tensor::{DType, Tensor, TensorType};

/// `QuantizeLinear` and `DequantizeLinear` of this domain are the standard's.
pub(super) fn as_standard(call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    newest(call, scope)
}

/// Input `i`, if it is there.
pub(super) fn optional(call: &Call, i: usize) -> Option<ValueId> {
    call.inputs.get(i).copied().flatten()
}

/// Input `i`, which must be there.
pub(super) fn required(call: &Call, i: usize) -> Result<ValueId, OpError> {
    optional(call, i).ok_or_else(|| OpError::invalid(format!("input {i} is missing")))
}

/// The values of the codes in input `i`, whose scale and zero-point follow.
pub(super) fn values(call: &Call, scope: &mut Scope<'_>, i: usize) -> Result<ValueId, OpError> {
    let (codes, scale) = (required(call, i)?, required(call, i + 1)?);
    dequantized(call, scope, [codes, scale], optional(call, i + 2))
}

/// The values of codes.
pub(super) fn dequantized(
    call: &Call,
    scope: &mut Scope<'_>,
    [codes, scale]: [ValueId; 2],
    zero: Option<ValueId>,
) -> Result<ValueId, OpError> {
    let inputs: Vec<ValueId> = [codes, scale].into_iter().chain(zero).collect();
    scope.extra(call, "DequantizeLinear", Attrs::new(), &inputs)
}

/// `saturate(round_half_even(v / s) + z)`; scale and zero-point are the inputs `i` and `i + 1`.
pub(super) fn zero_point_outside(
    call: &Call,
    scope: &mut Scope<'_>,
    value: ValueId,
    i: usize,
) -> Result<Vec<ValueId>, OpError> {
    let scale = required(call, i)?;
    let inputs: Vec<ValueId> = [value, scale].into_iter().chain(optional(call, i + 1)).collect();
    Ok(vec![scope.extra(call, "QuantizeLinear", Attrs::new(), &inputs)?])
}

/// `saturate(round_half_even(v / s + z))`; scale and zero-point are the inputs `i` and `i + 1`.
pub(super) fn zero_point_inside(
    call: &Call,
    scope: &mut Scope<'_>,
    value: ValueId,
    i: usize,
) -> Result<Vec<ValueId>, OpError> {
    let scale = required(call, i)?;
    let Some(zero) = optional(call, i + 1) else { return zero_point_outside(call, scope, value, i) };
    let even = scope.value(Some(zero)).and_then(Tensor::to_i64_vec).is_some_and(|z| z.iter().all(|z| z % 2 == 0));
    if even {
        // An even number may be added before or after.
        return zero_point_outside(call, scope, value, i);
    }
    let dtype = match scope.fact(Some(zero)).dtype {
        Some(dtype @ (DType::U8 | DType::I8)) => dtype,
        _ => return Err(OpError::unsupported("a zero-point of unknown type")),
    };
    let steps = scope.extra(call, "Div", Attrs::new(), &[value, scale])?;
    let to = Attrs::new().with("to", AttrValue::Type(DType::F32));
    let shift = scope.extra(call, "Cast", to, &[zero])?;
    let moved = scope.extra(call, "Add", Attrs::new(), &[steps, shift])?;
    let one = scope.constant(Tensor::scalar(1.0f32));
    let none = scope.constant(Tensor::zeros(TensorType::new(dtype, [])));
    Ok(vec![scope.extra(call, "QuantizeLinear", Attrs::new(), &[moved, one, none])?])
}
