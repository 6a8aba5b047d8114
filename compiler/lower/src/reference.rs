//! Steps that run on the reference evaluation of an op.

use crate::assembly::Assembly;
use qcc_cost::CostModel;
use qcc_ir::{FusedNode, Node, OpNode, TypedGraph, ValueId};
use qcc_kernel::program::{Action, BufferId, Step};
use qcc_ops::{Attrs, Op};
use qcc_tensor::TensorType;
use rustc_hash::FxHashMap;

/// A dense value: where it lies and what it is.
pub type Dense = (BufferId, TensorType);

/// One step that evaluates an op.
pub fn op_step(
    out: &mut Assembly<'_>,
    costs: &CostModel,
    name: &str,
    call: (Op, &Attrs),
    inputs: Vec<Option<Dense>>,
    outputs: Vec<Dense>,
    remark: &str,
) {
    let (op, attrs) = call;
    let types: Vec<Option<&TensorType>> = inputs.iter().map(|i| i.as_ref().map(|(_, ty)| ty)).collect();
    let results: Vec<TensorType> = outputs.iter().map(|(_, ty)| ty.clone()).collect();
    let macs = (op.macs)(&types, &results, attrs);
    let read = inputs.iter().flatten().filter(|(buffer, _)| !out.is_constant(*buffer)).map(|(_, ty)| ty);
    let work = qcc_cost::reference(macs, read.chain(&results));
    out.push(Step {
        name: name.into(),
        action: Action::Reference { op, attrs: attrs.clone(), inputs, outputs },
        predicted_ns: costs.ns(&work),
        macs,
        remark: Some(remark.into()),
    });
}

/// A fused kernel as one step for its core and one for each op of its body. Returns where the result lies.
pub fn fused_steps(
    out: &mut Assembly<'_>,
    costs: &CostModel,
    node: &FusedNode,
    body: &TypedGraph,
    core_type: Option<TensorType>,
    inputs: Vec<Option<Dense>>,
    remark: &str,
) -> Dense {
    let core_inputs = node.core.as_ref().map_or(0, |c| c.inputs);
    let mut given: Vec<Dense> = Vec::new();
    if let (Some(core), Some(ty)) = (&node.core, core_type) {
        let acc = out.buffer(&format!("{}.acc", node.name), ty.bytes());
        let arguments = inputs[..core_inputs].to_vec();
        op_step(out, costs, &node.name, (core.op, &core.attrs), arguments, vec![(acc, ty.clone())], remark);
        given.push((acc, ty));
    }
    given.extend(inputs.into_iter().skip(core_inputs).flatten());
    let graph = body.graph();
    let mut values: FxHashMap<ValueId, Dense> = FxHashMap::default();
    values.extend(graph.inputs().iter().map(|id| id.output(0)).zip(given));
    for id in graph.node_ids() {
        match graph.node(id) {
            Node::Input(_) | Node::Fused(_) => {}
            Node::Const(t) => {
                let buffer = out.constant(&node.name, t.to_shared());
                values.insert(id.output(0), (buffer, t.ty().clone()));
            }
            Node::Op(OpNode { op, attrs, inputs, .. }) => {
                let ty = body.ty(id.output(0)).clone();
                let buffer = out.buffer(&format!("{}.{}", node.name, op.name), ty.bytes());
                let arguments = inputs.iter().map(|v| v.map(|v| values[&v].clone())).collect();
                op_step(out, costs, &node.name, (*op, attrs), arguments, vec![(buffer, ty.clone())], remark);
                values.insert(id.output(0), (buffer, ty));
            }
        }
    }
    values[&graph.outputs()[0].1].clone()
}
