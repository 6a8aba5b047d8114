//! `Upsample`, and `Resize` before operator set 11: both are `Resize` with fixed modes.

use super::Call;
use crate::scope::Scope;
use qcc_ops::{AttrValue, OpError};
use qcc_tensor::Tensor;

/// `Upsample` before operator set 9: scales as an attribute.
pub(super) fn upsample_scales(call: &mut Call, scope: &mut Scope<'_>) -> Result<(), OpError> {
    match call.attrs.remove("scales") {
        Some(AttrValue::Floats(scales)) => {
            let value = scope.constant(Tensor::new([scales.len()], scales));
            call.set_input(1, value);
            Ok(())
        }
        _ => Err(OpError::invalid("it has no scales")),
    }
}

/// `Upsample` with scales as input is the `Resize` of operator set 10.
pub(super) fn upsample(call: &mut Call, _: &mut Scope<'_>) -> Result<(), OpError> {
    call.op = "Resize".to_string();
    // Scales of an upsampling are at least one.
    call.attrs.set("nearest_mode", AttrValue::Str("floor".to_string()));
    Ok(())
}

/// `Resize` before operator set 11 had no region and no modes: coordinates were divided by the scale; the nearest element
/// is the one below where an axis grows and the one above where it shrinks. An axis that keeps its size allows both.
pub(super) fn without_modes(call: &mut Call, scope: &mut Scope<'_>) -> Result<(), OpError> {
    let scales = call.input(1)?;
    let nearest = call.attrs.str("mode").unwrap_or("nearest") == "nearest";
    if nearest && call.attrs.get("nearest_mode").is_none() {
        let values = scope.value(Some(scales)).map(Tensor::to_f64_vec);
        let values =
            values.ok_or_else(|| OpError::unsupported("scales that are no constant (before operator set 11)"))?;
        let mode = match (values.iter().any(|&s| s > 1.0), values.iter().any(|&s| s < 1.0)) {
            (true, true) => return Err(OpError::unsupported("axes that grow beside axes that shrink")),
            (_, false) => "floor",
            (false, true) => "ceil",
        };
        call.attrs.set("nearest_mode", AttrValue::Str(mode.to_string()));
    }
    call.inputs.truncate(1);
    call.set_input(2, scales);
    call.attrs.set("coordinate_transformation_mode", AttrValue::Str("asymmetric".to_string()));
    Ok(())
}

/// Before operator set 13 an unused region or unused scales had to be there as empty tensors; many writers still do it.
pub(super) fn drop_empty_inputs(call: &mut Call, scope: &mut Scope<'_>) -> Result<(), OpError> {
    for input in call.inputs.iter_mut().skip(1) {
        if scope.value(*input).is_some_and(|t| t.elements() == 0) {
            *input = None;
        }
    }
    while call.inputs.last() == Some(&None) {
        call.inputs.pop();
    }
    Ok(())
}
