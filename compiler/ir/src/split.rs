//! What of a graph can be typed before it runs, and the rest.
//!
//! Where an output's shape follows from data (`NonZero`), its node and everything that reads it go to the tail, a
//! [`Block`] that types each call when its inputs are there. The head computes what the tail reads, and the outputs that
//! do not depend on it.

use crate::infer::infer_or_defer;
use crate::{Graph, Node, NodeId, TypedGraph, ValueId};
use qcc_diag::Diagnostic;
use qcc_ops::{Block, Call};
use rustc_hash::{FxHashMap, FxHashSet};

/// A graph in two parts.
#[derive(Debug, Clone)]
pub struct Split {
    /// The part with types. If there is a tail, its outputs are what the tail reads.
    pub head: TypedGraph,
    /// The part whose types are known at run time only.
    pub tail: Option<Tail>,
}

/// Calls that follow a typed graph.
#[derive(Debug, Clone)]
pub struct Tail {
    /// The calls; their inputs are the outputs of the head, in order.
    pub block: Block,
    /// Names of the results, in the model's order.
    pub outputs: Vec<String>,
    /// Why the first call is here: its node and what is known at run time only.
    pub reason: String,
}

/// Types a graph as far as that goes.
///
/// # Errors
/// Every node that cannot be typed for another reason than values that are not known yet.
pub fn split(graph: &Graph) -> Result<Split, Vec<Diagnostic>> {
    let mut deferred = Vec::new();
    let head = infer_or_defer(graph, Some(&mut deferred))?;
    let Some((_, reason)) = deferred.first().cloned() else { return Ok(Split { head, tail: None }) };
    let late: FxHashSet<NodeId> = deferred.into_iter().map(|(id, _)| id).collect();
    let read = read_from_head(graph, &late);
    let block = block(graph, &read, |id| late.contains(&id));
    let outputs = graph.outputs().iter().map(|(name, _)| name.clone()).collect();
    let mut early = graph.without(&late);
    for &value in &read {
        early.graph.add_output(format!("v{}.{}", value.node.0, value.output), early.moved(value));
    }
    let head = crate::infer(&early.graph.pruned())?;
    Ok(Split { head, tail: Some(Tail { block, outputs, reason }) })
}

/// Values of the head that late nodes or the outputs of the graph read, each once, in order.
fn read_from_head(graph: &Graph, late: &FxHashSet<NodeId>) -> Vec<ValueId> {
    let of_nodes =
        graph.node_ids().filter(|id| late.contains(id)).flat_map(|id| graph.node(id).inputs().iter().flatten());
    let of_outputs = graph.outputs().iter().map(|(_, v)| v);
    let mut seen = FxHashSet::default();
    of_nodes.chain(of_outputs).filter(|v| !late.contains(&v.node) && seen.insert(**v)).copied().collect()
}

/// The nodes that `in_block` accepts as a block whose inputs are `inputs`.
fn block(graph: &Graph, inputs: &[ValueId], in_block: impl Fn(NodeId) -> bool) -> Block {
    let mut numbers: FxHashMap<ValueId, u32> = FxHashMap::default();
    let mut constants = Vec::new();
    for &value in inputs {
        numbers.insert(value, numbers.len() as u32);
    }
    for id in graph.node_ids().filter(|&id| in_block(id)) {
        if let Node::Const(t) = graph.node(id)
            && !numbers.contains_key(&id.output(0))
        {
            numbers.insert(id.output(0), numbers.len() as u32);
            constants.push(t.clone());
        }
    }
    let mut calls = Vec::new();
    let mut next = numbers.len() as u32;
    for id in graph.node_ids().filter(|&id| in_block(id)) {
        let Node::Op(n) = graph.node(id) else { continue };
        let regions = n.regions.iter().map(region).collect();
        let given = n.inputs.iter().map(|v| v.map(|v| numbers[&v])).collect();
        for i in 0..n.outputs as u32 {
            numbers.insert(id.output(i), next);
            next += 1;
        }
        let name = n.name.clone();
        calls.push(Call { name, op: n.op, attrs: n.attrs.clone(), inputs: given, outputs: n.outputs as u32, regions });
    }
    let outputs = graph.outputs().iter().map(|(_, v)| numbers[v]).collect();
    Block { inputs: inputs.len() as u32, constants, calls, outputs }
}

fn region(graph: &Graph) -> Block {
    let inputs: Vec<ValueId> = graph.inputs().iter().map(|id| id.output(0)).collect();
    block(graph, &inputs, |_| true)
}
