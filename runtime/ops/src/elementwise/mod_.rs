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
            |x, y| if dividend { x % y } else { x - y * (x / y).floor() },
            |i, j| match (j, dividend) {
                (0, _) => 0,
                (_, true) => i % j,
                (_, false) => ((i % j) + j) % j,
            },
        )
    },
    macs: no_macs,
};
