//! Reference evaluation of a graph: the definition of its result.

use crate::{Node, TypedGraph, ValueId};
use qcc_ops::OpError;
use qcc_tensor::{DType, Tensor};
use rustc_hash::FxHashMap;

/// Outputs of the graph for `inputs` in the order of the graph's inputs.
///
/// # Errors
/// An op that cannot be evaluated, with the node's name.
pub fn evaluate(graph: &TypedGraph, inputs: &[Tensor]) -> Result<Vec<Tensor>, OpError> {
    let last_use = last_uses(graph);
    let mut values = run(graph, inputs, |values, position| {
        values.retain(|v, _| last_use.get(v).is_none_or(|&l| l > position));
    })?;
    let take = |v: &ValueId| values.get(v).cloned().expect("outputs are kept");
    let outputs = graph.graph().outputs().iter().map(|(_, v)| take(v)).collect();
    values.clear();
    Ok(outputs)
}

/// Every value of the graph (not of nested graphs), for comparing layer by layer.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_all(graph: &TypedGraph, inputs: &[Tensor]) -> Result<FxHashMap<ValueId, Tensor>, OpError> {
    run(graph, inputs, |_, _| {})
}

/// Position of the last node that reads each value; outputs of the graph are not in it.
fn last_uses(graph: &TypedGraph) -> FxHashMap<ValueId, usize> {
    let g = graph.graph();
    let mut last = FxHashMap::default();
    for (position, id) in g.node_ids().enumerate() {
        for v in g.node(id).inputs().iter().flatten() {
            last.insert(*v, position);
        }
    }
    for (_, v) in g.outputs() {
        last.remove(v);
    }
    last
}

fn run(
    graph: &TypedGraph,
    inputs: &[Tensor],
    mut after_node: impl FnMut(&mut FxHashMap<ValueId, Tensor>, usize),
) -> Result<FxHashMap<ValueId, Tensor>, OpError> {
    let g = graph.graph();
    let mut values: FxHashMap<ValueId, Tensor> = FxHashMap::default();
    for (&id, tensor) in g.inputs().iter().zip(inputs) {
        let expected = graph.ty(id.output(0));
        if tensor.ty() != expected {
            let message = format!("input `{}` must be {expected}, got {}", g.input(id).name, tensor.ty());
            return Err(OpError::Invalid(message));
        }
        values.insert(id.output(0), tensor.clone());
    }
    for (position, id) in g.node_ids().enumerate() {
        let argument = |v: &Option<ValueId>, values: &FxHashMap<ValueId, Tensor>| v.map(|v| values[&v].clone());
        let results = match g.node(id) {
            Node::Input(n) => {
                if !values.contains_key(&id.output(0)) {
                    return Err(OpError::Invalid(format!("input `{}` is not given", n.name)));
                }
                continue;
            }
            Node::Const(t) => vec![t.clone()],
            Node::Op(n) => {
                let args: Vec<Option<Tensor>> = n.inputs.iter().map(|v| argument(v, &values)).collect();
                let named = |e| named_error(&n.name, n.op.name, e);
                if n.regions.is_empty() {
                    let args: Vec<Option<&Tensor>> = args.iter().map(Option::as_ref).collect();
                    n.op.eval(&args, &n.attrs, n.outputs).map_err(named)?
                } else {
                    let condition = args[0].as_ref().map(|t| t.dtype() == DType::Bool && t.bytes() == [1]);
                    let branch = if condition == Some(true) { 0 } else { 1 };
                    let captured: Vec<Tensor> = args.into_iter().skip(1).flatten().collect();
                    evaluate(&graph.regions(id)[branch], &captured).map_err(named)?
                }
            }
            Node::Fused(n) => {
                let args: Vec<Option<Tensor>> = n.inputs.iter().map(|v| argument(v, &values)).collect();
                let core_inputs = n.core.as_ref().map_or(0, |c| c.inputs);
                let mut body_inputs = Vec::new();
                if let Some(core) = &n.core {
                    let core_args: Vec<Option<&Tensor>> = args[..core_inputs].iter().map(Option::as_ref).collect();
                    let named = |e| named_error(&n.name, core.op.name, e);
                    body_inputs.extend(core.op.eval(&core_args, &core.attrs, 1).map_err(named)?);
                }
                body_inputs.extend(args.into_iter().skip(core_inputs).flatten());
                evaluate(&graph.regions(id)[0], &body_inputs).map_err(|e| named_error(&n.name, "body", e))?
            }
        };
        for (i, t) in results.into_iter().enumerate() {
            values.insert(id.output(i as u32), t);
        }
        after_node(&mut values, position);
    }
    Ok(values)
}

fn named_error(node: &str, op: &str, error: OpError) -> OpError {
    error.of_node(node, op)
}
