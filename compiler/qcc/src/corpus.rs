//! What rules do over a collection of models: a rule that does nothing on any of them is dead there.

use crate::failure::Failure;
use crate::pipeline;
use qcc_dsl::RuleSet;
use qcc_egraph::Options;
use qcc_egraph::explain::selected;
use qcc_ir::{Bindings, Dim, Graph};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What one rule did.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// Models in which its pattern matched.
    pub matched: usize,
    /// Models in which it changed something.
    pub fired: usize,
    /// Models whose chosen graph rests on it.
    pub selected: usize,
    /// Why its matches were refused, with how often, over all models.
    pub refused: BTreeMap<String, usize>,
}

/// How far a rule got on any model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Its pattern matches nothing.
    NeverMatched,
    /// A condition, a limit or a type kept it from every match.
    NeverFired,
    /// What it found was always dearer.
    NeverSelected,
    /// A chosen graph rests on it.
    Used,
}

impl Usage {
    /// How far the rule got.
    pub fn verdict(&self) -> Verdict {
        match self {
            Usage { selected: 1.., .. } => Verdict::Used,
            Usage { fired: 1.., .. } => Verdict::NeverSelected,
            Usage { matched: 1.., .. } => Verdict::NeverFired,
            _ => Verdict::NeverMatched,
        }
    }

    /// The most frequent reason of refusals.
    pub fn reason(&self) -> Option<&str> {
        let most = self.refused.iter().max_by_key(|(reason, times)| (**times, std::cmp::Reverse(*reason)));
        most.map(|(reason, _)| reason.as_str())
    }
}

/// The `.onnx` files that are named, and those in the folders that are named, in order.
///
/// # Errors
/// A path that is not there.
pub fn models(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if !path.exists() {
            return Err(Failure::input(format!("there is no `{}`", path.display())));
        }
        collect(path, &mut found);
    }
    if found.is_empty() {
        return Err(Failure::input("there are no .onnx files"));
    }
    Ok(found)
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) {
    if !path.is_dir() {
        found.push(path.to_path_buf());
        return;
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    entries.retain(|p| p.is_dir() || p.extension().is_some_and(|e| e == "onnx"));
    entries.iter().for_each(|entry| collect(entry, found));
}

/// Adds what the rules do to one model to what they did to others: under every schedule of the rule set, with what the chosen
/// graphs rest on. Dimensions that the model leaves open are one.
///
/// # Errors
/// A model that cannot be imported or typed; rules that contradict each other.
pub fn add(model: &Path, rules: &RuleSet, usage: &mut [Usage]) -> Result<(), Failure> {
    let graph = pipeline::import_with(model, &rules.defs)?;
    let bindings = ones(&graph);
    let mut seen = vec![Usage::default(); rules.rules.len()];
    let schedules: Vec<String> = match rules.schedules.is_empty() {
        true => vec![Options::default().schedule],
        false => rules.schedules.keys().cloned().collect(),
    };
    for schedule in schedules {
        let costs = pipeline::schedule_costs(&schedule, rules);
        let typed = pipeline::split(&graph, &bindings)?.head;
        let options = Options { schedule, record: qcc_egraph::Record::History, ..Options::default() };
        let saturated = qcc_egraph::saturate(&typed, rules, &options).map_err(|e| Failure::Bug(e.to_string()))?;
        let counts = selected(&saturated, rules, &costs)?;
        for ((usage, report), count) in seen.iter_mut().zip(&saturated.report().rules).zip(counts) {
            usage.matched |= usize::from(report.matches > 0);
            usage.fired |= usize::from(report.applied > 0);
            usage.selected |= usize::from(count > 0);
            for (reason, times) in &report.refused {
                *usage.refused.entry(reason.clone()).or_default() += times;
            }
        }
    }
    for (all, one) in usage.iter_mut().zip(seen) {
        all.matched += one.matched;
        all.fired += one.fired;
        all.selected += one.selected;
        one.refused.into_iter().for_each(|(reason, times)| *all.refused.entry(reason).or_default() += times);
    }
    Ok(())
}

/// Bindings that make every open dimension one.
fn ones(graph: &Graph) -> Bindings {
    let mut bindings = Bindings::default();
    for &id in graph.inputs() {
        let input = graph.input(id);
        let Some(dims) = &input.dims else { continue };
        if dims.iter().any(|d| matches!(d, Dim::Symbol(_))) {
            let size = |dim: &Dim| if let Dim::Known(size) = dim { *size } else { 1 };
            bindings.shapes.push((input.name.clone(), dims.iter().map(size).collect()));
        }
    }
    bindings
}
