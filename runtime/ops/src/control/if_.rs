//! `If`.

use crate::{OpDef, OpError, Param, def::no_macs};

/// One of two nested graphs, by a condition; after the condition come the values the branches capture.
pub static OP: OpDef = OpDef {
    name: "If",
    domain: "",
    doc: "Runs one of two nested graphs.",
    inputs: &[Param::one("cond"), Param::variadic("captures")],
    outputs: &[Param::variadic("outputs")],
    attrs: &[],
    elementwise: false,
    infer: |_| Err(OpError::unsupported("an If without branches")),
    eval: |_| Err(OpError::unsupported("an If outside a graph")),
    macs: no_macs,
};
