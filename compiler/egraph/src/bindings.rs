//! What the variables of a rule stand for in one match.

use crate::language::Node;
use egg::Id;
use qcc_dsl::VarId;
use qcc_ops::{AttrValue, Attrs, Op};
use std::rc::Rc;

/// What one variable stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Binding {
    /// A class.
    Value(Id),
    /// An absent optional input.
    Absent,
    /// The remaining inputs of a call; `None` where one is absent.
    Many(Vec<Option<Id>>),
    /// An attribute's value; `None` where the operator may leave it out and does.
    Attr(Option<AttrValue>),
    /// A bundle of attributes.
    Attrs(Rc<Attrs>),
    /// An operator.
    Op(Op),
}

/// A node that an operator of a pattern matched.
#[derive(Debug, Clone)]
pub(crate) struct Matched {
    /// The class it was found in.
    pub(crate) class: Id,
    /// The node; the call for an output of a tuple.
    pub(crate) node: Node,
    /// Whether its first two inputs were taken in the other order.
    pub(crate) swapped: bool,
}

/// One match of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Bindings {
    vars: Vec<Option<Binding>>,
    /// Class that the accumulator of the pattern stands for.
    pub(crate) acc: Option<Id>,
    /// Classes of the roots.
    pub(crate) roots: Vec<Id>,
    /// What the operators of the patterns matched, in the order of the text; kept only if the search is told to.
    pub(crate) trail: Vec<Matched>,
}

impl Bindings {
    /// Nothing bound.
    pub(crate) fn new(vars: usize) -> Self {
        Self { vars: vec![None; vars], acc: None, roots: Vec::new(), trail: Vec::new() }
    }

    /// What a variable stands for.
    pub(crate) fn get(&self, var: VarId) -> Option<&Binding> {
        self.vars[var.0 as usize].as_ref()
    }

    /// Notes that the inputs of a node of the trail are taken in the other order, or again in their own.
    pub(crate) fn turn(&mut self, position: usize) {
        if let Some(matched) = self.trail.get_mut(position) {
            matched.swapped = !matched.swapped;
        }
    }

    /// All variables in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = Option<&Binding>> {
        self.vars.iter().map(Option::as_ref)
    }

    /// Binds a variable, or forgets it.
    pub(crate) fn set(&mut self, var: VarId, binding: Option<Binding>) {
        self.vars[var.0 as usize] = binding;
    }
}
