//! The list of all ops.

use crate::{Op, OpDef};

static OPS: &[&OpDef] = &[&crate::elementwise::relu::OP];

/// All ops.
pub fn registry() -> impl Iterator<Item = Op> {
    OPS.iter().map(|&def| Op(def))
}

/// The op of a name, in the standard or the `qcc` domain (names are unique over both).
pub fn find(name: &str) -> Option<Op> {
    registry().find(|op| op.name == name)
}

/// The op of a domain and name.
pub fn find_in(domain: &str, name: &str) -> Option<Op> {
    registry().find(|op| op.domain == domain && op.name == name)
}
