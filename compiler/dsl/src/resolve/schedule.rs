//! Schedules.

use crate::ast::{self, Name};
use crate::{Limits, Schedule, Step};
use qcc_diag::Diagnostic;
use qcc_diag::nearest;

/// A schedule; rulesets without rules are reported as warnings.
pub(super) fn schedule(schedule: &ast::Schedule, rulesets: &[&str], diagnostics: &mut Vec<Diagnostic>) -> Schedule {
    Schedule { steps: steps(&schedule.steps, rulesets, diagnostics) }
}

fn steps(list: &[ast::Step], rulesets: &[&str], diagnostics: &mut Vec<Diagnostic>) -> Vec<Step> {
    let step = |step: &ast::Step| match step {
        ast::Step::Saturate(names, given) => {
            Step::Saturate(known(names, rulesets, diagnostics), limits(given, diagnostics))
        }
        ast::Step::Run(names, given) => Step::Run(known(names, rulesets, diagnostics), limits(given, diagnostics)),
        ast::Step::Repeat(times, inner) => Step::Repeat(*times, steps(inner, rulesets, diagnostics)),
    };
    list.iter().map(step).collect()
}

fn known(names: &[Name], rulesets: &[&str], diagnostics: &mut Vec<Diagnostic>) -> Vec<String> {
    for name in names.iter().filter(|n| !rulesets.contains(&n.text.as_str())) {
        let message = format!("there are no rules in `{}`", name.text);
        let diagnostic = Diagnostic::warning("empty-ruleset", message).label(name.span, "does nothing");
        diagnostics.push(match nearest(&name.text, rulesets.iter().copied()) {
            Some(other) => diagnostic.help(format!("did you mean `{other}`?")),
            None => diagnostic,
        });
    }
    names.iter().map(|n| n.text.clone()).collect()
}

fn limits(given: &[(Name, u64)], diagnostics: &mut Vec<Diagnostic>) -> Limits {
    let mut result = Limits::default();
    for (name, value) in given {
        let value = usize::try_from(*value).unwrap_or(usize::MAX);
        let field = match name.text.as_str() {
            "nodes" => &mut result.nodes,
            "iterations" => &mut result.iterations,
            "matches" => &mut result.matches,
            other => {
                let diagnostic = Diagnostic::error("unknown-limit", format!("there is no limit `{other}`"));
                let diagnostic = diagnostic.label(name.span, "not known");
                diagnostics.push(diagnostic.help("the limits are `nodes`, `iterations` and `matches`"));
                continue;
            }
        };
        *field = Some(value);
    }
    result
}
