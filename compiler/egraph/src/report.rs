//! What happened during saturation.

use indexmap::IndexMap;
use std::time::Duration;

/// The story of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Every rule of the rule set, in its order.
    pub rules: Vec<RuleReport>,
    /// Every step of the schedule that ran, in order.
    pub steps: Vec<StepReport>,
    /// Classes at the end.
    pub classes: usize,
    /// Nodes at the end.
    pub nodes: usize,
    /// Iterations of all steps.
    pub iterations: usize,
    /// Time of the whole run.
    pub time: Duration,
}

impl Report {
    /// The report of a rule.
    pub fn rule(&self, name: &str) -> Option<&RuleReport> {
        self.rules.iter().find(|r| r.name == name)
    }
}

/// What one rule did.
#[derive(Debug, Clone, Default)]
pub struct RuleReport {
    /// Name of the rule.
    pub name: String,
    /// Matches of its left sides that were looked at.
    pub matches: usize,
    /// Applications that changed the e-graph.
    pub applied: usize,
    /// Why matches were not applied, with how often: guards that failed, right sides that cannot be typed.
    pub refused: IndexMap<String, usize>,
    /// Applications that were given up because the limit of nodes was reached.
    pub dropped: usize,
    /// Nodes it added.
    pub nodes: usize,
    /// Iterations in which its budget cut its matches short.
    pub cut: usize,
    /// Time spent on searching and applying it.
    pub time: Duration,
}

/// Why a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Nothing new is found.
    Saturated,
    /// The step runs once.
    Once,
    /// The limit of nodes is reached.
    Nodes,
    /// The limit of iterations is reached.
    Iterations,
}

/// What one step did.
#[derive(Debug, Clone)]
pub struct StepReport {
    /// Its rulesets.
    pub rulesets: Vec<String>,
    /// Why it ended.
    pub stop: Stop,
    /// Iterations.
    pub iterations: usize,
    /// Nodes afterwards.
    pub nodes: usize,
    /// Classes afterwards.
    pub classes: usize,
    /// Time.
    pub time: Duration,
}

/// One line a step, one line a rule that matched, and the reasons of refusals. `{:#}` adds times, which are never the same.
impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = |f: &mut std::fmt::Formatter<'_>, time: Duration| match f.alternate() {
            true => writeln!(f, ", {:.2} ms", time.as_secs_f64() * 1e3),
            false => writeln!(f),
        };
        for step in &self.steps {
            let (stop, rulesets) = (format!("{:?}", step.stop).to_lowercase(), step.rulesets.join(", "));
            write!(f, "step ({rulesets}): {stop} after {} iterations, ", step.iterations)?;
            write!(f, "{} classes, {} nodes", step.classes, step.nodes)?;
            time(f, step.time)?;
        }
        for rule in self.rules.iter().filter(|r| r.matches > 0) {
            write!(f, "{}: {} matches, {} fired, {} nodes", rule.name, rule.matches, rule.applied, rule.nodes)?;
            if rule.cut > 0 {
                write!(f, ", cut short {} times", rule.cut)?;
            }
            if rule.dropped > 0 {
                write!(f, ", {} given up at the limit of nodes", rule.dropped)?;
            }
            time(f, rule.time)?;
            for (reason, times) in &rule.refused {
                writeln!(f, "  {times} times: {reason}")?;
            }
        }
        Ok(())
    }
}
