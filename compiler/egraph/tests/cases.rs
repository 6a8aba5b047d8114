//! Small rule files that show one ability of the engine each, and what it does with them.

mod files;

use qcc_egraph::rule_test::{run_test, test_graph};
use qcc_egraph::{CostModel, Options, SaturateError, extract, saturate};
use std::fmt::Write;
use std::path::Path;

/// Runs the tests of a file of `tests/cases`; those that expect a snapshot print report and chosen graph into it.
fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(format!("{name}.rules"));
    let rules = files::text(&std::fs::read_to_string(path).expect("the case is there"));
    let mut printed = String::new();
    let mut failed = String::new();
    for test in &rules.tests {
        let outcome = run_test(test, &rules);
        let chosen = outcome.chosen.unwrap_or_default();
        if !outcome.failures.is_empty() {
            let report = outcome.report.as_ref().map(ToString::to_string).unwrap_or_default();
            let failures = outcome.failures.join("\n  ");
            writeln!(failed, "{:?}\n  {failures}\n{report}{chosen}", test.name).expect("it can be written");
        }
        if outcome.snapshot {
            let report = outcome.report.expect("it ran");
            writeln!(printed, "{report}{chosen}").expect("it can be written");
        }
    }
    assert!(failed.is_empty(), "{failed}");
    if !printed.is_empty() {
        insta::assert_snapshot!(name, printed);
    }
}

#[test]
fn patterns_match_what_they_say() {
    check("matching");
}

#[test]
fn outputs_and_roots_are_matched_together() {
    check("outputs");
}

#[test]
fn what_is_unsound_is_refused() {
    check("refusals");
}

#[test]
fn the_cheapest_graph_is_chosen() {
    check("choice");
}

#[test]
fn what_files_say_about_costs_decides() {
    check("hints");
}

#[test]
fn defined_operators_stand_for_their_terms() {
    check("defined");
}

const CONTRADICTION: &str = r#"
//! A wrong rule.
module wrong
import onnx::*

/// Two is three.
@exact
rule two-is-three in one: Mul(Add(x, _), z) => Mul(Add(x, z), z)

test "constants" {
  graph(x: f32[2]) { return Mul(Add(1.0, 2.0), 4.0) }
  expect fired two-is-three == 1
}
"#;

#[test]
fn a_contradiction_names_the_rule() {
    let rules = files::text(CONTRADICTION);
    let graph = test_graph(&rules.tests[0]).expect("it can be typed");
    match saturate(&graph, &rules, &Options::default()) {
        Err(SaturateError::Contradiction { what, rules }) => {
            assert_eq!(rules, "`two-is-three`");
            assert_eq!(what, "the constants f32[] [12.0] and f32[] [20.0] were made one class");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_budget_that_is_hit_is_reported() {
    let rules = files::standard();
    let test = rules.tests.iter().find(|t| t.name == "a residual connection carries the order").expect("it is there");
    let options = Options { matches: 1, iterations: 3, ..Options::default() };
    let saturated = saturate(&test_graph(test).expect("it can be typed"), &rules, &options).expect("it saturates");
    assert!(saturated.report().rules.iter().any(|r| r.cut > 0), "{}", saturated.report());
}

#[test]
fn the_same_input_gives_the_same_output() {
    let run = || {
        let rules = files::standard();
        let mut text = String::new();
        for test in &rules.tests {
            let graph = test_graph(test).expect("it can be typed");
            let saturated = saturate(&graph, &rules, &Options::default()).expect("it saturates");
            let chosen = extract(&saturated, &CostModel::default()).expect("a graph is chosen");
            write!(text, "{}{}{:?}", saturated.report(), qcc_ir::print(&chosen.graph), chosen.table).expect("written");
        }
        text
    };
    assert_eq!(run(), run());
}

#[test]
fn the_chosen_graph_is_never_worse_than_the_input() {
    let rules = files::standard();
    for test in &rules.tests {
        let graph = test_graph(test).expect("it can be typed");
        let saturated = saturate(&graph, &rules, &Options::default()).expect("it saturates");
        let chosen = extract(&saturated, &CostModel::default()).expect("a graph is chosen");
        assert!(chosen.cost_ns <= chosen.seed_cost_ns, "{}: {} > {}", test.name, chosen.cost_ns, chosen.seed_cost_ns);
        assert!(chosen.lower_bound_ns <= chosen.cost_ns, "{}", test.name);
    }
}
