//! `qcc rules check --models`: rules that do nothing for a collection of models.

use super::progress;
use qcc::corpus::{self, Usage, Verdict};
use qcc::failure::Failure;
use qcc_dsl::{Contract, Rule, RuleSet};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What rules did over models, and the models that could not be taken.
pub struct Corpus {
    models: usize,
    skipped: Vec<(PathBuf, String)>,
    usage: Vec<Usage>,
}

/// Saturates every model with the rules.
///
/// # Errors
/// Paths that are not there; models none of which can be taken.
pub fn survey(paths: &[PathBuf], rules: &RuleSet) -> Result<Corpus, Failure> {
    let models = corpus::models(paths)?;
    let mut result = Corpus { models: 0, skipped: Vec::new(), usage: vec![Usage::default(); rules.rules.len()] };
    let bar = progress::models(models.len());
    for model in models {
        bar.set_message(name(&model).to_string());
        match corpus::add(&model, rules, &mut result.usage) {
            Ok(()) => result.models += 1,
            Err(Failure::Bug(what)) => return Err(Failure::Bug(format!("{}: {what}", model.display()))),
            Err(failure) => result.skipped.push((model, failure.to_string())),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    match result.skipped.first() {
        Some((_, why)) if result.models == 0 => Err(Failure::input(format!("no model can be taken: {why}"))),
        _ => Ok(result),
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).unwrap_or_default()
}

impl Corpus {
    /// The rules of some modules with what they did, those that got least far first.
    fn rows<'r>(&'r self, rules: &'r RuleSet, modules: &[String]) -> Vec<(&'r Rule, &'r Usage)> {
        let about = |(rule, _): &(&Rule, &Usage)| modules.contains(&rule.module);
        let mut rows: Vec<_> = rules.rules.iter().zip(&self.usage).filter(about).collect();
        rows.sort_by_key(|(_, usage)| usage.verdict());
        rows
    }

    /// A table of the rules that did nothing.
    pub fn print(&self, rules: &RuleSet, modules: &[String]) {
        for (model, why) in &self.skipped {
            let first = why.lines().next().unwrap_or_default();
            println!("note    {}: left out: {first}", model.display());
        }
        let rows = self.rows(rules, modules);
        let dead: Vec<_> = rows.iter().filter(|(_, u)| u.verdict() != Verdict::Used).collect();
        if !dead.is_empty() {
            let (rule, set) = ("rule", "ruleset");
            println!(
                "{rule:<34} {set:<14} {:>8} {:>8} {:>8}  of {} models",
                "matched", "fired", "selected", self.models
            );
        }
        for (rule, usage) in &dead {
            println!(
                "{:<34} {:<14} {:>8} {:>8} {:>8}  {}",
                rule.name,
                rule.ruleset,
                usage.matched,
                usage.fired,
                usage.selected,
                words(rule, usage)
            );
        }
        let of = |verdict: Verdict| dead.iter().filter(|(_, u)| u.verdict() == verdict).count();
        println!(
            "{} of {} rules do nothing for {} models: {} never match, {} never fire, {} are never selected",
            dead.len(),
            rows.len(),
            self.models,
            of(Verdict::NeverMatched),
            of(Verdict::NeverFired),
            of(Verdict::NeverSelected)
        );
    }

    /// All rules, for programs.
    pub fn json(&self, rules: &RuleSet, modules: &[String]) -> Value {
        let row = |(rule, usage): &(&Rule, &Usage)| {
            json!({
                "rule": rule.name,
                "ruleset": rule.ruleset,
                "matched": usage.matched,
                "fired": usage.fired,
                "selected": usage.selected,
                "refused": usage.refused,
            })
        };
        json!({
            "models": self.models,
            "skipped": self.skipped.iter().map(|(p, why)| json!({ "model": p, "reason": why })).collect::<Vec<_>>(),
            "rules": self.rows(rules, modules).iter().map(row).collect::<Vec<_>>(),
        })
    }
}

/// Why a rule does nothing.
fn words(rule: &Rule, usage: &Usage) -> String {
    match (usage.verdict(), usage.reason()) {
        (Verdict::NeverMatched, _) if matches!(rule.contract, Contract::Lossy(_)) => "never used: it is lossy".into(),
        (Verdict::NeverMatched, _) => "never matches".into(),
        (Verdict::NeverFired, Some(reason)) => format!("never fires: {reason}"),
        (Verdict::NeverFired, None) => "never fires: what it says is there already".into(),
        _ => "never selected".into(),
    }
}
