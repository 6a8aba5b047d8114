//! A quantized graph cut at its codes, so that every layer can be compared on its own.

use qcc_ir::{Dim, Graph, InputNode, Node, TypedGraph, ValueId};
use rustc_hash::FxHashMap;

/// A graph whose layers do not see each other's results.
pub struct Cut {
    /// Computes every quantized tensor from the quantized tensors before it, which are inputs.
    pub graph: Graph,
    /// The quantized values of the original graph, in the order of the outputs and, behind the original inputs, of the
    /// inputs of `graph`.
    pub codes: Vec<ValueId>,
}

/// Cuts a typed graph behind every `QuantizeLinear`: its result becomes an output, and whoever reads it reads a new input.
/// A difference found at an output then comes from one layer and was not carried there.
pub fn at_codes(typed: &TypedGraph) -> Cut {
    let source = typed.graph();
    let mut graph = Graph::new(source.name.clone());
    let mut map: FxHashMap<ValueId, ValueId> = FxHashMap::default();
    for &id in source.inputs() {
        map.insert(id.output(0), graph.add_input(source.input(id).clone()));
    }
    let mut codes = Vec::new();
    let mut outputs = Vec::new();
    for id in source.node_ids() {
        let node = match source.node(id) {
            Node::Input(_) => continue,
            Node::Const(t) => {
                map.insert(id.output(0), graph.add_const(t.clone()));
                continue;
            }
            Node::Op(node) => {
                let mut node = node.clone();
                node.inputs.iter_mut().flatten().for_each(|v| *v = map[v]);
                (node.op.name == "QuantizeLinear", graph.add_op(node), source.node(id).outputs())
            }
            Node::Fused(node) => {
                let mut node = node.clone();
                node.inputs.iter_mut().flatten().for_each(|v| *v = map[v]);
                (false, graph.add_fused(node).node, 1)
            }
        };
        let (quantizes, new, count) = node;
        for i in 0..count as u32 {
            map.insert(id.output(i), new.output(i));
        }
        if quantizes {
            let value = id.output(0);
            outputs.push((format!("codes {}", id.0), new.output(0)));
            let ty = typed.ty(value);
            let dims = ty.shape.iter().map(|&d| Dim::Known(d)).collect();
            let input = InputNode { name: format!("from {}", id.0), dtype: ty.dtype, dims: Some(dims) };
            map.insert(value, graph.add_input(input));
            codes.push(value);
        }
    }
    for (name, value) in outputs {
        graph.add_output(name, value);
    }
    Cut { graph, codes }
}
