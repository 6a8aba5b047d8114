//! The generated soundness check of rules, for the commands that look at rule files.

use super::progress;
use qcc::failure::Failure;
use qcc_dsl::{Contract, Rule, RuleSet};
use qcc_egraph::soundness::{Effort, Soundness, Verdict, check};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::fmt::Write;

/// How much evidence for the rules is wanted.
#[derive(Debug, clap::Args)]
pub struct Evidence {
    /// Generated graphs on which both sides of each rule are compared
    #[arg(long, value_name = "N", default_value_t = Effort::default().cases)]
    cases: usize,
    /// Do not compare both sides of rules on generated graphs
    #[arg(long, conflicts_with = "cases")]
    no_soundness: bool,
}

impl Evidence {
    /// Tries every rule of some modules, in parallel; the findings stand in the order of the rules.
    pub(super) fn gather<'r>(&self, rules: &'r RuleSet, modules: &[String]) -> Vec<(&'r Rule, Soundness)> {
        if self.no_soundness || self.cases == 0 {
            return Vec::new();
        }
        let effort = Effort { cases: self.cases, ..Effort::default() };
        let wanted: Vec<&Rule> = rules.rules.iter().filter(|r| modules.contains(&r.module)).collect();
        let bar = progress::rules(wanted.len());
        let found = wanted
            .par_iter()
            .map(|rule| {
                let found = check(rules, rule, effort);
                bar.inc(1);
                (*rule, found)
            })
            .collect();
        bar.finish_and_clear();
        found
    }
}

/// What is to be said about the findings: a paragraph for each rule that has not passed, a line for those that were tried on fewer
/// graphs than wanted, and the sum of it.
pub(super) fn told(found: &[(&Rule, Soundness)], rules: &RuleSet) -> String {
    let mut text = String::new();
    for (rule, one) in found {
        let place = super::rule_tests::place(&rules.sources, rule.span);
        let title = format!("{} / {}  ({place})", rule.module, rule.name);
        let _ = match &one.verdict {
            Verdict::Sound | Verdict::Lossy => Ok(()),
            Verdict::TooFew => writeln!(text, "note    {title}: only {} generated graphs satisfy it", one.tried),
            Verdict::NotTried => {
                writeln!(text, "NEVER TRIED  {title}\n        {}", indented(&refusals(one)))
            }
            Verdict::Unsound(m) => {
                let sides = format!("{}\n{}\nleft\n{}right\n{}", promised(&rule.contract), m.what, m.left, m.right);
                writeln!(text, "UNSOUND {title}\n        {}", indented(sides.trim_end()))
            }
        };
    }
    let count = |wanted: fn(&Verdict) -> bool| found.iter().filter(|(_, s)| wanted(&s.verdict)).count();
    if !found.is_empty() {
        let tried: usize = found.iter().map(|(_, s)| s.tried).sum();
        let equal = count(|v| matches!(v, Verdict::Sound | Verdict::TooFew));
        let _ = write!(text, "{equal} of {} rules agree on {tried} generated graphs", found.len());
        for (n, what) in [
            (count(|v| matches!(v, Verdict::Lossy)), "change results as they say"),
            (count(|v| matches!(v, Verdict::Unsound(_))), "UNSOUND"),
            (count(|v| matches!(v, Verdict::NotTried)), "NEVER TRIED"),
        ] {
            if n > 0 {
                let _ = write!(text, ", {n} {what}");
            }
        }
        text.push('\n');
    }
    text
}

/// Fails if a rule is unsound or was never tried.
pub(super) fn judged(found: &[(&Rule, Soundness)]) -> Result<(), Failure> {
    let bad = found.iter().filter(|(_, s)| !s.verdict.passed() && s.verdict != Verdict::TooFew).count();
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::Check(format!("{bad} of {} rules have not passed the soundness check", found.len())))
}

/// The findings for programs.
pub(super) fn as_json(found: &[(&Rule, Soundness)]) -> Vec<Value> {
    let one = |(rule, s): &(&Rule, Soundness)| {
        let (verdict, mismatch) = match &s.verdict {
            Verdict::Sound => ("sound", None),
            Verdict::TooFew => ("few", None),
            Verdict::NotTried => ("never tried", None),
            Verdict::Lossy => ("lossy", None),
            Verdict::Unsound(m) => ("unsound", Some(json!({ "what": m.what, "left": m.left, "right": m.right }))),
        };
        json!({ "rule": rule.name, "verdict": verdict, "graphs": s.tried, "begun": s.begun, "mismatch": mismatch })
    };
    found.iter().map(one).collect()
}

/// A contract as it is written, with what it promises.
fn promised(contract: &Contract) -> String {
    match contract {
        Contract::Exact => "@exact promises that both sides are equal bit for bit".into(),
        Contract::Real { ulp: None } => "@real promises that both sides differ by rounding alone".into(),
        Contract::Real { ulp: Some(n) } => format!(
            "@real(ulp = {n}) promises that both sides differ by rounding alone, or by {n} units of the largest result"
        ),
        Contract::Lsb(n) => format!("@lsb({n}) promises that codes are at most {n} apart, and only at rounding ties"),
        Contract::Lossy(reason) => format!("@lossy({reason:?}) promises nothing"),
    }
}

/// Why generated graphs were given up, the most frequent reasons first.
fn refusals(found: &Soundness) -> String {
    let mut reasons: Vec<(&String, &usize)> = found.given_up.iter().collect();
    reasons.sort_by_key(|(why, n)| (std::cmp::Reverse(**n), why.as_str()));
    let mut text = format!("none of {} generated graphs satisfies it", found.begun);
    for (why, n) in reasons.into_iter().take(REASONS) {
        let _ = write!(text, "\n{n} times: {why}");
    }
    text
}

/// Reasons that are printed for a rule that was never tried.
const REASONS: usize = 3;

fn indented(text: &str) -> String {
    text.replace('\n', "\n        ")
}
