//! What a graph with a rule's form would cost.

use super::{Answer, Kind, words};
use crate::explain::Inquiry;
use crate::extract::choice::{Choice, Chosen, ClassId, Form, Selection};
use crate::extract::through::through;
use crate::history::Application;
use crate::language::Node;
use egg::{Id, Language};
use qcc_dsl::Rule;
use rustc_hash::FxHashMap;

/// Costs that differ by less are equal (ns).
const EQUAL: f64 = 1e-3;

/// Applications whose forms are compared; of many, the first ones tell the story.
const COMPARED: usize = 8;

/// A kernel that one graph has and the other has not, or at another cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What it computes.
    pub kernel: String,
    /// Its cost in the chosen graph (ns).
    pub chosen_ns: Option<f64>,
    /// Its cost in the graph with the rule's form (ns).
    pub with_ns: Option<f64>,
}

/// The chosen graph beside the cheapest one found that contains the rule's form.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Cost of the chosen graph (ns).
    pub chosen_ns: f64,
    /// Cost of the other one (ns).
    pub with_ns: f64,
    /// Kernels that differ.
    pub changes: Vec<Change>,
}

/// The answer for applications that the chosen graph does not rest on.
pub(super) fn not_chosen(inquiry: &Inquiry<'_>, rule: &Rule, applications: &[usize]) -> Answer {
    let compared = applications.iter().take(COMPARED).filter_map(|&position| {
        let (class, nodes) = forms(inquiry, position)?;
        let (selection, chosen) = through(&inquiry.choice, class, &nodes)?;
        Some((class, selection, chosen))
    });
    let Some((class, selection, with)) = compared.min_by(|(_, _, a), (_, _, b)| a.cost.total_cmp(&b.cost)) else {
        let summary = "but no graph that the outputs need can be computed by kernels from what it made";
        let help =
            format!("right side of `{}`: an operator without a kernel, or a value that nothing reads", rule.name);
        return Answer::new(Kind::NoKernel, summary).with(help);
    };
    let choice = &inquiry.choice;
    let excess = with.cost - choice.chosen.cost;
    let comparison = Comparison {
        chosen_ns: choice.chosen.cost,
        with_ns: with.cost,
        changes: changes(inquiry, &choice.chosen, &choice.selection, &with, &selection),
    };
    let twice = computed_twice(choice, &selection, &with);
    let doubled: f64 = twice.iter().map(|(_, cost)| cost).sum();
    let mut answer = if excess <= EQUAL {
        let help = "of equally cheap graphs the one with fewer nodes is chosen, then the order of the model";
        Answer::new(Kind::Cost, "a graph with its form costs the same").with(help)
    } else if doubled >= excess {
        let names = words::names(twice.iter().map(|(c, _)| words::value(inquiry.saturated, choice.problem.ids[*c])));
        let answer = Answer::new(
            Kind::Sharing,
            format!("a graph with its form costs {:.1} ns more, because {names} is computed twice there", excess),
        );
        let readers = words::names(twice.iter().flat_map(|(c, _)| readers(inquiry, *c, class)));
        answer.with(match readers.is_empty() {
            true => format!("it would be chosen if {names} were no output"),
            false => format!("it would be chosen if {readers} did not need {names}, too"),
        })
    } else {
        let answer = Answer::new(Kind::Cost, format!("a graph with its form costs {excess:.1} ns more"));
        answer.with(format!("it would be chosen if the kernels it adds cost {excess:.1} ns less"))
    };
    answer.comparison = Some(comparison);
    answer
}

/// The class of an application's first root, and the nodes in it that are the rule's form.
fn forms(inquiry: &Inquiry<'_>, position: usize) -> Option<(ClassId, Vec<Node>)> {
    let application = &inquiry.history.applications[position];
    let root = *application.bindings.roots.first()?;
    let class = inquiry.class(root)?;
    let written = node_of(inquiry, application, *application.results.first()?);
    let c = &inquiry.choice.problem.classes[class];
    let nodes = || {
        let stored = c.stored.iter().map(|s| &s.node);
        stored.chain(c.inlined.iter().map(|s| &s.node)).chain(c.cores.iter().map(|s| &s.node))
    };
    if let Some(written) = written
        && nodes().any(|n| *n == written)
    {
        return Some((class, vec![written]));
    }
    // The right side is a value that was there already: whatever became equal through the application.
    let mut found: Vec<Node> = Vec::new();
    for node in nodes() {
        let ids = inquiry.ids.get(node).map(Vec::as_slice).unwrap_or_default();
        let joined = ids.iter().any(|&id| inquiry.forest.joins(position, root, id));
        if joined && !found.contains(node) {
            found.push(node.clone());
        }
    }
    (!found.is_empty()).then_some((class, found))
}

/// The node of a right side as it stands in the e-graph now.
fn node_of(inquiry: &Inquiry<'_>, application: &Application, result: Id) -> Option<Node> {
    let egraph = &inquiry.saturated.egraph;
    let built: FxHashMap<Id, &Node> = application.built.iter().map(|(id, node)| (*id, node)).collect();
    fn resolve(egraph: &crate::analysis::EGraph, built: &FxHashMap<Id, &Node>, id: Id) -> Option<Id> {
        if usize::from(id) < crate::instance::PLANNED {
            return Some(egraph.find(id));
        }
        let node = (*built.get(&id)?).clone();
        let children: Option<Vec<Id>> = node.children().iter().map(|&c| resolve(egraph, built, c)).collect();
        let mut children = children?.into_iter();
        egraph.lookup(node.map_children(|c| children.next().unwrap_or(c))).map(|id| egraph.find(id))
    }
    let node = (*built.get(&result)?).clone();
    let children: Option<Vec<Id>> = node.children().iter().map(|&c| resolve(egraph, &built, c)).collect();
    let mut children = children?.into_iter();
    Some(node.map_children(|c| children.next().unwrap_or(c)))
}

fn core(choice: &Choice, selection: &Selection, class: ClassId) -> Option<ClassId> {
    match &choice.problem.classes[class].stored[selection.stored[class]?].form {
        Form::Fused { core, .. } if selection.core[*core].is_some() => Some(*core),
        _ => None,
    }
}

/// Values that more than one kernel computes and fewer do in the chosen graph, with the cost of computing one again.
fn computed_twice(choice: &Choice, selection: &Selection, with: &Chosen) -> Vec<(ClassId, f64)> {
    let count = |selection: &Selection, chosen: &Chosen| {
        let mut counts: FxHashMap<ClassId, usize> = FxHashMap::default();
        for (class, kernel) in &chosen.kernels {
            let own = match core(choice, selection, *class) {
                Some(core) => core,
                None => *class,
            };
            let mut computed: Vec<ClassId> = kernel.inside.clone();
            computed.push(own);
            computed.sort_unstable();
            computed.dedup();
            computed.into_iter().for_each(|c| *counts.entry(c).or_default() += 1);
        }
        counts
    };
    let before = count(&choice.selection, &choice.chosen);
    let problem = &choice.problem;
    let mut twice: Vec<(ClassId, f64)> = count(selection, with)
        .into_iter()
        .filter(|(class, n)| *n > 1 && *n > before.get(class).copied().unwrap_or(0))
        .map(|(class, _)| {
            let c = &problem.classes[class];
            let as_core = selection.core[class].map(|i| c.cores[i].cost);
            let inside = selection.inlined[class].map(|i| c.inlined[i].cost);
            (class, as_core.or(inside).unwrap_or(0.0))
        })
        .collect();
    twice.sort_by_key(|(class, _)| *class);
    twice
}

/// Nodes of the model that read a value, but for one.
fn readers(inquiry: &Inquiry<'_>, class: ClassId, but: ClassId) -> Vec<String> {
    let egraph = &inquiry.saturated.egraph;
    let id = inquiry.choice.problem.ids[class];
    let terms = inquiry.saturated.origin.terms.iter();
    let reads = terms.filter(|(user, _)| inquiry.class(*user) != Some(but));
    let reads = reads.filter(|(_, node)| node.children.iter().any(|&c| egraph.find(c) == id));
    reads.map(|(user, _)| words::value(inquiry.saturated, *user)).collect()
}

fn changes(
    inquiry: &Inquiry<'_>,
    chosen: &Chosen,
    selection: &Selection,
    with: &Chosen,
    with_selection: &Selection,
) -> Vec<Change> {
    let costs =
        |chosen: &Chosen| -> FxHashMap<ClassId, f64> { chosen.kernels.iter().map(|(c, k)| (*c, k.cost)).collect() };
    let (before, after) = (costs(chosen), costs(with));
    let name = |class: ClassId, selection: &Selection| {
        let name = inquiry.label(class);
        let stored = selection.stored[class].map(|i| &inquiry.choice.problem.classes[class].stored[i].node);
        let op = stored.and_then(|n| match n.op {
            crate::language::OpId::Call(call) => Some(inquiry.saturated.egraph.analysis.tables.get_call(call).op.name),
            _ => None,
        });
        let op = op.unwrap_or("value");
        if name.is_empty() { op.to_string() } else { format!("{name} ({op})") }
    };
    let mut out = Vec::new();
    for (class, kernel) in &chosen.kernels {
        let other = after.get(class).copied();
        if other.is_none_or(|o| (o - kernel.cost).abs() > EQUAL) {
            out.push(Change { kernel: name(*class, selection), chosen_ns: Some(kernel.cost), with_ns: other });
        }
    }
    for (class, kernel) in &with.kernels {
        if !before.contains_key(class) {
            out.push(Change { kernel: name(*class, with_selection), chosen_ns: None, with_ns: Some(kernel.cost) });
        }
    }
    out.retain(|c| c.chosen_ns.unwrap_or(0.0) != 0.0 || c.with_ns.unwrap_or(0.0) != 0.0);
    out
}
