//! One case: does the rule apply to it, and are both sides equal?

use super::case::{Case, Term};
use super::compare::{self, Difference, Movement, NUDGES};
use super::content::{STYLES, Style, fill};
use super::draw::{Draw, mix};
use super::evaluate::Evaluator;
use super::pins::Pins;
use super::show;
use super::solve::Solver;
use crate::analysis::{EGraph, Facts};
use crate::bindings::Bindings;
use crate::instance::Instance;
use crate::matcher::Search;
use crate::meta;
use egg::Id;
use qcc_dsl::{Contract, Expr, Rule};
use qcc_ops::{Op, OpError};
use qcc_tensor::Tensor;
use rustc_hash::FxHashMap;

/// Input values tried for each case that has inputs.
const FILLS: u64 = 2;

/// Matches of one case that are looked at; commutative operands and several roots give more than one.
const MATCHES: usize = 8;

/// What became of a case.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The pattern does not match what was built for it.
    NoMatch,
    /// A guard says no; the demands changed if `true`.
    Guard(String, bool),
    /// The engine does not apply the rule here: the right side has no type, or another one.
    Refused(String),
    /// The left side is something that has no reference evaluation.
    Unsupported(String),
    /// Both sides were compared and agree.
    Equal,
    /// Both sides have values whose comparison means nothing under the contract: something overflows.
    Meaningless,
    /// They do not agree.
    Differs(Box<Mismatch>),
}

/// Both sides of a rule with their values.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// What differs.
    pub what: String,
    /// The left side, a line for each operator.
    pub left: String,
    /// The right side.
    pub right: String,
    /// Number of nodes of the left side, and of their elements.
    pub(crate) size: (usize, usize),
}

/// Applies a rule to a case and compares. `ways` is a seed for the alternatives of guards along which the case shall lie.
pub(crate) fn examine(
    rule: &Rule,
    bare: &Rule,
    commutative: &[Op],
    case: &Case,
    pins: &mut Pins,
    seed: u64,
    ways: Option<u64>,
) -> Outcome {
    let mut egraph = EGraph::new(Facts::default());
    let Ok(ids) = case.encode(&mut egraph) else { return Outcome::NoMatch };
    egraph.rebuild();
    let roots: Vec<Id> = case.roots.iter().map(|&at| egraph.find(ids[at])).collect();
    let mut all: Vec<Id> = egraph.classes().map(|c| c.id).collect();
    all.sort_unstable();
    let found = Search { egraph: &egraph, commutative, budget: MATCHES, trail: false, watch: None }.run(
        bare,
        &roots[..1],
        if roots.len() > 1 { &roots[1..] } else { &all },
    );
    let mut outcome = Outcome::NoMatch;
    for bindings in found.matches {
        let next = one_match(rule, case, &mut egraph, bindings, pins, (seed, ways));
        let better = !matches!(next, Outcome::Guard(..) | Outcome::NoMatch) || matches!(outcome, Outcome::NoMatch);
        if better {
            let done = matches!(next, Outcome::Differs(_));
            if !matches!(outcome, Outcome::Equal) || done {
                outcome = next;
            }
            if done {
                break;
            }
        }
    }
    outcome
}

fn one_match(
    rule: &Rule,
    case: &Case,
    egraph: &mut EGraph,
    bindings: Bindings,
    pins: &mut Pins,
    (seed, ways): (u64, Option<u64>),
) -> Outcome {
    let mut instance = Instance::new(egraph, rule, bindings);
    let mut failed: Option<(String, bool)> = None;
    let before = pins.clone();
    let none = FxHashMap::default();
    let mut draw = Draw::new(mix(seed ^ 77), &none);
    for (i, guard) in rule.guards.iter().enumerate() {
        draw.enter(0, i);
        let held = meta::eval(&mut instance, &guard.condition).and_then(|v| meta::truth(&v)) == Ok(true);
        if !held {
            failed.get_or_insert_with(|| (guard.reason.clone(), false));
            Solver { instance: &mut instance, rule, pins, draw: &mut draw }.satisfy(&guard.condition, true);
        }
    }
    if failed.is_none()
        && let Some(seed) = ways
    {
        let mut ways = Draw::new(mix(seed ^ 55), &none);
        for (i, guard) in rule.guards.iter().enumerate() {
            draw.enter(1, i);
            ways.enter(1, i);
            let mut solver = Solver { instance: &mut instance, rule, pins, draw: &mut draw };
            if !solver.satisfy_one_way(&guard.condition, true, &mut ways, 1) {
                failed.get_or_insert_with(|| (guard.reason.clone(), false));
            }
        }
    }
    if let Some((reason, _)) = failed {
        return Outcome::Guard(reason, *pins != before);
    }
    let mut results = Vec::new();
    let roots = instance.bindings.roots.clone();
    instance.incomputable = false;
    for (i, &left) in roots.iter().enumerate() {
        match instance.result(i) {
            Ok(id) => results.push(id),
            Err(why) if instance.incomputable => {
                let inputs = inputs(case, Style::Usual, mix(seed ^ 1));
                return Outcome::Differs(Box::new(Mismatch {
                    what: format!("the guards hold, but the right side cannot be computed: {why}"),
                    left: show::term(&instance, left, &inputs, None),
                    right: String::new(),
                    size: case.size(),
                }));
            }
            Err(why) => return Outcome::Refused(why),
        }
    }
    let mut compared = false;
    let styles = [Style::Usual, STYLES[(mix(seed) % STYLES.len() as u64) as usize]];
    let run_time = case.outer.is_some() || case.terms.iter().any(|t| matches!(t, Term::Input(..)));
    for fill_index in 0..if run_time { FILLS } else { 1 } {
        let style = styles[fill_index as usize];
        let inputs: Vec<Tensor> = inputs(case, style, mix(seed ^ (fill_index + 1)));
        let outer = case.outer.as_ref().map(|ty| fill(ty, &super::content::Content::Any, style, mix(seed ^ 99)));
        for (i, (&left, &right)) in roots.iter().zip(&results).enumerate() {
            let sides = Sides {
                rule,
                left,
                right,
                folded: matches!(rule.results[i], Expr::Folded(_)),
                inputs: &inputs,
                outer: outer.as_ref(),
            };
            match sides.compare(&mut instance, seed) {
                Ok(Verdict::Equal) => compared = true,
                Ok(Verdict::Meaningless) => {}
                Ok(Verdict::Differs(what)) => {
                    let mismatch = Mismatch {
                        what,
                        left: show::term(&instance, left, &inputs, outer.as_ref()),
                        right: show::term(&instance, right, &inputs, outer.as_ref()),
                        size: case.size(),
                    };
                    return Outcome::Differs(Box::new(mismatch));
                }
                Err(
                    OpError::Unsupported(why) | OpError::Invalid(why) | OpError::Dynamic(why) | OpError::Limit(why),
                ) => {
                    return Outcome::Unsupported(why);
                }
            }
        }
    }
    if compared { Outcome::Equal } else { Outcome::Meaningless }
}

/// Values of the inputs of a case.
fn inputs(case: &Case, style: Style, seed: u64) -> Vec<Tensor> {
    let typed =
        case.terms.iter().filter_map(|t| if let Term::Input(ty, content) = t { Some((ty, content)) } else { None });
    typed.enumerate().map(|(i, (ty, content))| fill(ty, content, style, mix(seed ^ (i as u64) << 32))).collect()
}

enum Verdict {
    Equal,
    Meaningless,
    Differs(String),
}

struct Sides<'c> {
    rule: &'c Rule,
    left: Id,
    right: Id,
    folded: bool,
    inputs: &'c [Tensor],
    outer: Option<&'c Tensor>,
}

impl Sides<'_> {
    fn evaluate(&self, instance: &Instance<'_>, id: Id, nudge: Option<u64>) -> Result<(Tensor, bool), OpError> {
        let mut evaluator = Evaluator::new(instance, self.inputs, self.outer, nudge);
        let value = evaluator.value(id)?;
        Ok((value, evaluator.finite))
    }

    /// Compares the values of both sides.
    ///
    /// # Errors
    /// The left side has no value: nothing can be said.
    fn compare(&self, instance: &mut Instance<'_>, seed: u64) -> Result<Verdict, OpError> {
        let (left, finite_left) = self.evaluate(instance, self.left, None)?;
        let right = if self.folded {
            instance.value(self.right).map(|v| (v, true)).map_err(OpError::Invalid)
        } else {
            self.evaluate(instance, self.right, None)
        };
        let (right, finite_right) = match right {
            Ok(right) => right,
            Err(why) => return Ok(Verdict::Differs(format!("the left side has a value, the right side none: {why}"))),
        };
        if left.ty() != right.ty() {
            return Ok(Verdict::Differs(format!("the left side is {}, the right side {}", left.ty(), right.ty())));
        }
        let Some(difference) = compare::bits(&left, &right) else {
            return Ok(if left.elements() == 0 { Verdict::Meaningless } else { Verdict::Equal });
        };
        if matches!(self.rule.contract, Contract::Exact) {
            return Ok(Verdict::Differs(worded(&difference, &left)));
        }
        if !finite_left || !finite_right {
            return Ok(Verdict::Meaningless);
        }
        let (mut moved_left, mut moved_right) = (Movement::new(&left), Movement::new(&right));
        let mut beyond = Some(difference);
        for i in 0..NUDGES {
            moved_left.add(&self.evaluate(instance, self.left, Some(mix(seed ^ (2 * i + 1))))?.0);
            if let Ok((value, _)) = self.evaluate(instance, self.right, Some(mix(seed ^ (2 * i + 2)))) {
                moved_right.add(&value);
            }
            beyond = compare::beyond(&self.rule.contract, &left, &right, (&moved_left, &moved_right));
            if beyond.is_none() {
                break;
            }
        }
        Ok(beyond.map_or(Verdict::Equal, |d| Verdict::Differs(worded(&d, &left))))
    }
}

fn worded(difference: &Difference, left: &Tensor) -> String {
    let Difference { element, left: l, right: r, allowed } = difference;
    let index = position(*element, left.shape());
    let bound =
        if *allowed == 0.0 { "no difference is allowed".into() } else { format!("rounding explains {allowed:.3e}") };
    format!("element {index:?} is {l:?} on the left and {r:?} on the right; {bound}")
}

fn position(mut element: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        index[axis] = element % shape[axis].max(1);
        element /= shape[axis].max(1);
    }
    index
}
