//! Functions of elements, and joining.

use super::codes::{dequantized, optional, required, values, zero_point_inside, zero_point_outside};
use crate::scope::Scope;
use crate::upgrade::Call;
use qcc_ir::ValueId;
use qcc_ops::{AttrValue, Attrs, OpError};

/// `QLinearAdd(a, a_s, a_z, b, b_s, b_z, y_s, y_z)`.
pub(super) fn add(call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    binary(call, scope, "Add")
}

/// `QLinearMul(a, a_s, a_z, b, b_s, b_z, y_s, y_z)`.
pub(super) fn mul(call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    binary(call, scope, "Mul")
}

fn binary(call: Call, scope: &mut Scope<'_>, op: &str) -> Result<Vec<ValueId>, OpError> {
    let (a, b) = (values(&call, scope, 0)?, values(&call, scope, 3)?);
    let value = scope.extra(&call, op, Attrs::new(), &[a, b])?;
    zero_point_inside(&call, scope, value, 6)
}

/// `QLinearSigmoid(x, x_s, x_z, y_s, y_z)`.
pub(super) fn sigmoid(call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    let x = values(&call, scope, 0)?;
    let value = scope.extra(&call, "Sigmoid", Attrs::new(), &[x])?;
    zero_point_outside(&call, scope, value, 3)
}

/// `QLinearLeakyRelu(x, x_s, x_z, y_s, y_z)`.
pub(super) fn leaky_relu(call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    let x = values(&call, scope, 0)?;
    let value = scope.extra(&call, "LeakyRelu", call.attrs.clone(), &[x])?;
    zero_point_outside(&call, scope, value, 3)
}

/// `QLinearConcat(y_s, y_z, a, a_s, a_z, b, b_s, b_z, …)`.
pub(super) fn concat(call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    let mut parts = Vec::new();
    for i in (2..call.inputs.len()).step_by(3) {
        let pair = [required(&call, i)?, required(&call, i + 1)?];
        parts.push(dequantized(&call, scope, pair, optional(&call, i + 2))?);
    }
    let axis = call.attrs.get("axis").cloned().unwrap_or(AttrValue::Int(0));
    let joined = scope.extra(&call, "Concat", Attrs::new().with("axis", axis), &parts)?;
    zero_point_outside(&call, scope, joined, 0)
}
