//! `Identity`.

use crate::elementwise::unary;
use crate::{OpDef, Param, def::no_macs};

/// The input itself.
pub static OP: OpDef = OpDef {
    name: "Identity",
    domain: "",
    doc: "The input itself.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: true,
    infer: unary::infer,
    eval: |a| Ok(vec![a.input(0)?.clone()]),
    macs: no_macs,
};
