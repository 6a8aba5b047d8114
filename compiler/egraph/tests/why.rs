//! Questions with planted answers: a rule file, a graph, a question, the kind of answer it must have; the words are snapshots.
//!
//! A case is `=== claim`, `ask RULE [at NODE] = KIND`, rules (the head of the file is added), and a graph in text form.

mod files;

use qcc_egraph::why::why;
use qcc_egraph::{CostModel, Options, Record, saturate};
use std::fmt::Write;
use std::path::Path;

struct Case<'t> {
    claim: &'t str,
    rule: &'t str,
    node: Option<&'t str>,
    kind: &'t str,
    rules: String,
    graph: String,
}

fn cases(text: &str) -> Vec<Case<'_>> {
    let parse = |block| {
        let (claim, rest) = str::split_once(block, '\n').expect("a claim");
        let (question, rest) = rest.split_once('\n').expect("a question");
        let (asked, kind) = question.strip_prefix("ask ").expect("a question").split_once(" = ").expect("a kind");
        let (rule, node) = match asked.split_once(" at ") {
            Some((rule, node)) => (rule, Some(node)),
            None => (asked, None),
        };
        let start = rest.find("\ngraph ").expect("a graph");
        let rules = format!("//! Rules of a case.\nmodule case\nimport onnx::*\nimport qcc::*\n\n{}\n", &rest[..start]);
        Case { claim, rule, node, kind, rules, graph: rest[start..].to_string() }
    };
    text.split("=== ").skip(1).map(parse).collect()
}

/// Asks every question of a file. Kinds are asserted here, words by the snapshot.
fn check(name: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/why").join(format!("{name}.why"));
    let text = std::fs::read_to_string(path).expect("the cases are there");
    let mut printed = String::new();
    let mut wrong = String::new();
    let cases = cases(&text);
    for case in &cases {
        let rules = files::text(&case.rules);
        let graph = qcc_ir::parse(&case.graph).unwrap_or_else(|e| panic!("{}: {e:?}", case.claim));
        let graph = qcc_ir::infer(&graph).unwrap_or_else(|e| panic!("{}: {e:?}", case.claim));
        let options = Options { record: Record::History, ..Options::default() };
        let mut saturated = saturate(&graph, &rules, &options).expect("it saturates");
        let rule = rules.rules.iter().position(|r| r.name == case.rule).expect("the rule is there");
        let answer = why(&mut saturated, &rules, &CostModel::default(), &options, rule, case.node).expect("an answer");
        if answer.kind.word() != case.kind {
            let found = answer.kind.word();
            writeln!(wrong, "{}: {found} instead of {}\n{answer}", case.claim, case.kind).expect("written");
        }
        writeln!(printed, "{}\n[{}] {answer}", case.claim, answer.kind.word()).expect("written");
    }
    assert!(wrong.is_empty(), "{wrong}");
    insta::assert_snapshot!(name, printed);
    cases.len()
}

#[test]
fn what_does_not_match() {
    assert!(check("patterns") >= 16);
}

#[test]
fn what_guards_refuse() {
    assert!(check("guards") >= 15);
}

#[test]
fn what_schedules_and_limits_keep_out() {
    assert!(check("run") >= 12);
}

#[test]
fn what_is_not_chosen() {
    assert!(check("choice") >= 7);
}
