//! `QLinearSoftmax`.

use super::codes::{values, zero_point_outside};
use crate::scope::Scope;
use crate::upgrade::{Call, newest};
use qcc_ir::ValueId;
use qcc_ops::{AttrValue, Attrs, OpError};

/// `QLinearSoftmax(x, x_s, x_z, y_s, y_z)`; `opset` says which form of `Softmax` is meant.
pub(super) fn import(call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    let x = values(&call, scope, 0)?;
    let axis = call.attrs.get("axis").cloned().unwrap_or(AttrValue::Int(-1));
    let version = call.attrs.int("opset").ok_or_else(|| OpError::invalid("it needs the attribute `opset`"))?;
    let softmax = Call {
        op: "Softmax".to_string(),
        version,
        attrs: Attrs::new().with("axis", axis),
        inputs: vec![Some(x)],
        outputs: 1,
        ..call.clone()
    };
    let value = newest(softmax, scope)?;
    zero_point_outside(&call, scope, value[0], 3)
}
