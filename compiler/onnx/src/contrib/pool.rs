//! Means over windows.

use super::codes::{values, zero_point_inside, zero_point_outside};
use crate::scope::Scope;
use crate::upgrade::Call;
use qcc_ir::ValueId;
use qcc_ops::{AttrValue, OpError};

/// `QLinearAveragePool(x, x_s, x_z, y_s, y_z)`.
pub(super) fn average(mut call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    channels(&mut call);
    let x = values(&call, scope, 0)?;
    let value = scope.extra(&call, "AveragePool", call.attrs.clone(), &[x])?;
    zero_point_inside(&call, scope, value, 3)
}

/// `QLinearGlobalAveragePool(x, x_s, x_z, y_s, y_z)`.
pub(super) fn global_average(mut call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    channels(&mut call);
    let x = values(&call, scope, 0)?;
    let value = scope.extra(&call, "GlobalAveragePool", call.attrs.clone(), &[x])?;
    zero_point_outside(&call, scope, value, 3)
}

/// `channels_last` is the layout here.
fn channels(call: &mut Call) {
    if let Some(AttrValue::Int(last)) = call.attrs.remove("channels_last") {
        let layout = if last == 1 { "NHWC" } else { "NCHW" };
        call.attrs.set("layout", AttrValue::Str(layout.to_string()));
    }
}
