//! Ops whose result is their first input's bytes under another shape.

use qcc_ir::OpNode;

/// Ops that keep the order and the number of elements.
const ALIASES: &[&str] = &["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"];

/// Whether the node only gives its input another shape.
pub fn is_alias(node: &OpNode) -> bool {
    ALIASES.contains(&node.op.name)
}
