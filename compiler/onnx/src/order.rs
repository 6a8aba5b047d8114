//! The order in which the nodes of a graph are imported.

use crate::function::Planned;
use crate::proto::{GraphProto, NodeProto};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A topological order that keeps the file's order wherever it is one; `known` names are there before the first node.
/// The error is the nodes of one cycle.
pub(crate) fn topological(nodes: &[Planned<'_>], known: impl Fn(&str) -> bool) -> Result<Vec<usize>, Vec<usize>> {
    let mut producer: FxHashMap<&str, usize> = FxHashMap::default();
    for (i, node) in nodes.iter().enumerate() {
        for name in node.proto.output.iter().filter(|n| !n.is_empty() && !known(n)) {
            producer.entry(name).or_insert(i);
        }
    }
    let sources: Vec<Vec<usize>> = nodes
        .iter()
        .map(|node| {
            let mut sources: Vec<usize> = reads(&node.proto).iter().filter_map(|n| producer.get(n)).copied().collect();
            sources.sort_unstable();
            sources.dedup();
            sources
        })
        .collect();
    let mut users = vec![Vec::new(); nodes.len()];
    let mut missing: Vec<usize> = sources.iter().map(Vec::len).collect();
    for (i, sources) in sources.iter().enumerate() {
        sources.iter().for_each(|&s| users[s].push(i));
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..nodes.len()).filter(|&i| missing[i] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(i)) = ready.pop() {
        order.push(i);
        for &user in &users[i] {
            missing[user] -= 1;
            if missing[user] == 0 {
                ready.push(Reverse(user));
            }
        }
    }
    if order.len() == nodes.len() { Ok(order) } else { Err(cycle(&sources, &missing)) }
}

/// A cycle among the nodes that still wait: following waiting sources must return to a node seen before.
fn cycle(sources: &[Vec<usize>], missing: &[usize]) -> Vec<usize> {
    let mut path = Vec::new();
    let mut at = missing.iter().position(|&m| m > 0);
    while let Some(i) = at {
        if let Some(start) = path.iter().position(|&p| p == i) {
            path.drain(..start);
            path.reverse();
            return path;
        }
        path.push(i);
        at = sources[i].iter().copied().find(|&s| missing[s] > 0);
    }
    path
}

/// Names that a node reads, each once in order: its inputs and what its nested graphs capture.
pub(crate) fn reads(node: &NodeProto) -> Vec<&str> {
    let mut seen = FxHashSet::default();
    let own = node.input.iter().map(String::as_str).filter(|n| !n.is_empty());
    own.chain(captures(node)).filter(|n| seen.insert(*n)).collect()
}

/// Names that the nested graphs of a node read from outside, each once in order.
pub(crate) fn captures(node: &NodeProto) -> Vec<&str> {
    let mut seen = FxHashSet::default();
    node.attribute.iter().filter_map(|a| a.g.as_ref()).flat_map(free_names).filter(|n| seen.insert(*n)).collect()
}

fn free_names(graph: &GraphProto) -> Vec<&str> {
    let mut defined: FxHashSet<&str> = graph.input.iter().map(|v| v.name()).collect();
    defined.extend(graph.initializer.iter().map(|t| t.name()));
    defined.extend(graph.node.iter().flat_map(|n| &n.output).map(String::as_str));
    let read = graph.node.iter().flat_map(reads);
    let outputs = graph.output.iter().map(|v| v.name());
    read.chain(outputs).filter(|n| !n.is_empty() && !defined.contains(n)).collect()
}
