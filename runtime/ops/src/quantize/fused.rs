//! `Fused`.

use crate::{OpDef, OpError, Param, def::no_macs};

/// A kernel: `body`, a term over the accumulator `acc`, applied to every element of `core`. It exists as a term of the
/// e-graph; the graph has nodes of its own for kernels.
pub static OP: OpDef = OpDef {
    name: "Fused",
    domain: "qcc",
    doc: "A kernel: the body applied to every element of the core.",
    inputs: &[Param::one("core"), Param::one("body")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: false,
    infer: |a| Ok(vec![a.ty(1)?.clone()]),
    eval: |_| Err(OpError::invalid("a fused kernel is evaluated by the graph that holds it")),
    macs: no_macs,
};
