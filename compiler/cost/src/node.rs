//! The work of nodes of a chosen graph.

use crate::model::{CostModel, Operand, traffic};
use crate::work::{Unit, Work};
use qcc_ir::{FusedNode, Node, NodeId, TypedGraph, ValueId};
use qcc_tensor::{DType, Tensor, TensorType};

/// The work of a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodeWork {
    /// The core: its arithmetic and what it reads; nothing if there is none.
    pub core: Work,
    /// The body, with what it reads and writes.
    pub body: Work,
}

impl NodeWork {
    /// Both, in one kernel.
    pub fn whole(&self) -> Work {
        self.core + self.body + Work::of(Unit::Launch, 1.0)
    }
}

/// How often the body of a kernel with so many elements computes an operator with `own`: what is broadcast is computed anew
/// for every element.
pub fn repeats(kernel: usize, own: usize) -> f64 {
    (kernel as f64 / own.max(1) as f64).max(1.0)
}

impl CostModel {
    /// The work of a node as a kernel; inputs, constants and nodes with regions have none of their own.
    pub fn node(&self, graph: &TypedGraph, id: NodeId) -> NodeWork {
        match graph.graph().node(id) {
            Node::Op(node) if node.regions.is_empty() => {
                let operands = operands(graph, &node.inputs);
                let outputs: Vec<TensorType> =
                    (0..node.outputs as u32).map(|i| graph.ty(id.output(i)).clone()).collect();
                let core = match &outputs[..] {
                    [output] => self.core(node.op, &node.attrs, &operands, output),
                    _ => None,
                };
                let whole = self.kernel(node.op, &node.attrs, &operands, &outputs);
                match core {
                    Some(core) => NodeWork { core, body: outputs.iter().map(traffic).sum() },
                    None => NodeWork { core: Work::NONE, body: whole + Work::of(Unit::Launch, -1.0) },
                }
            }
            Node::Fused(node) => self.fused(graph, id, node),
            _ => NodeWork { core: Work::NONE, body: Work::NONE },
        }
    }

    fn fused(&self, graph: &TypedGraph, id: NodeId, node: &FusedNode) -> NodeWork {
        let (core_inputs, read) = node.inputs.split_at(node.core.as_ref().map_or(0, |core| core.inputs));
        let inner = &graph.regions(id)[0];
        let g = inner.graph();
        let core = node.core.as_ref().and_then(|core| {
            let output = inner.ty(g.inputs()[0].output(0));
            self.core(core.op, &core.attrs, &operands(graph, core_inputs), output)
        });
        let read = operands(graph, read);
        let mut body: Work = read.iter().flatten().filter(|o| !o.constant).map(|o| traffic(o.ty)).sum();
        let result = graph.ty(id.output(0));
        body += traffic(result);
        for inside in g.node_ids() {
            if let Node::Op(call) = g.node(inside) {
                let (given, ty) = (operands(inner, &call.inputs), inner.ty(inside.output(0)));
                let work = self.body_op(call.op, &given, ty).unwrap_or(Work::NONE);
                body += work * repeats(result.elements(), ty.elements());
            }
        }
        NodeWork { core: core.unwrap_or(Work::NONE), body }
    }
}

fn operands<'a>(graph: &'a TypedGraph, inputs: &[Option<ValueId>]) -> Vec<Option<Operand<'a>>> {
    let operand = |value: ValueId| {
        let ty = graph.ty(value);
        let constant = match graph.graph().node(value.node) {
            Node::Const(tensor) => Some(tensor),
            _ => None,
        };
        Operand { ty, constant: constant.is_some(), value: constant, bounds: constant.map_or(EVERYTHING, bounds) }
    };
    inputs.iter().map(|input| input.map(operand)).collect()
}

const EVERYTHING: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// Smallest and largest element of weights.
fn bounds(tensor: &Tensor) -> (f64, f64) {
    let of = |codes: &mut dyn Iterator<Item = f64>| {
        codes.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (v.min(lo), v.max(hi)))
    };
    match tensor.dtype() {
        DType::I8 => of(&mut tensor.slice::<i8>().iter().map(|&v| f64::from(v))),
        DType::U8 => of(&mut tensor.slice::<u8>().iter().map(|&v| f64::from(v))),
        DType::F32 => of(&mut tensor.slice::<f32>().iter().map(|&v| f64::from(v))),
        _ => EVERYTHING,
    }
}
