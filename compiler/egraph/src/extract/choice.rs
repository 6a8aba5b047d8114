//! The choice itself, before it is written as a graph.

pub(crate) use super::problem::{ClassId, Form, Problem};
pub(crate) use super::select::{Chosen, Kernel, Selection};

use super::{ExtractError, climb, problem, seed, select, shared};
use crate::saturate::Saturated;
use qcc_cost::CostModel;

/// What was chosen for every class, and the graph that this describes.
pub(crate) struct Choice {
    pub(crate) problem: Problem,
    pub(crate) selection: Selection,
    pub(crate) chosen: Chosen,
    /// Cost of the input graph (ns).
    pub(crate) seed_cost: f64,
}

/// Chooses for every class.
pub(crate) fn choose(saturated: &Saturated, model: &CostModel) -> Result<Choice, ExtractError> {
    choose_from(saturated, problem::build(saturated, model))
}

/// Chooses for every class of a problem.
pub(crate) fn choose_from(saturated: &Saturated, problem: Problem) -> Result<Choice, ExtractError> {
    let mut selection = seed::bottom_up(&problem);
    let input = seed::input_graph(&problem, saturated, &selection);
    let seed =
        select::evaluate(&problem, &input).ok_or_else(|| super::bug("the input graph cannot be chosen".into()))?;
    let seed_cost = seed.cost;
    let mut start = select::evaluate(&problem, &selection);
    let other = shared::start(&problem, &selection);
    if let Some(found) = select::evaluate(&problem, &other)
        && start.as_ref().is_none_or(|start| found.cost < start.cost)
    {
        (selection, start) = (other, Some(found));
    }
    let chosen = match start.map(|start| climb::climb(&problem, &mut selection, start)) {
        Some(chosen) if chosen.cost <= seed_cost => chosen,
        _ => {
            selection = input;
            climb::climb(&problem, &mut selection, seed)
        }
    };
    Ok(Choice { problem, selection, chosen, seed_cost })
}
