//! `LogSoftmax`.

use super::along;
use crate::{OpDef, Param, def::no_macs};

/// `x - max - ln(sum exp(x - max))` along an axis.
pub static OP: OpDef = OpDef {
    name: "LogSoftmax",
    domain: "",
    doc: "Logarithm of the normalised exponentials along an axis.",
    inputs: &[Param::one("input")],
    outputs: &[Param::one("output")],
    attrs: along::ATTRS,
    elementwise: false,
    infer: along::infer,
    eval: |a| {
        along::eval(a, |values, top| {
            let sum: f64 = values.iter().map(|v| (v - top).exp()).sum();
            values.iter().map(|v| v - top - sum.ln()).collect()
        })
    },
    macs: no_macs,
};
