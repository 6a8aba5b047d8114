//! All tests of the standard rules. `ONLY=words` runs those whose name contains the words and prints what happened.

mod files;

use qcc_dsl::{Builtin, Expect, Meta};
use qcc_egraph::rule_test::run_test;

/// Guards that bound growth: every operator also starts a kernel of its own, which the rule joins. Their tests count applications.
const COUNTED: [(&str, &str); 2] =
    [("fuse-quantize", "the body rounds twice already"), ("fuse-requantize", "the body rounds twice already")];

#[test]
fn every_guard_keeps_its_rule_away_in_a_test() {
    let rules = files::standard();
    let expects: Vec<&Expect> = rules.tests.iter().flat_map(|t| &t.expects).collect();
    let kept_away = |rule: &str, reason: &str| {
        expects.iter().any(|e| matches!(e, Expect::Blocked(r, why, ..) if r == rule && why == reason))
    };
    let mut bare = Vec::new();
    for rule in rules.rules.iter().filter(|r| !r.reverse) {
        for guard in rule.guards.iter().filter(|g| !matches!(g.condition, Meta::Call(Builtin::Closed, _))) {
            let known = COUNTED.iter().any(|(r, why)| *r == rule.name && *why == guard.reason);
            if !known && !kept_away(&rule.name, &guard.reason) {
                bare.push(format!("{}: {}", rule.name, guard.reason));
            }
        }
    }
    assert!(bare.is_empty(), "no test is blocked by these guards: {bare:#?}");
}

#[test]
fn the_tests_of_the_standard_rules_pass() {
    let rules = files::standard();
    let only = std::env::var("ONLY").ok();
    let mut failed = Vec::new();
    for test in rules.tests.iter().filter(|t| only.as_ref().is_none_or(|o| t.name.contains(o))) {
        let outcome = run_test(test, &rules);
        let chosen = outcome.chosen.clone().unwrap_or_default();
        if let (Some(_), Some(report)) = (&only, &outcome.report) {
            println!("{report:#}{chosen}");
        }
        if !outcome.passed() {
            failed.push(format!("{}: {:?}\n  {}\n{chosen}", test.module, test.name, outcome.failures.join("\n  ")));
        }
        if outcome.snapshot {
            insta::assert_snapshot!(test.name.replace(' ', "_"), chosen);
        }
    }
    assert!(failed.is_empty(), "{} of {} tests failed\n\n{}", failed.len(), rules.tests.len(), failed.join("\n"));
}
