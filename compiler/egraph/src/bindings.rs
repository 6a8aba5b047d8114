//! What the variables of a rule stand for in one match.

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

/// One match of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Bindings {
    vars: Vec<Option<Binding>>,
    /// Class that the accumulator of the pattern stands for.
    pub(crate) acc: Option<Id>,
    /// Classes of the roots.
    pub(crate) roots: Vec<Id>,
}

impl Bindings {
    /// Nothing bound.
    pub(crate) fn new(vars: usize) -> Self {
        Self { vars: vec![None; vars], acc: None, roots: Vec::new() }
    }

    /// What a variable stands for.
    pub(crate) fn get(&self, var: VarId) -> Option<&Binding> {
        self.vars[var.0 as usize].as_ref()
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
