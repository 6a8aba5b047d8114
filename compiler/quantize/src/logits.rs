//! What a network decides between classes on: its outputs in front of the function that makes probabilities of them.
//!
//! Probabilities of sure samples hardly move, those of unsure ones move a lot: their noise is that of a few samples. The noise of
//! logits is alike on all of them. What comes out of a sigmoid (a mask, a map) is no such decision, and is taken as it is.

use crate::flow::PASSIVE;
use qcc_ir::{Node, TypedGraph, ValueId};

/// Operators that make probabilities.
const PROBABILITIES: &[&str] = &["Softmax", "LogSoftmax"];

/// For every output that holds probabilities, which it is and what they are made of.
pub fn logits(graph: &TypedGraph) -> Vec<(usize, ValueId)> {
    let of = |(i, (_, value)): (usize, &(String, ValueId))| Some((i, behind(graph, *value)?));
    graph.graph().outputs().iter().enumerate().filter_map(of).collect()
}

/// The logits, with their last axis.
pub fn watched(graph: &TypedGraph) -> Vec<(ValueId, usize)> {
    logits(graph).into_iter().map(|(_, value)| (value, graph.ty(value).rank().saturating_sub(1))).collect()
}

/// What the probabilities of a value are made of; none if it holds none.
fn behind(graph: &TypedGraph, mut value: ValueId) -> Option<ValueId> {
    loop {
        let Node::Op(node) = graph.graph().node(value.node) else { return None };
        let input = node.inputs.first().copied().flatten()?;
        match node.op.name {
            name if PROBABILITIES.contains(&name) => return Some(input),
            name if PASSIVE.contains(&name) => value = input,
            _ => return None,
        }
    }
}
