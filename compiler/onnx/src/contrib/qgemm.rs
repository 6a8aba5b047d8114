//! `QGemm`.

use super::codes::{optional, required};
use crate::scope::Scope;
use crate::upgrade::{Call, requantized};
use qcc_ir::ValueId;
use qcc_ops::{AttrValue, Attrs, OpError};
use qcc_tensor::{DType, Tensor};

/// `QGemm(a, a_s, a_z, b, b_s, b_z, c, y_s, y_z)`: an integer product with an i32 bias, as codes, or without `y_s` as values.
/// `b_s` is one number or one for each column.
pub(super) fn import(call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    let operand = |scope: &mut Scope<'_>, i: usize, flag: &str| -> Result<ValueId, OpError> {
        let codes = required(&call, i)?;
        if call.attrs.int(flag).unwrap_or(0) == 0 {
            return Ok(codes);
        }
        scope.extra(&call, "Transpose", Attrs::new().with("perm", AttrValue::Ints(vec![1, 0])), &[codes])
    };
    let (a, b) = (operand(scope, 0, "transA")?, operand(scope, 3, "transB")?);
    let mut acc =
        scope.extra(&call, "MatMulInteger", Attrs::new(), &[a, b, required(&call, 2)?, required(&call, 5)?])?;
    if let Some(bias) = optional(&call, 6) {
        acc = scope.extra(&call, "Add", Attrs::new(), &[acc, bias])?;
    }
    let (a_scale, mut b_scale) = (required(&call, 1)?, required(&call, 4)?);
    let alpha = call.attrs.float("alpha").unwrap_or(1.0);
    if alpha != 1.0 {
        let alpha = scope.constant(Tensor::scalar(alpha));
        b_scale = scope.extra(&call, "Mul", Attrs::new(), &[b_scale, alpha])?;
    }
    if let Some(y_scale) = optional(&call, 7) {
        let zero = match optional(&call, 8) {
            Some(zero) => zero,
            None => scope.constant(Tensor::scalar(0u8)),
        };
        return Ok(vec![requantized(&call, scope, acc, [a_scale, b_scale, y_scale, zero], 1)?]);
    }
    let scale = scope.extra(&call, "Mul", Attrs::new(), &[a_scale, b_scale])?;
    let attrs = Attrs::new().with("axis", AttrValue::Int(1)).with("output_dtype", AttrValue::Type(DType::F32));
    Ok(vec![scope.extra(&call, "DequantizeLinear", attrs, &[acc, scale])?])
}
