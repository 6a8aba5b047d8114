//! All tests of the standard rules. `ONLY=words` runs those whose name contains the words and prints what happened.

mod files;

use qcc_egraph::rule_test::run_test;

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
