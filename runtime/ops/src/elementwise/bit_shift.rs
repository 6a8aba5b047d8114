//! `BitShift`.

use crate::elementwise::binary;
use crate::{AttrDef, AttrKind, Default, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::TensorType;

/// Unsigned integers shifted by `y` bits, `LEFT` or `RIGHT`; bits beyond the type are lost.
pub static OP: OpDef = OpDef {
    name: "BitShift",
    domain: "",
    doc: "Unsigned integers shifted by a number of bits.",
    inputs: &[Param::one("x"), Param::one("y")],
    outputs: &[Param::one("z")],
    attrs: &[AttrDef::new("direction", AttrKind::Str, Default::Required)],
    elementwise: true,
    infer,
    eval: |a| {
        let left = a.attrs.str("direction") == Some("LEFT");
        binary::eval(
            a,
            |x, _| x,
            // A type has at most 64 bits, so a shift by 64 or more clears every one of them.
            |i, j| match (left, j) {
                (_, 64..) => 0,
                (true, j) => i.wrapping_shl(j as u32),
                (false, j) => i >> j,
            },
        )
    },
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    if x.dtype.is_int() && !x.dtype.is_unsigned() {
        return Err(OpError::unsupported(format!("shifts of signed integers, {x}")));
    }
    if !x.dtype.is_unsigned() {
        return Err(OpError::invalid(format!("only unsigned integers are shifted, got {x}")));
    }
    match a.attrs.str("direction") {
        Some("LEFT" | "RIGHT") => binary::infer(a),
        other => Err(OpError::invalid(format!("direction must be LEFT or RIGHT, got {other:?}"))),
    }
}
