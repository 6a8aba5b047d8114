//! `Softmax`.

use super::along;
use crate::{OpDef, Param, def::no_macs};

/// `exp(x - max) / sum exp(x - max)` along an axis.
pub static OP: OpDef = OpDef {
    name: "Softmax",
    domain: "",
    doc: "Normalised exponentials along an axis.",
    inputs: &[Param::one("input")],
    outputs: &[Param::one("output")],
    attrs: along::ATTRS,
    elementwise: false,
    infer: along::infer,
    eval: |a| {
        along::eval(a, |values, top| {
            let e: Vec<f64> = values.iter().map(|v| (v - top).exp()).collect();
            let sum: f64 = e.iter().sum();
            e.iter().map(|e| e / sum).collect()
        })
    },
    macs: no_macs,
};
