//! Which rules led from the model's nodes to the chosen kernels.
//!
//! The history of the run says for every class why its terms are equal; from the term of the model to the chosen one a
//! chain of applications is left that the choice rests on. Every application is checked again by computing both sides.

pub(crate) mod check;
pub(crate) mod chosen;
pub(crate) mod derivation;
pub(crate) mod forest;
pub(crate) mod name;
mod term;

pub use check::Check;
pub use name::{UnknownNode, node_names};

use crate::extract::choice::{self, Choice, ClassId, Form};
use crate::extract::{ExtractError, decode};
use crate::history::History;
use crate::saturate::Saturated;
use chosen::Reach;
use derivation::{Derivation, ids_by_node};
use forest::Forest;
use qcc_cost::CostModel;
use qcc_dsl::RuleSet;
use qcc_ir::Graph;
use std::cell::Ref;
use std::collections::BTreeSet;

/// One application of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Position of the rule in its rule set.
    pub rule: usize,
    /// The left sides as a graph.
    pub left: String,
    /// The right sides as a graph; lines that the left one has too are left out.
    pub right: String,
    /// What checking it gave.
    pub check: Check,
}

/// What became of a node of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// A kernel stores its value.
    Stored,
    /// The kernel that stores the value of another node computes it on the way.
    Inside(String),
    /// It is a constant of the chosen graph.
    Constant,
    /// Its value is not there as the model has it (the order of its elements is another one, or what follows was drawn into it);
    /// the kernel that was made from it is that of the named node.
    Became(String),
    /// No kernel was made from it; the named node behind it is where the chosen graph meets the model again.
    Gone(String),
    /// Its value is not needed.
    Unused,
}

/// How a node of the model became what it is.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Name of the node.
    pub node: String,
    /// What became of it.
    pub fate: Fate,
    /// The kernel that holds it in text form, empty if there is none.
    pub kernel: String,
    /// Cost of that kernel (ns).
    pub cost_ns: f64,
    /// The applications the kernel rests on, each behind those it needs.
    pub steps: Vec<Step>,
}

/// Why nothing can be explained.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExplainError {
    /// There is no such node.
    #[error(transparent)]
    Node(#[from] UnknownNode),
    /// The graph was saturated without keeping its history.
    #[error("this is a bug in qcc: the run kept no history")]
    NoHistory,
    /// Nothing can be chosen.
    #[error(transparent)]
    Extract(#[from] ExtractError),
}

/// What all questions about one run share.
pub(crate) struct Inquiry<'a> {
    pub(crate) saturated: &'a Saturated,
    pub(crate) history: Ref<'a, History>,
    pub(crate) forest: Forest,
    pub(crate) ids: rustc_hash::FxHashMap<crate::language::Node, Vec<egg::Id>>,
    pub(crate) choice: Choice,
    /// For every kernel that computes something, the nodes of the model that it was made from.
    pub(crate) kernels: Vec<Origin>,
}

/// A kernel and where it comes from.
pub(crate) struct Origin {
    /// The class it stores.
    pub(crate) class: ClassId,
    /// The applications it rests on.
    pub(crate) applications: BTreeSet<usize>,
    /// Ids of the nodes of the model it was made from.
    pub(crate) sources: BTreeSet<egg::Id>,
    /// Its name: that of the node whose value it stores, or of the last node it was made from.
    pub(crate) name: String,
}

impl<'a> Inquiry<'a> {
    /// Chooses the graph again, which gives the same one, and prepares the history.
    pub(crate) fn new(saturated: &'a Saturated, model: &CostModel) -> Result<Self, ExplainError> {
        let history = saturated.egraph.analysis.history.as_ref().ok_or(ExplainError::NoHistory)?.borrow();
        let forest = Forest::new(&history.unions, history.made.len());
        let ids = ids_by_node(saturated, &history);
        let choice = choice::choose(saturated, model)?;
        let mut inquiry = Self { saturated, history, forest, ids, choice, kernels: Vec::new() };
        inquiry.kernels = inquiry.origins();
        Ok(inquiry)
    }

    /// Nothing derived yet.
    pub(crate) fn derivation(&self) -> Derivation<'_> {
        Derivation::new(self.saturated, &self.history, &self.forest, &self.ids)
    }

    fn origins(&self) -> Vec<Origin> {
        let (problem, selection) = (&self.choice.problem, &self.choice.selection);
        let egraph = &self.saturated.egraph;
        let mut first: rustc_hash::FxHashMap<egg::Id, egg::Id> = rustc_hash::FxHashMap::default();
        for id in (0..self.history.made.len()).map(egg::Id::from) {
            first.entry(egraph.find(id)).or_insert(id);
        }
        let computes = |class: ClassId| {
            let form = selection.stored[class].map(|i| &problem.classes[class].stored[i].form);
            !matches!(form, None | Some(Form::Leaf | Form::Proj(_)))
        };
        let classes = self.choice.chosen.kernels.iter().map(|(c, _)| *c).filter(|&c| computes(c));
        let origin = |class: ClassId| {
            let (named, name) = name::of_class(self.saturated, problem.ids[class]);
            let id = if name.is_empty() { first[&problem.ids[class]] } else { named };
            let mut derivation = self.derivation();
            let nodes = chosen::walk(self.saturated, &self.choice, &mut derivation, id, Reach::Kernel);
            let sources: BTreeSet<egg::Id> = nodes.into_iter().flat_map(|n| derivation.sources(n)).collect();
            let last = self.saturated.origin.names.iter().rev().find(|(id, _)| sources.contains(id));
            let name = if name.is_empty() { last.map_or(String::new(), |(_, n)| n.clone()) } else { name };
            Origin { class, applications: derivation.applications, sources, name }
        };
        classes.map(origin).collect()
    }

    /// The name of a class: of the model's node that has its value, or of the last node that its first term was made from.
    pub(crate) fn label(&self, class: ClassId) -> String {
        let id = self.choice.problem.ids[class];
        let (_, name) = name::of_class(self.saturated, id);
        if !name.is_empty() {
            return name;
        }
        let mut derivation = self.derivation();
        let first = (0..self.history.made.len()).map(egg::Id::from).find(|&i| self.saturated.egraph.find(i) == id);
        let sources = first.map(|id| derivation.sources(id)).unwrap_or_default();
        let last = self.saturated.origin.names.iter().rev().find(|(id, _)| sources.contains(id));
        last.map_or(String::new(), |(_, name)| format!("of {name}"))
    }

    /// The applications that the whole chosen graph rests on.
    pub(crate) fn selected(&self) -> BTreeSet<usize> {
        let mut derivation = self.derivation();
        for &root in &self.saturated.origin.roots {
            chosen::walk(self.saturated, &self.choice, &mut derivation, root, Reach::Graph);
        }
        derivation.applications
    }

    /// Class of an id in the problem, if the outputs can reach it.
    pub(crate) fn class(&self, id: egg::Id) -> Option<ClassId> {
        self.choice.problem.index.get(&self.saturated.egraph.find(id)).copied()
    }

    /// The kernel that stores a class, or that computes it inside.
    pub(crate) fn kernel_with(&self, class: ClassId) -> Option<ClassId> {
        let kernels = &self.choice.chosen.kernels;
        if kernels.iter().any(|(c, _)| *c == class) {
            return Some(class);
        }
        let (problem, selection) = (&self.choice.problem, &self.choice.selection);
        let core = |c: ClassId| match &problem.classes[c].stored[selection.stored[c]?].form {
            Form::Fused { core, .. } if selection.core[*core].is_some() => Some(*core),
            _ => None,
        };
        let holds =
            |(c, kernel): &&(ClassId, choice::Kernel)| kernel.inside.contains(&class) || core(*c) == Some(class);
        kernels.iter().find(holds).map(|(c, _)| *c)
    }
}

/// How often each rule of a rule set was applied in what the chosen graph rests on.
///
/// # Errors
/// A run without history.
pub fn selected(saturated: &Saturated, rules: &RuleSet, model: &CostModel) -> Result<Vec<usize>, ExplainError> {
    let inquiry = Inquiry::new(saturated, model)?;
    let mut counts = vec![0; rules.rules.len()];
    for application in inquiry.selected() {
        counts[inquiry.history.applications[application].rule] += 1;
    }
    Ok(counts)
}

/// Explains a node of the model, or all of them that kernels store.
///
/// # Errors
/// A node that the model does not have; a run without history.
pub fn explain(
    saturated: &Saturated,
    rules: &RuleSet,
    model: &CostModel,
    node: Option<&str>,
) -> Result<Vec<Explanation>, ExplainError> {
    let inquiry = Inquiry::new(saturated, model)?;
    match node {
        Some(name) => {
            let (name, id) = name::find(saturated, name)?;
            Ok(vec![one(&inquiry, rules, name, id)?])
        }
        None => {
            let all = inquiry.kernels.iter().map(|k| kernel(&inquiry, rules, &k.name, Fate::Stored, Some(k)));
            all.collect()
        }
    }
}

fn one(inquiry: &Inquiry<'_>, rules: &RuleSet, name: &str, id: egg::Id) -> Result<Explanation, ExplainError> {
    let (fate, origin) = fate(inquiry, id);
    kernel(inquiry, rules, name, fate, origin)
}

fn kernel(
    inquiry: &Inquiry<'_>,
    rules: &RuleSet,
    name: &str,
    fate: Fate,
    origin: Option<&Origin>,
) -> Result<Explanation, ExplainError> {
    let Some(origin) = origin else {
        return Ok(Explanation { node: name.into(), fate, kernel: String::new(), cost_ns: 0.0, steps: Vec::new() });
    };
    let steps = origin.applications.iter().map(|&position| step(inquiry, rules, position)).collect();
    let (kernel, cost_ns) = kernel_text(inquiry, origin.class)?;
    Ok(Explanation { node: name.to_string(), fate, kernel, cost_ns, steps })
}

/// What became of a value, and the kernel that holds it.
fn fate<'i>(inquiry: &'i Inquiry<'_>, id: egg::Id) -> (Fate, Option<&'i Origin>) {
    let egraph = &inquiry.saturated.egraph;
    let problem = &inquiry.choice.problem;
    let origin = |class: ClassId| inquiry.kernels.iter().find(|k| k.class == class);
    if let Some(class) = inquiry.class(id) {
        if problem.classes[class].constant {
            return (Fate::Constant, None);
        }
        if let Some(kernel) = inquiry.kernel_with(class) {
            let origin = origin(kernel);
            let fate = match origin {
                Some(origin) if kernel != class => Fate::Inside(origin.name.clone()),
                _ => Fate::Stored,
            };
            return (fate, origin);
        }
    }
    // The kernel that was made from the fewest nodes, this one among them.
    let ids = |k: &&Origin| k.sources.iter().any(|&s| egraph.find(s) == egraph.find(id));
    if let Some(origin) = inquiry.kernels.iter().filter(ids).min_by_key(|k| k.sources.len()) {
        return (Fate::Became(origin.name.clone()), Some(origin));
    }
    // Downstream in the model, the nearest value that a kernel stores.
    let mut level = vec![egraph.find(id)];
    let mut seen: rustc_hash::FxHashSet<egg::Id> = level.iter().copied().collect();
    while !level.is_empty() {
        let mut next = Vec::new();
        for (user, node) in &inquiry.saturated.origin.terms {
            let user = egraph.find(*user);
            if node.children.iter().any(|&c| level.contains(&egraph.find(c))) && seen.insert(user) {
                next.push(user);
            }
        }
        let stored = next.iter().find_map(|&user| origin(inquiry.class(user)?));
        if let Some(origin) = stored {
            return (Fate::Gone(origin.name.clone()), Some(origin));
        }
        level = next;
    }
    (Fate::Unused, None)
}

fn step(inquiry: &Inquiry<'_>, rules: &RuleSet, position: usize) -> Step {
    let application = &inquiry.history.applications[position];
    let rule = &rules.rules[application.rule];
    let egraph = &inquiry.saturated.egraph;
    let (left, right) = match term::sides(egraph, rule, application, term::Form::Terms) {
        Ok(sides) => texts(&sides.left, &sides.right),
        Err(e) => (e, String::new()),
    };
    Step { rule: application.rule, left, right, check: check::check(egraph, rule, application) }
}

fn texts(left: &Graph, right: &Graph) -> (String, String) {
    let lines = |graph: &Graph| -> Vec<String> {
        let graph = graph.pruned();
        let text = match qcc_ir::infer(&graph) {
            Ok(typed) => qcc_ir::print(&typed),
            Err(_) => qcc_ir::print_graph(&graph),
        };
        let mut lines: Vec<String> = text.lines().skip(1).map(|l| l.trim().to_string()).collect();
        lines.pop();
        lines
    };
    let (left, mut right) = (lines(left), lines(right));
    right.retain(|line| !(left.contains(line) && line.contains(" = input ")));
    (left.join("\n"), right.join("\n"))
}

fn kernel_text(inquiry: &Inquiry<'_>, class: ClassId) -> Result<(String, f64), ExplainError> {
    let Choice { problem, selection, chosen, .. } = &inquiry.choice;
    let class = match selection.stored[class].map(|i| &problem.classes[class].stored[i].form) {
        Some(Form::Proj(tuple)) => *tuple,
        _ => class,
    };
    let cost = chosen.kernels.iter().find(|(c, _)| *c == class).map_or(0.0, |(_, k)| k.cost);
    let graph = decode::kernel(inquiry.saturated, problem, selection, class, chosen)?;
    Ok((qcc_ir::infer(&graph).map_or_else(|_| qcc_ir::print_graph(&graph), |typed| qcc_ir::print(&typed)), cost))
}
