//! What made e-nodes and what made them equal, for those who ask later.
//!
//! egg tells of every union through a hook of the analysis; the reason for it is whatever is going on at that time. Ids are
//! those that egg gives when a node is added; they stay valid, and `EGraph::id_to_node` gives their node as it was.

use crate::bindings::Bindings;
use crate::language::Node;
use egg::Id;

/// Whether a run keeps its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Record {
    /// No: compiling does not need it.
    #[default]
    Nothing,
    /// Yes: for explanations.
    History,
}

/// Why a node was added or two classes became one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It stands in the model.
    Model,
    /// An application, by its position in the history.
    Application(usize),
    /// The operands of two nodes are equal.
    Congruence,
    /// Two constants have the same content.
    SameValue,
}

/// Two ids that became equal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Union {
    pub(crate) a: Id,
    pub(crate) b: Id,
    pub(crate) reason: Reason,
}

/// One application of a rule that changed the e-graph.
#[derive(Debug, Clone)]
pub(crate) struct Application {
    /// Position of the rule in its rule set.
    pub(crate) rule: usize,
    /// Position of the step of the schedule among those that ran.
    pub(crate) step: usize,
    /// Number of unions before its iteration: the ids of the match are those of that time.
    pub(crate) time: usize,
    /// The match.
    pub(crate) bindings: Bindings,
    /// The right sides: ids of that time, or planned nodes.
    pub(crate) results: Vec<Id>,
    /// Nodes of the right sides and of computed constants by id, planned or of that time.
    pub(crate) built: Vec<(Id, Node)>,
}

/// The history of a run.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Unions that had an effect, in order.
    pub(crate) unions: Vec<Union>,
    /// Why each id was made.
    pub(crate) made: Vec<Reason>,
    /// Applications, in order.
    pub(crate) applications: Vec<Application>,
    /// What is going on.
    pub(crate) reason: Option<Reason>,
}

impl History {
    /// What is going on; the model is being added at first.
    pub(crate) fn now(&self) -> Reason {
        self.reason.unwrap_or(Reason::Model)
    }
}
