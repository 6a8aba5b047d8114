//! `qcc rules test`.

use super::evidence::{self, Evidence};
use super::rules::Files;
use super::watch;
use qcc::failure::Failure;
use qcc::snapshot::{self, Compared, Place};
use qcc_diag::SourceMap;
use qcc_dsl::{Builtin, Expect, Meta, Rule, RuleSet};
use qcc_egraph::rule_test::{TestOutcome, run_test};
use rayon::prelude::*;
use std::time::Instant;

/// Run the `test` blocks of rule files, together with the standard rules, and try every rule on generated graphs
///
/// A test that expects a `snapshot` compares the chosen graph with the one that was accepted, in `snapshots/` beside its
/// file. `--accept` writes new and changed ones; `cargo insta review --workspace-root FOLDER` shows them one by one.
///
/// Examples:
///   qcc rules test                                 the standard rules
///   qcc rules test my.rules
///   qcc rules test --cases 5000 my.rules           more generated graphs for each rule
///   qcc rules test --no-soundness my.rules         the `test` blocks alone
///   qcc rules test --accept my.rules               takes the chosen graphs as they are now
///   qcc rules test --watch my.rules                again after every change
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Test {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    evidence: Evidence,
    /// Write the snapshots of tests whose other expectations hold
    #[arg(long)]
    accept: bool,
    /// Run again whenever a file changes, until the program is interrupted
    #[arg(long)]
    watch: bool,
}

impl Test {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        if !self.watch {
            return self.once(&self.files.compile()?);
        }
        if self.files.given().is_empty() {
            return Err(Failure::input("--watch needs the names of files; the standard rules do not change"));
        }
        let mut paths = self.files.given().to_vec();
        loop {
            let state = watch::state(&paths);
            match self.files.compile() {
                Ok(rules) => {
                    for module in &rules.modules {
                        let path = std::path::PathBuf::from(&module.path);
                        if !paths.contains(&path) {
                            paths.push(path);
                        }
                    }
                    if let Err(failure) = self.once(&rules) {
                        eprintln!("{failure}");
                    }
                }
                Err(failure) => eprintln!("{failure}"),
            }
            println!("waiting for changes");
            watch::change(&paths, &state);
            println!();
        }
    }

    fn once(&self, rules: &RuleSet) -> Result<(), Failure> {
        let start = Instant::now();
        let modules = self.files.modules(rules);
        let tests: Vec<_> = rules.tests.iter().filter(|t| modules.contains(&t.module)).collect();
        let outcomes: Vec<_> = tests.par_iter().map(|test| run_test(test, rules)).collect();
        let places = modules.iter().flat_map(|module| snapshot::places(rules, module)).collect::<Vec<_>>();
        let (mut failed, mut unseen) = (0, 0);
        // Tests and places are both in the order of modules and, within one, of the text.
        let order = |test: &&&qcc_dsl::Test| modules.iter().position(|m| *m == test.module);
        let mut lines: Vec<_> = tests.iter().zip(outcomes).collect();
        lines.sort_by_key(|(test, _)| order(test));
        for ((test, mut outcome), (_, place)) in lines.into_iter().zip(places) {
            let written = match &place {
                Some(place) => self.golden(place, &mut outcome),
                None => {
                    unseen += usize::from(outcome.snapshot);
                    ""
                }
            };
            let time = outcome.time.as_secs_f64() * 1e3;
            if outcome.failures.is_empty() {
                println!("ok      {} / {}  ({time:.1} ms){written}", test.module, test.name);
                continue;
            }
            failed += 1;
            let place = self::place(&rules.sources, test.span);
            println!("FAILED  {} / {}  ({time:.1} ms)  ({place})", test.module, test.name);
            for failure in &outcome.failures {
                println!("        {}", failure.trim_end().replace('\n', "\n        "));
            }
        }
        for rule in rules.rules.iter().filter(|r| modules.contains(&r.module) && !r.reverse) {
            report_coverage(rule, rules);
        }
        for path in modules.iter().flat_map(|module| snapshot::orphans(rules, module)) {
            println!("note    {}: no test expects this snapshot", path.display());
        }
        let time = start.elapsed().as_secs_f64() * 1e3;
        let found = self.evidence.gather(rules, &modules);
        println!("\n{} tests, {failed} failed  ({time:.0} ms)", tests.len());
        print!("{}", evidence::told(&found, rules));
        if unseen > 0 {
            println!("{unseen} snapshots are not compared: they stand beside the rule files, which are not here");
        }
        if failed > 0 {
            return Err(Failure::Check(format!("{failed} of {} rule tests failed", tests.len())));
        }
        evidence::judged(&found)
    }

    /// Compares the chosen graph with the accepted one; a difference is a failure of the test. Returns what is to be said of a
    /// snapshot that was written.
    fn golden(&self, place: &Place, outcome: &mut TestOutcome) -> &'static str {
        let Some(chosen) = &outcome.chosen else { return "" };
        let file = place.path.display();
        let (problem, written) = match place.compare(chosen) {
            Compared::Same => {
                // What is left over from an earlier difference confuses a review, no more.
                let _ = place.settle();
                return "";
            }
            Compared::Missing => {
                (format!("there is no snapshot `{file}` yet; the chosen graph is\n{chosen}"), "written")
            }
            Compared::Differs(lines) => (format!("the chosen graph is not that of `{file}`\n{lines}"), "renewed"),
            Compared::Unreadable(why) => (why, "renewed"),
        };
        if self.accept && outcome.failures.is_empty() {
            return match place.accept(chosen) {
                Ok(()) if written == "written" => "  snapshot written",
                Ok(()) => "  snapshot renewed",
                Err(e) => {
                    outcome.failures.push(format!("`{file}` cannot be written: {e}"));
                    ""
                }
            };
        }
        let mut problem = problem.trim_end().to_string();
        if self.accept {
            problem += "\nit is not accepted, because other expectations do not hold";
        } else {
            // A folder that cannot be written to has nothing to review.
            let _ = place.suggest(chosen);
            problem += "\nif that is right, accept it: qcc rules test --accept";
        }
        outcome.failures.push(problem);
        ""
    }
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
