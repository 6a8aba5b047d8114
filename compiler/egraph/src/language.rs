//! How graphs are written as e-nodes.
//!
//! An operator call is a node whose children are its inputs by position (an absent one is the leaf `Absent`, trailing
//! absent ones are left out) and, last, the leaf of its attributes. A call with several outputs is a tuple; its outputs
//! are `Proj` nodes. Everything with a payload that does not fit a number stands in a table of [`crate::tables::Tables`].

use egg::{Id, Language};
use smallvec::SmallVec;

/// Head of a node: what distinguishes nodes beside their children. Numbers are indices into tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum OpId {
    /// An absent optional input.
    Absent,
    /// A bundle of attributes.
    Attrs(u32),
    /// A constant with known content.
    Const(u32),
    /// The class is a constant that is evaluated when it is chosen; the number makes the leaf unique to its class.
    Folded(u32),
    /// A graph input by position.
    Input(u32),
    /// An output of a tuple.
    Proj(u32),
    /// An operator call.
    Call(u32),
}

/// Children of a node.
pub(crate) type Children = SmallVec<[Id; 4]>;

/// An e-node. The head is the first field because egg looks nodes of one head up by binary search in their order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node {
    /// Head.
    pub(crate) op: OpId,
    /// Children.
    pub(crate) children: Children,
}

impl Node {
    /// A node without children.
    pub(crate) fn leaf(op: OpId) -> Self {
        Self { op, children: Children::new() }
    }

    /// Inputs of a call: all children but the attributes.
    pub(crate) fn inputs(&self) -> &[Id] {
        &self.children[..self.children.len() - 1]
    }
}

impl Language for Node {
    type Discriminant = OpId;

    fn discriminant(&self) -> OpId {
        self.op
    }

    fn matches(&self, other: &Self) -> bool {
        self.op == other.op && self.children.len() == other.children.len()
    }

    fn children(&self) -> &[Id] {
        &self.children
    }

    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.children
    }
}
