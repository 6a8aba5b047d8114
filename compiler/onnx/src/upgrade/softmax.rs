//! `Softmax`, `LogSoftmax` and `Hardmax` before operator set 13: over all axes from `axis` on, flattened together.

use super::{Call, emit};
use crate::scope::Scope;
use qcc_ir::ValueId;
use qcc_ops::{AttrValue, Attrs, OpError};

/// Over the last axis alone both forms agree. Otherwise the data is flattened to a matrix and brought back:
/// `Reshape(Softmax(Flatten(x, axis), -1), Shape(x))`.
pub(super) fn over_flattened(mut call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    let x = call.input(0)?;
    let axis = call.attrs.int("axis").unwrap_or(1);
    let last = scope.fact(Some(x)).rank.map(|rank| rank as i64 - 1);
    call.attrs.set("axis", AttrValue::Int(-1));
    if axis == -1 || Some(axis) == last {
        return emit(call, scope);
    }
    let flat = scope.extra(&call, "Flatten", Attrs::new().with("axis", AttrValue::Int(axis)), &[x])?;
    let soft = scope.extra(&call, &call.op, call.attrs.clone(), &[flat])?;
    let shape = scope.extra(&call, "Shape", Attrs::new(), &[x])?;
    call.op = "Reshape".to_string();
    call.attrs = Attrs::new();
    call.inputs = vec![Some(soft), Some(shape)];
    emit(call, scope)
}
