//! Nodes of other domains whose operator somebody defines: a node becomes the nodes of its definition.

use crate::graph::node_error;
use crate::model::Import;
use crate::scope::Scope;
use crate::upgrade::Call;
use qcc_diag::Diagnostic;
use qcc_ir::ValueId;
use qcc_ops::{Attrs, Op, OpError};
use qcc_tensor::{DType, Tensor};

/// A call of an operator that is not one of the standard.
#[derive(Debug)]
pub struct CustomCall<'a> {
    /// Domain of the operator.
    pub domain: &'a str,
    /// Name of the operator.
    pub op: &'a str,
    /// Attributes of the node that are not tensors.
    pub attrs: &'a Attrs,
    /// Element types of the inputs, as far as they are known before types are inferred.
    pub dtypes: &'a [Option<DType>],
    /// Number of outputs.
    pub outputs: usize,
}

/// What a call stands for.
#[derive(Debug, Clone)]
pub struct Expansion {
    /// Nodes in order; each has one output that is used.
    pub nodes: Vec<ExpandedNode>,
    /// The result.
    pub output: Operand,
}

/// A node of an expansion.
#[derive(Debug, Clone)]
pub struct ExpandedNode {
    /// Operator of the newest form.
    pub op: Op,
    /// Its attributes.
    pub attrs: Attrs,
    /// Its inputs; `None` is absent.
    pub inputs: Vec<Option<Operand>>,
    /// Number of outputs.
    pub outputs: usize,
}

/// A value in an expansion.
#[derive(Debug, Clone)]
pub enum Operand {
    /// An input of the call.
    Input(usize),
    /// An output of an earlier node.
    Node(usize, u32),
    /// A constant.
    Constant(Tensor),
}

/// Definitions of operators.
pub trait Definitions {
    /// Whether somebody defines an operator.
    fn defines(&self, domain: &str, op: &str) -> bool;

    /// What a call stands for; `None` if nobody defines its operator.
    fn expand(&self, call: &CustomCall<'_>) -> Option<Result<Expansion, String>>;
}

/// No definitions.
pub struct NoDefinitions;

impl Definitions for NoDefinitions {
    fn defines(&self, _: &str, _: &str) -> bool {
        false
    }

    fn expand(&self, _: &CustomCall<'_>) -> Option<Result<Expansion, String>> {
        None
    }
}

/// The values of a node of another domain; `None` if nobody defines its operator.
pub(crate) fn import_custom(
    import: &Import<'_>,
    domain: &str,
    what: &str,
    call: &Call,
    scope: &mut Scope<'_>,
) -> Option<Result<Vec<ValueId>, Diagnostic>> {
    let dtypes: Vec<Option<DType>> = call.inputs.iter().map(|v| scope.fact(*v).dtype).collect();
    let custom = CustomCall { domain, op: &call.op, attrs: &call.attrs, dtypes: &dtypes, outputs: call.outputs };
    let expansion = match import.definitions.expand(&custom)? {
        Ok(expansion) => expansion,
        Err(e) => return Some(Err(node_error(what, OpError::invalid(e)))),
    };
    if let Some(i) = call.inputs.iter().position(Option::is_none) {
        return Some(Err(node_error(
            what,
            OpError::invalid(format!("its input {i} is absent; its definition needs it")),
        )));
    }
    if call.outputs > 1 {
        let message = format!("it has {} outputs; a definition has one", call.outputs);
        return Some(Err(node_error(what, OpError::invalid(message))));
    }
    let inputs: Vec<ValueId> = call.inputs.iter().flatten().copied().collect();
    let mut nodes: Vec<Vec<ValueId>> = Vec::new();
    let last = expansion.nodes.len().saturating_sub(1);
    for (i, node) in expansion.nodes.into_iter().enumerate() {
        let args = node.inputs.into_iter().map(|v| v.map(|v| value(v, &inputs, &nodes, scope))).collect();
        let name = if i == last { call.name.clone() } else { format!("{}/{}_{i}", call.name, node.op.name) };
        let ExpandedNode { op, attrs, outputs, .. } = node;
        let inner = Call { name, op: op.name.to_string(), attrs, inputs: args, outputs, ..call.clone() };
        let id = scope.node_of(op, inner, Vec::new());
        nodes.push((0..outputs as u32).map(|i| id.output(i)).collect());
    }
    Some(Ok(vec![value(expansion.output, &inputs, &nodes, scope)]))
}

fn value(operand: Operand, inputs: &[ValueId], nodes: &[Vec<ValueId>], scope: &mut Scope<'_>) -> ValueId {
    match operand {
        Operand::Input(i) => inputs[i],
        Operand::Node(i, output) => nodes[i][output as usize],
        Operand::Constant(tensor) => scope.constant(tensor),
    }
}
