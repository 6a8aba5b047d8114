//! `BitShift`.

use crate::elementwise::binary;
use crate::{AttrDef, AttrKind, Default, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::TensorType;

/// Integers shifted by `y` bits, `LEFT` or `RIGHT`; bits beyond the type are lost, a right shift keeps the sign. A number
/// of bits that is negative or not below the type's width shifts everything out.
pub static OP: OpDef = OpDef {
    name: "BitShift",
    domain: "",
    doc: "Integers shifted by a number of bits.",
    inputs: &[Param::one("x"), Param::one("y")],
    outputs: &[Param::one("z")],
    attrs: &[AttrDef::new("direction", AttrKind::Str, Default::Required)],
    elementwise: true,
    infer,
    eval: |a| {
        let left = a.attrs.str("direction") == Some("LEFT");
        let width = a.input(0)?.dtype().bits() as i128;
        binary::eval(
            a,
            |x, _| x,
            |i, j| match (left, (0..width).contains(&j)) {
                (true, true) => i << j,
                (true, false) => 0,
                (false, true) => i >> j,
                (false, false) => {
                    if i < 0 {
                        -1
                    } else {
                        0
                    }
                }
            },
        )
    },
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    if !x.dtype.is_int() {
        return Err(OpError::invalid(format!("only integers are shifted, got {x}")));
    }
    match a.attrs.str("direction") {
        Some("LEFT" | "RIGHT") => binary::infer(a),
        other => Err(OpError::invalid(format!("direction must be LEFT or RIGHT, got {other:?}"))),
    }
}
