//! Graphs of tests have types.

use crate::{TestConst, TestGraph, TestValue};
use qcc_diag::Diagnostic;
use qcc_ops::{Attrs, InferInput, OpError};
use qcc_tensor::{Tensor, TensorType};

/// Reports the first call whose inputs or attributes contradict its operator.
pub(crate) fn graph(graph: &TestGraph, diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.extend(types(graph).1);
}

/// Types of the calls' outputs, up to the first call that has none, and what is wrong with it. Shapes that depend on
/// computed values stay unknown here, and with them everything behind.
pub(crate) fn types(graph: &TestGraph) -> (Vec<Vec<TensorType>>, Option<Diagnostic>) {
    let constants = |value: &TestValue| match value {
        TestValue::Const(TestConst::Values(ty, data)) if ty.elements() == data.len() => {
            Some(Tensor::from_f64(ty.dtype, ty.shape.iter().copied(), data))
        }
        _ => None,
    };
    let mut types: Vec<Vec<TensorType>> = Vec::new();
    for node in &graph.nodes {
        let values: Vec<Option<Tensor>> = node.inputs.iter().map(|i| i.as_ref().and_then(constants)).collect();
        let mut inputs = Vec::new();
        for (input, value) in node.inputs.iter().zip(&values) {
            let ty = match input {
                None => {
                    inputs.push(None);
                    continue;
                }
                Some(TestValue::Input(i)) => graph.inputs.get(*i).map(|(_, ty)| ty),
                Some(TestValue::Node(i, output)) => types.get(*i).and_then(|t| t.get(*output as usize)),
                Some(TestValue::Const(
                    TestConst::Rand(ty) | TestConst::RandPositive(ty) | TestConst::Values(ty, _),
                )) => Some(ty),
            };
            let Some(ty) = ty else { return (types, None) };
            inputs.push(Some(InferInput { ty, value: value.as_ref() }));
        }
        let mut attrs: Attrs = node.attrs.iter().cloned().collect();
        match node.op.infer(&inputs, &mut attrs, node.outputs) {
            Ok(found) => types.push(found),
            Err(OpError::Unsupported(_) | OpError::Dynamic(_) | OpError::Limit(_)) => return (types, None),
            Err(OpError::Invalid(why)) => {
                let diagnostic = Diagnostic::error("ill-typed-graph", format!("{} has no type: {why}", node.op.name));
                return (types, Some(diagnostic.label(node.span, "this call")));
            }
        }
    }
    (types, None)
}
