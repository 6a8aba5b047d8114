//! `Hardmax`.

use super::along;
use crate::{OpDef, Param, def::no_macs};

/// 1 at the first maximum along an axis, 0 elsewhere.
pub static OP: OpDef = OpDef {
    name: "Hardmax",
    domain: "",
    doc: "1 at the first maximum along an axis, 0 elsewhere.",
    inputs: &[Param::one("input")],
    outputs: &[Param::one("output")],
    attrs: along::ATTRS,
    elementwise: false,
    infer: along::infer,
    eval: |a| {
        along::eval(a, |values, top| {
            let first = values.iter().position(|v| *v == top);
            (0..values.len()).map(|i| f64::from(u8::from(Some(i) == first))).collect()
        })
    },
    macs: no_macs,
};
