//! `Mod`.

use crate::elementwise::binary;
use crate::{AttrDef, AttrKind, Default, OpDef, Param, def::no_macs};

/// Remainder: of the divisor's sign, or with `fmod` of the dividend's.
pub static OP: OpDef = OpDef {
    name: "Mod",
    domain: "",
    doc: "Remainder of a division.",
    inputs: &[Param::one("a"), Param::one("b")],
    outputs: &[Param::one("c")],
    attrs: &[AttrDef::new("fmod", AttrKind::Int, Default::Int(0))],
    elementwise: true,
    infer: binary::infer,
    eval: |a| {
        let dividend = a.attrs.int("fmod") == Some(1);
        binary::eval(
            a,
            |x, y| if dividend { x % y } else { floored(x, y) },
            |i, j| match (j, dividend) {
                (0, _) => 0,
                (_, true) => i % j,
                (_, false) => ((i % j) + j) % j,
            },
        )
    },
    macs: no_macs,
};

/// The remainder that has the divisor's sign; exact, since at most one addition follows the exact remainder.
fn floored(x: f64, y: f64) -> f64 {
    let r = x % y;
    if r == 0.0 {
        0.0f64.copysign(y)
    } else if (r < 0.0) != (y < 0.0) {
        r + y
    } else {
        r
    }
}
