//! Operator sets below 7: operands broadcast only where an attribute said so, and from an axis on.

use super::Call;
use crate::scope::Scope;
use qcc_ir::ValueId;
use qcc_ops::{Attrs, OpError};
use qcc_tensor::Tensor;

/// The second operand's axes begin at `axis` of the first; since operator set 7 operands meet at their last axes, so axes
/// of one element go behind.
pub(super) fn operands(call: &mut Call, scope: &mut Scope<'_>) -> Result<(), OpError> {
    let axis = call.attrs.remove("axis").and_then(|a| if let qcc_ops::AttrValue::Int(a) = a { Some(a) } else { None });
    let broadcast = call.attrs.int("broadcast") == Some(1);
    call.attrs.remove("broadcast");
    match axis {
        Some(axis) if broadcast => {
            let (a, b) = (call.input(0)?, call.input(1)?);
            let b = behind(call, scope, [a, b], axis)?;
            call.set_input(1, b);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// `PRelu`: one slope for each channel.
pub(super) fn slope(call: &mut Call, scope: &mut Scope<'_>) -> Result<(), OpError> {
    let (x, slope) = (call.input(0)?, call.input(1)?);
    if scope.fact(Some(slope)).rank == Some(1) {
        let slope = behind(call, scope, [x, slope], 1)?;
        call.set_input(1, slope);
    }
    Ok(())
}

/// `b` with axes of one element added behind, so that its first axis meets axis `axis` of `a`.
fn behind(call: &Call, scope: &mut Scope<'_>, [a, b]: [ValueId; 2], axis: i64) -> Result<ValueId, OpError> {
    let rank = |v| scope.fact(Some(v)).rank.map(|r| r as i64);
    let (Some(whole), Some(part)) = (rank(a), rank(b)) else {
        return Err(OpError::unsupported(
            "broadcasting from an axis on where ranks are not known (before operator set 7)",
        ));
    };
    let axis = if axis < 0 { axis + whole } else { axis };
    let axes: Vec<i64> = (part..(whole - axis).max(part)).collect();
    if axes.is_empty() {
        return Ok(b);
    }
    let axes = scope.constant(Tensor::new([axes.len()], axes));
    scope.extra(call, "Unsqueeze", Attrs::new(), &[b, axes])
}

/// `Gemm` said that its addend broadcasts.
pub(super) fn drop_flag(call: &mut Call, _: &mut Scope<'_>) -> Result<(), OpError> {
    call.attrs.remove("broadcast");
    Ok(())
}
