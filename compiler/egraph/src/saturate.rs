//! Runs rules on an e-graph in the order of a schedule.

use crate::analysis::{EGraph, Facts};
use crate::bindings::Bindings;
use crate::encode::{self, Origin};
use crate::history::{Application, History, Reason, Record};
use crate::instance::{Instance, Plan, Story};
use crate::language::OpId;
use crate::matcher::{self, Found, Search};
use crate::meta;
use crate::report::{Report, RuleReport, StepReport, Stop};
use egg::Id;
use qcc_dsl::{Contract, Limits, Rule, RuleSet, Schedule, Step};
use qcc_ir::{TypedGraph, ValueId};
use qcc_ops::Op;
use rustc_hash::{FxHashMap, FxHashSet};
use std::cell::RefCell;
use std::time::Instant;

/// How far saturation goes. There is no limit of time: the result must not depend on the machine.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the schedule; all rulesets until nothing changes if the rule set has none of that name.
    pub schedule: String,
    /// E-nodes at which a step ends; a network of 500 operators saturates with some 20,000.
    pub nodes: usize,
    /// Iterations after which a step ends; rules saturate in about ten.
    pub iterations: usize,
    /// Matches of one rule in one iteration.
    pub matches: usize,
    /// Whether the history is kept, for explanations.
    pub record: Record,
    /// Whether rules that change results run, too. Who sets it holds the chosen graph to an error budget.
    pub lossy: bool,
    /// Constants of the graph that are not one with others of the same content: which of them is chosen says something.
    pub apart: Vec<ValueId>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            schedule: "default".into(),
            nodes: 100_000,
            iterations: 40,
            matches: 200_000,
            record: Record::Nothing,
            lossy: false,
            apart: Vec::new(),
        }
    }
}

/// Why saturation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaturateError {
    /// Rules made two different things equal.
    #[error("the rules contradict each other: {what}, after applying {rules}")]
    Contradiction {
        /// Both sides.
        what: String,
        /// The rules that joined them, or those of the iteration if congruence did.
        rules: String,
    },
    /// A violated invariant.
    #[error("this is a bug in qcc: {0}")]
    Bug(String),
}

/// A saturated e-graph: the graph and everything the rules found equal to its parts.
#[derive(Debug)]
pub struct Saturated {
    pub(crate) egraph: EGraph,
    pub(crate) origin: Origin,
    report: Report,
}

impl Saturated {
    /// What happened.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

/// Saturates a graph with a rule set under a schedule. Rules that are lossy are left out unless the options ask for
/// them.
///
/// # Errors
/// Rules that contradict each other.
pub fn saturate(graph: &TypedGraph, rules: &RuleSet, options: &Options) -> Result<Saturated, SaturateError> {
    let start = Instant::now();
    let history = (options.record == Record::History).then(|| RefCell::new(History::default()));
    let mut egraph = EGraph::new(Facts { history, ..Facts::default() });
    let origin = encode::encode(graph, &options.apart, &mut egraph).map_err(SaturateError::Bug)?;
    let report = Report {
        rules: rules.rules.iter().map(|r| RuleReport { name: r.name.clone(), ..RuleReport::default() }).collect(),
        ..Report::default()
    };
    let mut run = Run { rules, options, egraph, report, seen: vec![0; rules.rules.len()] };
    run.rebuild("the model itself")?;
    match rules.schedules.get(&options.schedule) {
        Some(Schedule { steps }) => run.steps(steps)?,
        None => {
            let mut all: Vec<String> = rules.rules.iter().map(|r| r.ruleset.clone()).collect();
            let mut known = FxHashSet::default();
            all.retain(|name| known.insert(name.clone()));
            run.steps(&[Step::Saturate(all, Limits::default())])?;
        }
    }
    let Run { egraph, mut report, .. } = run;
    report.classes = egraph.number_of_classes();
    report.nodes = egraph.total_number_of_nodes();
    report.iterations = report.steps.iter().map(|s| s.iterations).sum();
    report.time = start.elapsed();
    Ok(Saturated { egraph, origin, report })
}

struct Run<'a> {
    rules: &'a RuleSet,
    options: &'a Options,
    egraph: EGraph,
    report: Report,
    /// Position in the log of changes up to which each rule has looked.
    seen: Vec<usize>,
}

/// Classes by the operators they hold, sorted.
#[derive(Default)]
pub(crate) struct Index {
    by_op: FxHashMap<Op, Vec<Id>>,
    all: Vec<Id>,
}

impl Index {
    pub(crate) fn build(egraph: &EGraph) -> Self {
        let mut index = Self { all: egraph.classes().map(|c| c.id).collect(), ..Self::default() };
        index.all.sort_unstable();
        for &id in &index.all {
            for node in egraph[id].iter() {
                let node = match node.op {
                    OpId::Proj(_) => egraph[node.children[0]].nodes.first(),
                    _ => Some(node),
                };
                if let Some(OpId::Call(call)) = node.map(|n| n.op) {
                    let classes = index.by_op.entry(egraph.analysis.tables.get_call(call).op).or_default();
                    if classes.last() != Some(&id) {
                        classes.push(id);
                    }
                }
            }
        }
        index
    }

    /// Classes at which a pattern can match.
    pub(crate) fn classes(&self, heads: &Option<Vec<Op>>) -> Vec<Id> {
        match heads {
            None => self.all.clone(),
            Some(ops) => {
                let mut out: Vec<Id> = ops.iter().flat_map(|op| self.by_op.get(op)).flatten().copied().collect();
                out.sort_unstable();
                out.dedup();
                out
            }
        }
    }
}

impl Run<'_> {
    fn steps(&mut self, steps: &[Step]) -> Result<(), SaturateError> {
        for step in steps {
            match step {
                Step::Saturate(rulesets, limits) => self.step(rulesets, limits, usize::MAX)?,
                Step::Run(rulesets, limits) => self.step(rulesets, limits, 1)?,
                Step::Repeat(times, steps) => {
                    for _ in 0..*times {
                        self.steps(steps)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, rulesets: &[String], limits: &Limits, times: usize) -> Result<(), SaturateError> {
        let start = Instant::now();
        let active: Vec<usize> = (0..self.rules.rules.len())
            .filter(|&i| {
                let rule = &self.rules.rules[i];
                rulesets.contains(&rule.ruleset) && (self.options.lossy || !matches!(rule.contract, Contract::Lossy(_)))
            })
            .collect();
        let most = limits.iterations.unwrap_or(self.options.iterations);
        let nodes = limits.nodes.unwrap_or(self.options.nodes).min(self.options.nodes);
        let matches = limits.matches.unwrap_or(self.options.matches);
        let mut iterations = 0;
        let stop = loop {
            if iterations == times {
                break Stop::Once;
            }
            if iterations == most {
                break Stop::Iterations;
            }
            iterations += 1;
            let changed = self.iteration(&active, matches, nodes)?;
            if self.egraph.total_size() > nodes {
                break Stop::Nodes;
            }
            if !changed {
                break Stop::Saturated;
            }
        };
        self.report.steps.push(StepReport {
            rulesets: rulesets.to_vec(),
            stop,
            iterations,
            nodes: self.egraph.total_number_of_nodes(),
            classes: self.egraph.number_of_classes(),
            time: start.elapsed(),
        });
        Ok(())
    }

    /// Searches all rules on the same e-graph, then adds what they found. Returns whether there is more to do.
    fn iteration(&mut self, active: &[usize], matches: usize, nodes: usize) -> Result<bool, SaturateError> {
        let index = Index::build(&self.egraph);
        let log = self.egraph.analysis.log.len();
        let time = self.egraph.analysis.history.as_mut().map_or(0, |h| h.get_mut().unions.len());
        let mut closures: FxHashMap<(usize, usize), FxHashSet<Id>> = FxHashMap::default();
        let mut plans: Vec<(usize, Vec<Plan>)> = Vec::new();
        let mut changed = false;
        for &i in active {
            let start = Instant::now();
            let found = self.search(i, matches, &index, &mut closures);
            if found.cut {
                self.report.rules[i].cut += 1;
                changed = true;
            } else {
                self.seen[i] = log;
            }
            let report = &mut self.report.rules[i];
            report.matches += found.matches.len() + found.refused.iter().sum::<usize>();
            for (guard, &times) in
                self.rules.rules[i].guards.iter().zip(&found.refused).filter(|(_, times)| **times > 0)
            {
                *report.refused.entry(guard.reason.clone()).or_default() += times;
            }
            let mut planned = Vec::new();
            for bindings in found.matches {
                match plan(&mut self.egraph, &self.rules.rules[i], bindings) {
                    Ok(plan) if plan.is_known(&self.egraph) => {}
                    Ok(plan) => planned.push(plan),
                    Err(reason) => *report.refused.entry(reason).or_default() += 1,
                }
            }
            report.time += start.elapsed();
            plans.push((i, planned));
        }
        let mut applied: Vec<&str> = Vec::new();
        for (i, plans) in plans {
            let start = Instant::now();
            let name = &self.rules.rules[i].name;
            let before = self.egraph.total_size();
            let planned = plans.len();
            for (position, mut plan) in plans.into_iter().enumerate() {
                if self.egraph.total_size() > nodes {
                    self.report.rules[i].dropped += planned - position;
                    break;
                }
                let story = plan.story.take();
                self.begin();
                if plan.commit(&mut self.egraph) {
                    if let (Some(history), Some(story)) = (&mut self.egraph.analysis.history, story) {
                        let step = self.report.steps.len();
                        let Story { bindings, results, built } = story;
                        let application = Application { rule: i, step, time, bindings, results, built };
                        history.get_mut().applications.push(application);
                    }
                    self.report.rules[i].applied += 1;
                    changed = true;
                    if applied.last() != Some(&name.as_str()) {
                        applied.push(name);
                    }
                }
                if let Some(what) = self.egraph.analysis.contradiction.take() {
                    return Err(SaturateError::Contradiction { what, rules: format!("`{name}`") });
                }
            }
            let report = &mut self.report.rules[i];
            report.nodes += self.egraph.total_size() - before;
            report.time += start.elapsed();
        }
        self.rebuild(&applied.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", "))?;
        Ok(changed)
    }

    /// Matches of a rule that can be new.
    fn search(
        &self,
        rule: usize,
        budget: usize,
        index: &Index,
        closures: &mut FxHashMap<(usize, usize), FxHashSet<Id>>,
    ) -> Found {
        let seen = self.seen[rule];
        let rule = &self.rules.rules[rule];
        let depth = rule.roots.iter().map(matcher::depth).max().unwrap_or(0);
        let touched = closures.entry((seen, depth)).or_insert_with(|| self.touched(seen, depth));
        let all = match rule.roots.get(1) {
            Some(second) => index.classes(&matcher::heads(second)),
            None => Vec::new(),
        };
        let mut first = index.classes(&matcher::heads(&rule.roots[0]));
        if rule.roots.len() == 1 {
            first.retain(|id| touched.contains(id));
        } else if touched.is_empty() {
            first.clear();
        }
        let trail = self.egraph.analysis.history.is_some();
        let search = Search { egraph: &self.egraph, commutative: &self.rules.commutative, budget, trail, watch: None };
        search.run(rule, &first, &all)
    }

    /// Tells the history that an application begins.
    fn begin(&mut self) {
        if let Some(history) = &mut self.egraph.analysis.history {
            let history = history.get_mut();
            history.reason = Some(Reason::Application(history.applications.len()));
        }
    }

    fn rebuild(&mut self, rules: &str) -> Result<(), SaturateError> {
        self.egraph.rebuild();
        match self.egraph.analysis.contradiction.take() {
            Some(what) => Err(SaturateError::Contradiction { what, rules: rules.to_string() }),
            None => Ok(()),
        }
    }

    /// Classes that changed since a position in the log, and those up to `depth` levels above them.
    fn touched(&self, since: usize, depth: usize) -> FxHashSet<Id> {
        let mut level: Vec<Id> = self.egraph.analysis.log[since..].iter().map(|&id| self.egraph.find(id)).collect();
        let mut touched: FxHashSet<Id> = level.iter().copied().collect();
        for _ in 0..depth {
            let mut next = Vec::new();
            for id in level {
                for parent in self.egraph[id].parents() {
                    let parent = self.egraph.find(parent);
                    if touched.insert(parent) {
                        next.push(parent);
                    }
                }
            }
            level = next;
        }
        touched
    }
}

/// What one match adds, or why it may not.
pub(crate) fn plan(egraph: &mut EGraph, rule: &Rule, bindings: Bindings) -> Result<Plan, String> {
    let mut instance = Instance::new(egraph, rule, bindings);
    for guard in &rule.guards {
        let holds = meta::eval(&mut instance, &guard.condition).and_then(|v| meta::truth(&v));
        if holds != Ok(true) {
            return Err(guard.reason.clone());
        }
    }
    let results: Vec<Id> = (0..rule.results.len()).map(|i| instance.result(i)).collect::<Result<_, _>>()?;
    Ok(instance.finish(results))
}
