//! `qcc rules`.

use super::evidence::{self, Evidence};
use qcc::failure::Failure;
use qcc::standard_rules::{self, Selection, Standard};
use qcc_diag::{Diagnostic, SourceMap};
use qcc_dsl::{Builtin, Expect, Meta, Rule, RuleSet};
use rayon::prelude::*;
use std::path::PathBuf;

/// Check, test, list and format rules
#[derive(Debug, clap::Subcommand)]
pub enum Rules {
    Check(super::check::Check),
    /// Run the `test` blocks of rule files, together with the standard rules, and try every rule on generated graphs
    ///
    /// Examples:
    ///   qcc rules test                                 the standard rules
    ///   qcc rules test my.rules
    ///   qcc rules test --cases 5000 my.rules           more generated graphs for each rule
    ///   qcc rules test --no-soundness my.rules         the `test` blocks alone
    #[command(verbatim_doc_comment)]
    Test(Test),
    List(super::list::List),
    Fmt(super::fmt::Fmt),
    Profile(super::rule_profile::Profile),
}

/// Arguments of `qcc rules test`.
#[derive(Debug, clap::Args)]
pub struct Test {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    evidence: Evidence,
}

/// Rule files of a command.
#[derive(Debug, clap::Args)]
pub struct Files {
    /// The files; none means the standard rules
    files: Vec<PathBuf>,
    /// Do not use the standard rules beside the files
    #[arg(long)]
    no_std_rules: bool,
}

impl Files {
    /// The rules; warnings are printed.
    pub(super) fn compile(&self) -> Result<RuleSet, Failure> {
        Ok(self.told(self.compile_quietly()?))
    }

    /// The rules and the warnings about them.
    pub(super) fn compile_quietly(&self) -> Result<(RuleSet, Vec<Diagnostic>), Failure> {
        let standard = if self.no_std_rules { Standard::Omit } else { Standard::Use };
        let selection = Selection { files: self.files.clone(), standard, ..Selection::default() };
        standard_rules::compile(&selection)
    }

    /// Prints warnings.
    pub(super) fn told(&self, (rules, warnings): (RuleSet, Vec<Diagnostic>)) -> RuleSet {
        for warning in &warnings {
            eprintln!("{}\n", qcc_diag::render(warning, &rules.sources));
        }
        rules
    }

    /// The modules the command is about: those of its files, or all.
    pub(super) fn modules(&self, rules: &RuleSet) -> Vec<String> {
        if self.files.is_empty() {
            rules.modules.iter().map(|m| m.name.clone()).collect()
        } else {
            standard_rules::modules_of(rules, &self.files)
        }
    }
}

impl Rules {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        match self {
            Rules::Check(command) => command.execute(),
            Rules::Test(command) => test(command),
            Rules::List(command) => command.execute(),
            Rules::Fmt(command) => command.execute(),
            Rules::Profile(profile) => profile.execute(),
        }
    }
}

fn test(Test { files, evidence }: &Test) -> Result<(), Failure> {
    let rules = files.compile()?;
    let modules = files.modules(&rules);
    let tests: Vec<_> = rules.tests.iter().filter(|t| modules.contains(&t.module)).collect();
    let outcomes: Vec<_> = tests.par_iter().map(|test| qcc_egraph::rule_test::run_test(test, &rules)).collect();
    let mut failed = 0;
    for (test, outcome) in tests.iter().zip(&outcomes) {
        if outcome.failures.is_empty() {
            println!("ok      {} / {}", test.module, test.name);
            continue;
        }
        failed += 1;
        println!("FAILED  {} / {}  ({})", test.module, test.name, place(&rules.sources, test.span));
        for failure in &outcome.failures {
            println!("        {}", failure.replace('\n', "\n        "));
        }
    }
    for rule in rules.rules.iter().filter(|r| modules.contains(&r.module) && !r.reverse) {
        report_coverage(rule, &rules);
    }
    let found = evidence.gather(&rules, &modules);
    println!("\n{} tests, {failed} failed", tests.len());
    print!("{}", evidence::told(&found, &rules));
    if failed > 0 {
        return Err(Failure::Check(format!("{failed} of {} rule tests failed", tests.len())));
    }
    evidence::judged(&found)
}

/// Says which of the two kinds of test a rule lacks. A rule without guards has no near miss of its own; a guard on the
/// accumulator's scope, which the checker adds to every rule that moves a value, does not count.
fn report_coverage(rule: &Rule, rules: &RuleSet) {
    let expects = || rules.tests.iter().flat_map(|t| &t.expects);
    let fires = expects().any(|e| matches!(e, Expect::Fired(name, ..) if *name == rule.name));
    let misses = expects().any(|e| matches!(e, Expect::Blocked(name, ..) if *name == rule.name));
    let place = place(&rules.sources, rule.span);
    if !fires {
        println!("note    {place}: no test in which `{}` fires", rule.name);
    }
    let guarded = rule.guards.iter().any(|g| !matches!(g.condition, Meta::Call(Builtin::Closed, _)));
    if !misses && guarded {
        println!("note    {place}: no near-miss test of `{}`", rule.name);
    }
}

pub(super) fn place(sources: &SourceMap, span: qcc_diag::Span) -> String {
    format!("{}:{}", sources.name(span.file), sources.line_column(span).0)
}
