//! `RoiAlign` before operator set 16: positions were not moved by half a pixel.

use super::Call;
use crate::scope::Scope;
use qcc_ops::{AttrValue, OpError};

/// Says what was meant.
pub(super) fn coordinates(call: &mut Call, _: &mut Scope<'_>) -> Result<(), OpError> {
    if call.attrs.get("coordinate_transformation_mode").is_none() {
        call.attrs.set("coordinate_transformation_mode", AttrValue::Str("output_half_pixel".to_string()));
    }
    Ok(())
}
