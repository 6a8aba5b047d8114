//! Why a rule changed nothing: it is searched once more in the finished e-graph, with an observer.

use super::guard::{Refusal, refusal};
use super::{Answer, Kind, partial, words};
use crate::bindings::Bindings;
use crate::explain::derivation::{Derivation, ids_by_node};
use crate::explain::forest::Forest;
use crate::furthest::Furthest;
use crate::history::Reason;
use crate::matcher::{self, Search};
use crate::report::Stop;
use crate::saturate::{Index, Options, Saturated, plan};
use egg::Id;
use qcc_dsl::{Rule, RuleSet, Step};
use rustc_hash::FxHashSet;
use std::cell::RefCell;

/// What became of the matches in the finished e-graph.
#[derive(Default)]
struct Story {
    known: Vec<Id>,
    /// The match and when it can be made.
    fresh: Vec<Bindings>,
    refused: Vec<(Id, Refusal)>,
}

/// The answer for a rule that never changed anything, or not at the given class.
pub(super) fn never_applied(
    saturated: &mut Saturated,
    rules: &RuleSet,
    options: &Options,
    position: usize,
    at: Option<Id>,
) -> Answer {
    let rule = &rules.rules[position];
    let furthest = RefCell::new(Furthest::new(at));
    let (matches, begins) = search(saturated, rules, rule, options, at, &furthest);
    let mut story = Story::default();
    for bindings in matches {
        let root = bindings.roots[0];
        match refusal(saturated, rule, &bindings) {
            Some(refused) => story.refused.push((root, refused)),
            None => match plan(&mut saturated.egraph, rule, bindings.clone()) {
                Ok(plan) if plan.is_known(&saturated.egraph) => story.known.push(root),
                _ => story.fresh.push(bindings),
            },
        }
    }
    let unscheduled = unscheduled(rules, options, rule);
    let without = from_matches(saturated, rules, position, &story)
        .or_else(|| furthest.into_inner().best.map(|(b, miss)| partial::answer(saturated, rule, &b, &miss)))
        .unwrap_or_else(|| nowhere(saturated, rule, at, begins));
    let Some(mut answer) = unscheduled else { return without };
    if story.fresh.is_empty() {
        answer = answer.with(format!("if it ran: {}", without.summary));
    } else {
        let roots = story.fresh.iter().map(|b| words::value(saturated, b.roots[0]));
        answer = answer.with(format!("it would match {}, at {}", words::times(story.fresh.len()), words::names(roots)));
    }
    answer
}

/// The answer that complete matches give.
fn from_matches(saturated: &Saturated, rules: &RuleSet, position: usize, story: &Story) -> Option<Answer> {
    if !story.fresh.is_empty() {
        return Some(kept_out(saturated, rules, position, &story.fresh));
    }
    if let Some((root, refused)) = story.refused.first() {
        let place = words::value(saturated, *root);
        let summary = match refused.kind {
            Kind::RightSide => format!("it matched at {place}, but its right side cannot be built: {}", refused.reason),
            _ => format!("it matched at {place}, and a guard said no: \"{}\"", refused.reason),
        };
        let mut answer = Answer::new(refused.kind, summary);
        answer.details = refused.values.clone();
        answer.reason = Some(refused.reason.clone());
        let others = story.refused.len() - 1;
        if others > 0 {
            let mut reasons: Vec<(&str, usize)> = Vec::new();
            for (_, r) in &story.refused[1..] {
                match reasons.iter_mut().find(|(reason, _)| *reason == r.reason) {
                    Some((_, n)) => *n += 1,
                    None => reasons.push((&r.reason, 1)),
                }
            }
            let list: Vec<String> = reasons.iter().map(|(r, n)| format!("\"{r}\" {}", words::times(*n))).collect();
            answer = answer.with(format!("other matches: {}", list.join(", ")));
        }
        return Some(answer);
    }
    let &root = story.known.first()?;
    let place = words::value(saturated, root);
    let answer = Answer::new(Kind::Known, format!("it matched at {place}, and all it says was known already"));
    let makers = makers(saturated, rules, root);
    Some(if makers.is_empty() { answer } else { answer.with(format!("rules that changed that value: {makers}")) })
}

/// Rules that were applied at the class of a value.
fn makers(saturated: &Saturated, rules: &RuleSet, root: Id) -> String {
    let Some(history) = &saturated.egraph.analysis.history else { return String::new() };
    let history = history.borrow();
    let here = |id: &Id| saturated.egraph.find(*id) == saturated.egraph.find(root);
    let at = history.applications.iter().filter(|a| a.bindings.roots.iter().any(here));
    words::names(at.map(|a| format!("`{}`", rules.rules[a.rule].name)))
}

/// Where there are values that begin like a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// Where the question is about.
    Here,
    /// Only in other places.
    Elsewhere,
    /// In no place.
    Nowhere,
}

/// All matches, and where anything begins like the rule.
fn search(
    saturated: &Saturated,
    rules: &RuleSet,
    rule: &Rule,
    options: &Options,
    at: Option<Id>,
    furthest: &RefCell<Furthest>,
) -> (Vec<Bindings>, Begins) {
    let egraph = &saturated.egraph;
    let index = Index::build(egraph);
    let all = match rule.roots.get(1) {
        Some(second) => index.classes(&matcher::heads(second)),
        None => Vec::new(),
    };
    let mut first = index.classes(&matcher::heads(&rule.roots[0]));
    let anywhere = !first.is_empty();
    if let Some(at) = at
        && rule.roots.len() == 1
    {
        let near = above(saturated, at, matcher::depth(&rule.roots[0]));
        first.retain(|id| near.contains(id));
    }
    let begins = match (anywhere, first.is_empty()) {
        (false, _) => Begins::Nowhere,
        (true, true) => Begins::Elsewhere,
        (true, false) => Begins::Here,
    };
    let commutative = &rules.commutative;
    let search = Search { egraph, commutative, budget: options.matches, trail: true, watch: Some(furthest) };
    let mut matches = search.run(rule, &first, &all).matches;
    if let Some(at) = at {
        let here = |id: Id| egraph.find(id) == at;
        matches.retain(|b| b.trail.iter().any(|m| here(m.class) || m.node.children.iter().any(|&c| here(c))));
    }
    (matches, begins)
}

/// A class and the classes up to `depth` levels above it.
fn above(saturated: &Saturated, at: Id, depth: usize) -> FxHashSet<Id> {
    let egraph = &saturated.egraph;
    let mut level = vec![at];
    let mut seen: FxHashSet<Id> = level.iter().copied().collect();
    for _ in 0..depth {
        let parents = level.iter().flat_map(|&id| egraph[id].parents()).map(|p| egraph.find(p));
        level = parents.filter(|&p| seen.insert(p)).collect();
    }
    seen
}

fn nowhere(saturated: &Saturated, rule: &Rule, at: Option<Id>, begins: Begins) -> Answer {
    let heads = matcher::heads(&rule.roots[0]).unwrap_or_default();
    let wanted = partial::operators(&heads);
    match at {
        _ if begins == Begins::Here => {
            let summary = format!("every {wanted} there equals one of its own operands already");
            Answer::new(Kind::Known, summary)
        }
        Some(at) if begins == Begins::Elsewhere => {
            let found = words::value(saturated, at);
            let summary = format!("it begins with {wanted}, and nothing around {found} does");
            Answer::new(Kind::Operator, summary)
        }
        _ => {
            let summary = format!("the model has no {wanted}, and no rule made one");
            Answer::new(Kind::Nowhere, summary)
        }
    }
}

/// The answer if no step of the schedule runs the rule.
fn unscheduled(rules: &RuleSet, options: &Options, rule: &Rule) -> Option<Answer> {
    fn runs(steps: &[Step], ruleset: &str) -> bool {
        steps.iter().any(|step| match step {
            Step::Saturate(sets, _) | Step::Run(sets, _) => sets.iter().any(|s| s == ruleset),
            Step::Repeat(times, inner) => *times > 0 && runs(inner, ruleset),
        })
    }
    let schedule = rules.schedules.get(&options.schedule)?;
    if runs(&schedule.steps, &rule.ruleset) {
        return None;
    }
    let (name, ruleset) = (&options.schedule, &rule.ruleset);
    let summary = format!("its ruleset `{ruleset}` is in no step of the schedule `{name}`");
    let help = format!("add `{ruleset}` to a step, or put the rule into a ruleset that runs");
    Some(Answer::new(Kind::Schedule, summary).with(help))
}

/// The answer for a rule that would apply now, and did not.
fn kept_out(saturated: &Saturated, rules: &RuleSet, position: usize, fresh: &[Bindings]) -> Answer {
    let rule = &rules.rules[position];
    let report = saturated.report();
    let of_rule = &report.rules[position];
    let roots = fresh.iter().map(|b| words::value(saturated, b.roots[0]));
    let would = format!("it would apply {} more, at {}", words::times(fresh.len()), words::names(roots));
    let own: Vec<(usize, &crate::report::StepReport)> =
        report.steps.iter().enumerate().filter(|(_, s)| s.rulesets.contains(&rule.ruleset)).collect();
    if of_rule.cut > 0 {
        let summary = "its matches were cut short by the limit of matches";
        return Answer::new(Kind::Budget, summary).with(would).with("raise it: `limit { matches: … }` of its step");
    }
    if of_rule.dropped > 0 || own.iter().any(|(_, s)| s.stop == Stop::Nodes) {
        let summary = "the limit of nodes was reached before it was applied";
        return Answer::new(Kind::Budget, summary).with(would).with("raise it: `limit { nodes: … }` of its step");
    }
    if let Some((i, step)) = own.iter().rev().find(|(_, s)| s.stop == Stop::Iterations) {
        let summary = format!("its step ended at its limit of {} iterations", step.iterations);
        let steps = format!("step {} of {}: {}", i + 1, report.steps.len(), step.rulesets.join(", "));
        return Answer::new(Kind::Budget, summary).with(steps).with(would);
    }
    let last = own.last().map_or(0, |(i, _)| i + 1);
    let once = own.iter().any(|(_, s)| s.stop == Stop::Once);
    let count = report.steps.len();
    let summary = match once {
        true => format!(
            "its ruleset `{}` runs a fixed number of times, the last time in step {last} of {count}",
            rule.ruleset
        ),
        false => format!("its ruleset `{}` runs in step {last} of {count} for the last time", rule.ruleset),
    };
    let answer = Answer::new(Kind::Schedule, format!("{summary}, and what it matches was made later")).with(would);
    match latest(saturated, rules, &fresh[0]) {
        Some(made) => answer.with(made),
        None => answer,
    }
}

/// The application that made the last of the matched nodes, in words.
fn latest(saturated: &Saturated, rules: &RuleSet, bindings: &Bindings) -> Option<String> {
    let history = saturated.egraph.analysis.history.as_ref()?.borrow();
    let forest = Forest::new(&history.unions, history.made.len());
    let ids = ids_by_node(saturated, &history);
    let mut derivation = Derivation::new(saturated, &history, &forest, &ids);
    let mut last: Option<usize> = None;
    for matched in &bindings.trail {
        let id = derivation.id_of(&matched.node, matched.class, usize::MAX)?;
        if let Reason::Application(a) = history.made[usize::from(id)] {
            last = last.max(Some(a));
        }
        if saturated.egraph.find(id) == saturated.egraph.find(matched.class) {
            derivation.equal(matched.class, id);
        }
    }
    let last = last.max(derivation.applications.last().copied())?;
    let application = &history.applications[last];
    let rule = &rules.rules[application.rule].name;
    Some(format!("what it matches was made by `{rule}` in step {}", application.step + 1))
}
