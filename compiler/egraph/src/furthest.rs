//! How far a pattern matched where it did not match.

use crate::bindings::{Binding, Bindings};
use egg::Id;
use qcc_dsl::VarId;
use qcc_ops::{AttrValue, Op};

/// Why a pattern does not go on matching.
#[derive(Debug, Clone)]
pub(crate) enum Miss {
    /// No form of the value is a call of the operators.
    Operator { class: Id, wanted: Vec<Op> },
    /// An attribute has another value.
    Attribute { name: String, wanted: AttrValue, found: Option<AttrValue> },
    /// An input is there that the pattern does not list.
    ExtraInput { position: usize },
    /// An input is absent that the pattern asks for.
    AbsentInput { position: usize },
    /// A name that occurs twice stands for two different things.
    Other { var: VarId, found: Binding },
    /// A value is no constant of this number.
    Number { class: Id, wanted: f64 },
    /// A value is not the accumulator.
    Accumulator { class: Id },
}

/// The furthest partial match that a search came across.
#[derive(Debug)]
pub(crate) struct Furthest {
    score: usize,
    /// The match so far, and what kept it from going on.
    pub(crate) best: Option<(Bindings, Miss)>,
    /// Only matches that touch this class count.
    at: Option<Id>,
}

/// Weight of a matched operator beside that of a bound variable.
const OPERATOR: usize = 16;

impl Furthest {
    /// An observer of matches at a class, or anywhere.
    pub(crate) fn new(at: Option<Id>) -> Self {
        Self { score: 0, best: None, at }
    }

    /// Sees a failure; keeps it if the match went further than all before.
    pub(crate) fn see(&mut self, bindings: &Bindings, miss: impl FnOnce() -> Miss) {
        // A pattern whose first operator is not there did not begin to match.
        if bindings.trail.is_empty() {
            return;
        }
        let touches = |id: Id| bindings.trail.iter().any(|m| m.class == id || m.node.children.contains(&id));
        if self.at.is_some_and(|at| !touches(at)) {
            return;
        }
        let score = OPERATOR * bindings.trail.len() + bindings.all().flatten().count();
        if self.best.is_none() || score > self.score {
            self.score = score;
            self.best = Some((bindings.clone(), miss()));
        }
    }
}
