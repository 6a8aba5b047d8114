//! Mutants of the standard rules are rejected.
//!
//! Every rule is damaged in all the ways of `mutants`. A mutant counts if its text still compiles and the engine types its
//! right side; it is killed by the generated soundness check, or else by the tests beside the rules. Survivors stand in
//! `mutation/survivors.txt` with the reason why they are no mistakes, or as open.
//!
//! `cargo test` looks at a sample, of which most must be killed; `cargo xtask mutate` (MUTANTS=all) looks at all and fails on
//! a survivor without a reason; RULE=words looks at some rules.

mod files;
mod mutants;

use mutants::mutants;
use qcc_dsl::{Contract, Expect, LoadError, Rule, RuleSet, Source, Test, compile, print};
use qcc_egraph::rule_test::run_test;
use qcc_egraph::soundness::{Effort, Verdict, check};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Evidence for each mutant: half of what the rules themselves are tried with, and nothing is made small.
const EFFORT: Effort = Effort { cases: 100, attempts: 3, shrinking: 0 };

/// The same for a rule that promises more than it keeps: roundings part only where a value lies at a tie, one in some ten
/// thousand.
const PROMISES: Effort = Effort { cases: 4000, ..EFFORT };

/// One mutant in so many is looked at by `cargo test`.
const SAMPLE: usize = 24;

/// Share of the sample that is killed at least, in percent; survivors that are no mistakes count against it.
const LEAST: usize = 94;

/// What became of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// Its text does not compile: rejected, and not counted.
    DoesNotCompile,
    /// It is the rule itself, or the engine types its right side nowhere: not counted.
    NoMutant,
    /// A generated case shows the difference.
    Unsound,
    /// No generated case satisfies its guards any more.
    NotTried,
    /// A test beside the rules fails.
    TestFails,
    /// Nothing notices.
    Survives,
}

struct Job<'a> {
    rule: &'a Rule,
    index: usize,
    what: String,
    mutant: Rule,
}

fn name(job: &Job<'_>) -> String {
    format!("{}: {}", job.rule.name, job.what)
}

/// The mutant after printing and compiling, as if it had been written so.
fn recompiled(mutant: &Rule) -> Option<Rule> {
    let text = format!("//! A mutant.\nmodule mutant\nimport onnx::*\nimport qcc::*\n\n{}", print(mutant));
    let nothing = &mut |path: &str| Err(LoadError::NotFound(path.to_string()));
    let (set, _) = compile(&[Source { path: "mutant.rules".into(), text }], nothing).ok()?;
    set.rules.into_iter().next()
}

/// Whether a test that names the rule fails with a mutant in its place.
fn tests_fail(rules: &RuleSet, rule: &Rule) -> bool {
    let names = |test: &&Test| {
        test.expects.iter().any(|e| matches!(e, Expect::Fired(n, ..) | Expect::Blocked(n, ..) if *n == rule.name))
    };
    rules.tests.iter().filter(names).any(|t| !run_test(t, rules).passed())
}

fn fate(rules: &RuleSet, job: &Job<'_>) -> Fate {
    let Some(compiled) = recompiled(&job.mutant) else { return Fate::DoesNotCompile };
    if print(&compiled) == print(job.rule) {
        return Fate::NoMutant;
    }
    let mut changed = rules.clone();
    changed.rules[job.index] = Rule { module: job.rule.module.clone(), ruleset: job.rule.ruleset.clone(), ..compiled };
    let mutant = &changed.rules[job.index];
    let effort = if job.what.starts_with("promise") { PROMISES } else { EFFORT };
    let found = check(&changed, mutant, effort);
    match found.verdict {
        Verdict::Unsound(_) => Fate::Unsound,
        // A right side that has no type anywhere is refused by the engine, which is what a type checker is for.
        Verdict::NotTried if mutant.guards.len() >= job.rule.guards.len() && untyped(&found.given_up) => Fate::NoMutant,
        // A rule that nothing satisfies is rejected by itself; its tests say so, too, if they are good.
        Verdict::NotTried if !tests_fail(&changed, mutant) => Fate::NotTried,
        _ if tests_fail(&changed, mutant) => Fate::TestFails,
        _ => Fate::Survives,
    }
}

/// Whether most cases were given up because the right side has no type, or another one than the left.
fn untyped(given_up: &BTreeMap<String, usize>) -> bool {
    let total: usize = given_up.values().sum();
    let typed: usize =
        given_up.iter().filter(|(why, _)| why.starts_with("the right side has type")).map(|(_, n)| n).sum();
    2 * typed > total
}

/// Survivors that somebody has shown to be no mistakes: `rule: what` before ` | `, the reason behind it. Open ones are listed
/// as known, which explains nothing.
fn explained() -> BTreeMap<String, String> {
    let text = include_str!("mutation/survivors.txt");
    let lines = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#'));
    let entries = lines.filter_map(|l| l.split_once(" | ")).filter(|(_, reason)| !reason.trim().starts_with("open"));
    entries.map(|(a, b)| (a.trim().to_string(), b.trim().to_string())).collect()
}

#[test]
fn mutants_of_the_standard_rules_are_rejected() {
    let start = Instant::now();
    let rules = files::standard();
    let all = std::env::var("MUTANTS").is_ok_and(|v| v == "all");
    let only = std::env::var("RULE").ok();
    let mut jobs: Vec<Job<'_>> = Vec::new();
    for (index, rule) in rules.rules.iter().enumerate() {
        // The mistakes of the other direction of a `<=>` are those of the first one.
        let wanted = !rule.reverse && !matches!(rule.contract, Contract::Lossy(_));
        if !wanted || only.as_ref().is_some_and(|o| !rule.name.contains(o)) {
            continue;
        }
        jobs.extend(mutants(rule).into_iter().map(|m| Job { rule, index, what: m.what, mutant: m.rule }));
    }
    if !all && only.is_none() {
        let mut i = 0;
        jobs.retain(|_| {
            i += 1;
            i % SAMPLE == 0
        });
    }
    // A test that fails without a mistake would kill every mutant of its rule.
    let broken: Vec<&str> =
        rules.tests.iter().filter(|t| !run_test(t, &rules).passed()).map(|t| t.name.as_str()).collect();
    assert!(broken.is_empty(), "these tests fail without a mutant: {broken:#?}");
    let next = AtomicUsize::new(0);
    let fates: Mutex<Vec<(usize, Fate)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(i) else { break };
                    let one = fate(&rules, job);
                    fates.lock().expect("no panic").push((i, one));
                    if one == Fate::Survives {
                        eprintln!("{}", name(job));
                    }
                    if i.is_multiple_of(100) {
                        eprintln!("{i} of {}", jobs.len());
                    }
                }
            });
        }
    });
    let mut fates = fates.into_inner().expect("no panic");
    fates.sort();
    let count = |fate: Fate| fates.iter().filter(|(_, f)| *f == fate).count();
    let explained = explained();
    let survivors: Vec<String> =
        fates.iter().filter(|(_, f)| *f == Fate::Survives).map(|(i, _)| name(&jobs[*i])).collect();
    let unexplained: Vec<&String> = survivors.iter().filter(|s| !explained.contains_key(*s)).collect();
    let counted = fates.len() - count(Fate::DoesNotCompile) - count(Fate::NoMutant);
    let equivalent = survivors.len() - unexplained.len();
    let killed = counted - survivors.len();
    let mut report = String::new();
    let _ = writeln!(
        report,
        "{} mutants of {} rules in {:.0} s",
        fates.len(),
        rules.rules.len(),
        start.elapsed().as_secs_f64()
    );
    let _ = writeln!(report, "  rejected by the compiler           {}", count(Fate::DoesNotCompile));
    let _ = writeln!(report, "  the same rule, or typed nowhere    {}", count(Fate::NoMutant));
    let _ = writeln!(report, "  counted                            {counted}");
    let _ = writeln!(report, "  killed by generated soundness      {}", count(Fate::Unsound));
    let _ = writeln!(report, "  killed by never being tried alone  {}", count(Fate::NotTried));
    let _ = writeln!(report, "  killed by the tests beside rules   {}", count(Fate::TestFails));
    let _ = writeln!(report, "  survive, explained                 {equivalent}");
    let _ = writeln!(report, "  survive, unexplained               {}", unexplained.len());
    let _ =
        writeln!(report, "  killed of all counted              {:.1} %", 100.0 * killed as f64 / counted.max(1) as f64);
    println!("{report}");
    for (i, _) in fates.iter().filter(|(_, f)| *f == Fate::Survives) {
        let survivor = name(&jobs[*i]);
        let reason = explained.get(&survivor).map_or("UNEXPLAINED", String::as_str);
        println!("  survives: {survivor} | {reason}");
        if only.is_some() {
            let rule = print(jobs[*i].rule);
            for line in print(&jobs[*i].mutant).lines().filter(|l| !rule.lines().any(|own| own == *l)) {
                println!("    {line}");
            }
        }
    }
    if let Ok(path) = std::env::var("MUTANTS_LOG") {
        let lines: Vec<String> = fates.iter().map(|(i, f)| format!("{f:?}\t{}", name(&jobs[*i]))).collect();
        std::fs::write(path, lines.join("\n")).expect("it can be written");
    }
    if all && only.is_none() {
        assert!(
            unexplained.is_empty(),
            "{} survivors without a reason:\n{unexplained:#?}\n{report}",
            unexplained.len()
        );
        assert!(counted >= 300, "{report}");
    } else if only.is_none() {
        assert!(counted >= 50, "{report}");
        assert!(killed * 100 >= counted * LEAST, "{report}{survivors:#?}");
    }
}
