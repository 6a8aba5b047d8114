//! Runs the `test` blocks of rule files.
//!
//! A test's graph is saturated with all rules of the rule set and the cheapest graph chosen. Beside what the test expects,
//! the chosen graph must compute what the input graph computes, within the contracts of the rules that fired.

use crate::random::Random;
use crate::saturate::{Options, Saturated};
use crate::{Report, extract, saturate};
use qcc_cost::{CostModel, is_view};
use qcc_dsl::{Compare, Contract, CostBound, Expect, RuleSet, Schedule, Step, Test, TestConst, TestValue};
use qcc_ir::{Dim, Graph, InputNode, Node, OpNode, TypedGraph, ValueId};
use qcc_ops::{Attrs, Op, OpError};
use qcc_tensor::Tensor;
use std::time::{Duration, Instant};

/// Inputs tried for each test.
const TRIALS: u64 = 3;

/// Distance of floats under rules that are equal over the reals, relative to the largest magnitude of the result.
const REAL_TOLERANCE: f64 = 1e-4;

/// Share of floats that may be a quantization step apart under rules that round otherwise, and how large such a step may be
/// relative to the largest magnitude. Rounding ties are rare.
const STEP_SHARE: f64 = 0.01;
const STEP_SIZE: f64 = 0.05;

/// What came out of a test.
#[derive(Debug)]
pub struct TestOutcome {
    /// Every expectation that does not hold, in words; empty if the test passed.
    pub failures: Vec<String>,
    /// Text of the chosen graph, if one was chosen.
    pub chosen: Option<String>,
    /// Whether the test expects the text of the chosen graph to equal an accepted snapshot, which the caller keeps.
    pub snapshot: bool,
    /// What the rules did.
    pub report: Option<Report>,
    /// How long it took.
    pub time: Duration,
}

impl TestOutcome {
    /// Whether everything holds that does not need the snapshot.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// The graph of a test. Random constants depend on their position in the test alone.
///
/// # Errors
/// What cannot be typed.
pub fn test_graph(test: &Test) -> Result<TypedGraph, String> {
    let mut graph = Graph::new(test.name.clone());
    let mut inputs: Vec<ValueId> = Vec::new();
    for (name, ty) in &test.graph.inputs {
        let dims = ty.shape.iter().map(|&d| Dim::Known(d)).collect();
        inputs.push(graph.add_input(InputNode { name: name.clone(), dtype: ty.dtype, dims: Some(dims) }));
    }
    let mut position = 0;
    let mut nodes: Vec<Vec<ValueId>> = Vec::new();
    let mut value = |graph: &mut Graph, nodes: &[Vec<ValueId>], value: &TestValue| match value {
        TestValue::Input(i) => inputs[*i],
        TestValue::Node(i, output) => nodes[*i][*output as usize],
        TestValue::Const(constant) => {
            position += 1;
            graph.add_const(constant_of(constant, position))
        }
    };
    for call in &test.graph.nodes {
        let args = call.inputs.iter().map(|v| v.as_ref().map(|v| value(&mut graph, &nodes, v))).collect();
        let attrs: Attrs = call.attrs.iter().cloned().collect();
        let outputs = call.outputs.max(1);
        let node = OpNode { name: String::new(), op: call.op, attrs, inputs: args, outputs, regions: Vec::new() };
        let id = graph.add_op(node);
        nodes.push((0..outputs as u32).map(|i| id.output(i)).collect());
    }
    for (i, output) in test.graph.outputs.iter().enumerate() {
        let output = value(&mut graph, &nodes, output);
        graph.add_output(if i == 0 { "y".to_string() } else { format!("y{i}") }, output);
    }
    qcc_ir::infer(&graph).map_err(|e| e.into_iter().map(|d| d.message).collect::<Vec<_>>().join("; "))
}

fn constant_of(constant: &TestConst, seed: u64) -> Tensor {
    match constant {
        TestConst::Rand(ty) => Random::new(seed).any(ty),
        TestConst::RandPositive(ty) => Random::new(seed).positive(ty),
        TestConst::Values(ty, values) if values.len() == 1 => {
            Tensor::from_f64(ty.dtype, ty.shape.iter().copied(), &vec![values[0]; ty.elements()])
        }
        TestConst::Values(ty, values) => Tensor::from_f64(ty.dtype, ty.shape.iter().copied(), values),
    }
}

/// Runs one test with all rules of the rule set.
pub fn run_test(test: &Test, rules: &RuleSet) -> TestOutcome {
    let snapshot = test.expects.iter().any(|e| matches!(e, Expect::Snapshot(_)));
    let mut outcome =
        TestOutcome { failures: Vec::new(), chosen: None, snapshot, report: None, time: Duration::default() };
    let start = Instant::now();
    if let Err(failure) = run(test, rules, &mut outcome) {
        outcome.failures.push(failure);
    }
    outcome.time = start.elapsed();
    outcome
}

/// The schedule a test runs with: the default one, unless it names no ruleset of the test's file and another does.
fn schedule_of(test: &Test, rules: &RuleSet) -> String {
    fn names(steps: &[Step], ruleset: &str) -> bool {
        steps.iter().any(|step| match step {
            Step::Saturate(sets, _) | Step::Run(sets, _) => sets.iter().any(|s| s == ruleset),
            Step::Repeat(_, inner) => names(inner, ruleset),
        })
    }
    let default = Options::default().schedule;
    let own: Vec<&str> = rules.rules.iter().filter(|r| r.module == test.module).map(|r| r.ruleset.as_str()).collect();
    let runs = |schedule: &Schedule| own.iter().any(|ruleset| names(&schedule.steps, ruleset));
    if own.is_empty() || rules.schedules.get(&default).is_none_or(runs) {
        return default;
    }
    let mut others: Vec<&String> = rules.schedules.iter().filter(|(_, s)| runs(s)).map(|(name, _)| name).collect();
    others.sort_unstable();
    others.first().map_or(default, |name| name.to_string())
}

fn run(test: &Test, rules: &RuleSet, outcome: &mut TestOutcome) -> Result<(), String> {
    let graph = test_graph(test).map_err(|e| format!("the graph cannot be typed: {e}"))?;
    // The tests of a file with lossy rules are about what these do.
    let lossy = rules.rules.iter().any(|r| r.module == test.module && matches!(r.contract, Contract::Lossy(_)));
    let options = Options { schedule: schedule_of(test, rules), lossy, ..Options::default() };
    let saturated = saturate(&graph, rules, &options).map_err(|e| e.to_string())?;
    let report = saturated.report().clone();
    let model = CostModel::default().hinted(rules);
    let extracted = extract(&saturated, &model).map_err(|e| e.to_string())?;
    outcome.chosen = Some(qcc_ir::print(&extracted.graph));
    for expect in &test.expects {
        let holds = match expect {
            Expect::Cost(compare, bound, _) => cost(*compare, *bound, extracted.cost_ns, &graph, &model),
            _ => check(expect, &report, extracted.graph.graph()),
        };
        if let Err(failure) = holds {
            outcome.failures.push(failure);
        }
    }
    for rule in report.rules.iter().filter(|r| r.cut > 0) {
        outcome.failures.push(format!("rule `{}` has more matches than its budget", rule.name));
    }
    outcome.report = Some(report);
    qcc_ir::verify(&extracted.graph).map_err(|e| format!("the chosen graph is not well-formed: {e}"))?;
    equal_results(&graph, &extracted.graph, rules, &saturated)
}

fn holds<T: PartialOrd>(compare: Compare, a: T, b: T) -> bool {
    match compare {
        Compare::Eq => a == b,
        Compare::Ne => a != b,
        Compare::Lt => a < b,
        Compare::Le => a <= b,
        Compare::Gt => a > b,
        Compare::Ge => a >= b,
    }
}

fn sign(compare: Compare) -> &'static str {
    match compare {
        Compare::Eq => "==",
        Compare::Ne => "!=",
        Compare::Lt => "<",
        Compare::Le => "<=",
        Compare::Gt => ">",
        Compare::Ge => ">=",
    }
}

fn check(expect: &Expect, report: &Report, graph: &Graph) -> Result<(), String> {
    let story = |name: &str| -> Result<(u64, String), String> {
        let rule = report.rule(name).ok_or_else(|| format!("there is no rule `{name}`"))?;
        let refused: Vec<String> = rule.refused.iter().map(|(why, n)| format!("{n} times \"{why}\"")).collect();
        let refused =
            if refused.is_empty() { "never refused".into() } else { format!("refused {}", refused.join(", ")) };
        Ok((rule.applied as u64, format!("it matched {} times, fired {}, {refused}", rule.matches, rule.applied)))
    };
    match expect {
        Expect::Fired(name, compare, wanted, _) => {
            let (fired, story) = story(name)?;
            let what = || format!("expected fired {name} {} {wanted}: {story}", sign(*compare));
            holds(*compare, fired, *wanted).then_some(()).ok_or_else(what)
        }
        Expect::Blocked(name, reason, _) => {
            let (fired, story) = story(name)?;
            let blocked = report.rule(name).is_some_and(|r| r.refused.contains_key(reason));
            let what = || format!("expected blocked {name} \"{reason}\": {story}");
            (blocked && fired == 0).then_some(()).ok_or_else(what)
        }
        Expect::Count(op, compare, wanted, _) => {
            let found = count(graph, *op);
            let what = || format!("expected count({op}) {} {wanted}: there are {found}", sign(*compare));
            holds(*compare, found, *wanted).then_some(()).ok_or_else(what)
        }
        Expect::Kernels(compare, wanted, _) => {
            let found = kernels(graph);
            let what = || format!("expected kernel count {} {wanted}: there are {found}", sign(*compare));
            holds(*compare, found, *wanted).then_some(()).ok_or_else(what)
        }
        Expect::Cost(..) | Expect::Snapshot(_) => Ok(()),
    }
}

/// Compares the predicted cost of the chosen graph with a number, or with what the graph costs as it is written.
fn cost(
    compare: Compare,
    bound: CostBound,
    chosen_ns: f64,
    graph: &TypedGraph,
    model: &CostModel,
) -> Result<(), String> {
    let (limit_ns, words) = match bound {
        CostBound::Nanoseconds(ns) => (ns, format!("{ns}")),
        CostBound::Original(share) => {
            let alone = saturate(graph, &RuleSet::default(), &Options::default()).map_err(|e| e.to_string())?;
            let original_ns = extract(&alone, model).map_err(|e| e.to_string())?.cost_ns;
            let share_text = if share == 1.0 { String::new() } else { format!("{share} * ") };
            (share * original_ns, format!("{share_text}original, which is {:.1} ns", share * original_ns))
        }
    };
    let what = || format!("expected cost {} {words}: the chosen graph costs {chosen_ns:.1} ns", sign(compare));
    holds(compare, chosen_ns, limit_ns).then_some(()).ok_or_else(what)
}

/// How often an operator stands in a graph, nested graphs, cores and bodies included.
pub fn count(graph: &Graph, op: Op) -> u64 {
    let of = |node: &Node| match node {
        Node::Op(n) => u64::from(n.op == op) + n.regions.iter().map(|r| count(r, op)).sum::<u64>(),
        Node::Fused(n) => u64::from(n.core.as_ref().is_some_and(|c| c.op == op)) + count(&n.body, op),
        Node::Input(_) | Node::Const(_) => 0,
    };
    graph.node_ids().map(|id| of(graph.node(id))).sum()
}

/// Kernels of a graph: all nodes but inputs, constants, and those that only give bytes another shape.
pub fn kernels(graph: &Graph) -> u64 {
    let of = |node: &Node| match node {
        Node::Op(n) => !is_view(n.op),
        Node::Fused(_) => true,
        Node::Input(_) | Node::Const(_) => false,
    };
    graph.node_ids().filter(|&id| of(graph.node(id))).count() as u64
}

fn equal_results(
    input: &TypedGraph,
    chosen: &TypedGraph,
    rules: &RuleSet,
    saturated: &Saturated,
) -> Result<(), String> {
    let fired = rules.rules.iter().filter(|r| saturated.report().rule(&r.name).is_some_and(|r| r.applied > 0));
    let mut exact = true;
    let mut steps = 0;
    for rule in fired {
        match rule.contract {
            Contract::Exact => {}
            Contract::Real { .. } => exact = false,
            Contract::Lsb(n) => steps = steps.max(n),
            Contract::Lossy(_) => return Ok(()),
        }
    }
    for trial in 0..TRIALS {
        let mut random = Random::new(1000 + trial);
        let inputs: Vec<Tensor> = input.graph().inputs().iter().map(|&id| random.any(input.ty(id.output(0)))).collect();
        let expected = match qcc_ir::evaluate(input, &inputs) {
            Ok(expected) => expected,
            // What has no reference evaluation yet can be rewritten but not compared.
            Err(OpError::Unsupported(_) | OpError::Dynamic(_) | OpError::Limit(_)) => return Ok(()),
            Err(e) => return Err(format!("the input graph: {e}")),
        };
        let found = qcc_ir::evaluate(chosen, &inputs).map_err(|e| format!("the chosen graph: {e}"))?;
        for (i, (e, f)) in expected.iter().zip(&found).enumerate() {
            let same = match (exact, steps) {
                (true, 0) => bits(e, f),
                _ => close(e, f, steps),
            };
            same.map_err(|what| format!("output {i} of the chosen graph differs: {what}"))?;
        }
    }
    Ok(())
}

pub(crate) fn bits(expected: &Tensor, found: &Tensor) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    let (e, f) = (expected.to_f64_vec(), found.to_f64_vec());
    match e.iter().zip(&f).position(|(a, b)| a != b && !(a.is_nan() && b.is_nan())) {
        Some(i) => Err(format!("all fired rules are exact, but element {i} is {} instead of {}", f[i], e[i])),
        None => Ok(()),
    }
}

pub(crate) fn close(expected: &Tensor, found: &Tensor, steps: u32) -> Result<(), String> {
    let (e, f) = (expected.to_f64_vec(), found.to_f64_vec());
    let largest = e.iter().filter(|v| v.is_finite()).fold(0.0f64, |m, v| m.max(v.abs()));
    // A float that is off by a rounding may cross the border between two codes.
    let near = if expected.dtype().is_float() { largest * REAL_TOLERANCE } else { f64::from(steps.max(1)) };
    let apart = |(a, b): (&f64, &f64)| if a == b || (a.is_nan() && b.is_nan()) { 0.0 } else { (a - b).abs() };
    let distances: Vec<f64> = e.iter().zip(&f).map(apart).collect();
    let off: Vec<usize> = (0..distances.len()).filter(|&i| distances[i].is_nan() || distances[i] > near).collect();
    let Some(&first) = off.first() else { return Ok(()) };
    let rare = off.len() as f64 <= 1.0 + distances.len() as f64 * STEP_SHARE;
    let small = off.iter().all(|&i| distances[i] <= largest * STEP_SIZE);
    if expected.dtype().is_float() && steps > 0 && rare && small {
        return Ok(());
    }
    Err(format!(
        "{} of {} elements are off; element {first} is {} instead of {}, {near} apart is allowed",
        off.len(),
        distances.len(),
        f[first],
        e[first]
    ))
}
