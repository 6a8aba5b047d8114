//! Chooses the cheapest graph.
//!
//! A class can be used in three ways: stored in memory by a kernel, computed inside a kernel's body, or computed as a
//! kernel's core. A [`select::Selection`] says for every class how each use is met; its cost is that of the graph it
//! describes, in which a stored value is paid once however often it is read, and what bodies compute is paid in each.

mod bound;
pub(crate) mod choice;
mod climb;
pub(crate) mod decode;
mod problem;
mod seed;
mod select;
mod shared;
pub(crate) mod through;
mod within;

use crate::saturate::Saturated;
use qcc_cost::CostModel;
use qcc_ir::TypedGraph;

pub use within::{Frontier, Noisy, Within, avoiding};

/// The cheapest graph that was found.
#[derive(Debug, Clone)]
pub struct Extracted {
    /// The graph; its nodes carry the names of the nodes of the input graph whose values they compute.
    pub graph: TypedGraph,
    /// Its cost (ns).
    pub cost_ns: f64,
    /// No equivalent graph in the e-graph costs less (ns).
    pub lower_bound_ns: f64,
    /// Cost of the input graph, with its constants folded where rules folded them (ns).
    pub seed_cost_ns: f64,
    /// Cost of every kernel by name and operator, in order of execution (ns).
    pub table: Vec<(String, f64)>,
}

/// Why nothing could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// A constant of the chosen graph has no value: the model asks for what its operators do not give.
    #[error("node `{node}` is computed from constants, and cannot be: {why}; correct the constants it reads")]
    Constant {
        /// The node, or nothing if none of the model computes it.
        node: String,
        /// What the operator says.
        why: String,
    },
    /// A violated invariant.
    #[error("this is a bug in qcc: {0}")]
    Bug(String),
}

/// The cheapest equivalent graph by the true cost of a graph; never worse than the input graph.
///
/// # Errors
/// Constants that cannot be computed, violated invariants: the input graph itself can always be chosen.
pub fn extract(saturated: &Saturated, model: &CostModel) -> Result<Extracted, ExtractError> {
    let choice::Choice { problem, selection, chosen, seed_cost } = choice::choose(saturated, model)?;
    let bound = bound::lower_bound(&problem).min(chosen.cost);
    let (graph, table) = decode::decode(saturated, &problem, &selection, &chosen)?;
    let graph = qcc_ir::infer(&graph).map_err(|e| bug(e[0].message.clone()))?;
    Ok(Extracted { graph, cost_ns: chosen.cost, lower_bound_ns: bound, seed_cost_ns: seed_cost, table })
}

fn bug(what: String) -> ExtractError {
    ExtractError::Bug(what)
}

impl From<String> for ExtractError {
    fn from(what: String) -> Self {
        bug(what)
    }
}

impl From<&str> for ExtractError {
    fn from(what: &str) -> Self {
        bug(what.into())
    }
}
