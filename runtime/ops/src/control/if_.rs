//! `If`.

use super::loop_::truth;
use crate::{Block, Budget, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::Tensor;

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

/// Runs the branch that the condition names.
pub(crate) fn run(
    given: Vec<Option<Tensor>>,
    branches: [&Block; 2],
    budget: &mut Budget,
) -> Result<Vec<Tensor>, OpError> {
    let mut given = given.into_iter();
    let condition = given.next().flatten().ok_or_else(|| OpError::invalid("it has no condition"))?;
    let captured: Option<Vec<Tensor>> = given.collect();
    let captured = captured.ok_or_else(|| OpError::invalid("a captured value is absent"))?;
    branches[usize::from(!truth(&condition)?)].run(captured, budget)
}
