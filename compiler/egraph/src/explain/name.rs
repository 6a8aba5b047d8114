//! Names of the model's nodes.

use crate::saturate::Saturated;
use egg::Id;

/// A node that the model does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the model has no node `{name}`")]
pub struct UnknownNode {
    /// The name that was asked for.
    pub name: String,
}

/// Names of the model's nodes, in the order of the model.
pub fn node_names(saturated: &Saturated) -> impl Iterator<Item = &str> {
    saturated.origin.names.iter().map(|(_, name)| name.as_str())
}

/// The id of a node's value, and the name as the model has it.
pub(crate) fn find<'s>(saturated: &'s Saturated, name: &str) -> Result<(&'s str, Id), UnknownNode> {
    let found = saturated.origin.names.iter().find(|(_, n)| n == name);
    let found = found.map(|(id, name)| (name.as_str(), *id));
    found.ok_or_else(|| UnknownNode { name: name.to_string() })
}

/// The name of the value of a class: that of the model's node that has it, or of an output, or what its first term is.
/// With the id that the model knows it by.
pub(crate) fn of_class(saturated: &Saturated, class: Id) -> (Id, String) {
    let egraph = &saturated.egraph;
    let class = egraph.find(class);
    let origin = &saturated.origin;
    if let Some((id, name)) = origin.names.iter().find(|(id, _)| egraph.find(*id) == class) {
        return (*id, name.clone());
    }
    let outputs = origin.graph.outputs().iter().zip(&origin.roots);
    for ((name, _), &root) in outputs {
        if egraph.find(root) == class {
            return (root, name.clone());
        }
    }
    for (position, &input) in origin.graph.inputs().iter().enumerate() {
        let is_input = |n: &crate::language::Node| n.op == crate::language::OpId::Input(position as u32);
        if egraph[class].iter().any(is_input) {
            return (class, origin.graph.input(input).name.clone());
        }
    }
    (class, String::new())
}
