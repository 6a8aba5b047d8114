//! `qcc rules check` and `qcc rules test` compare both sides of rules on generated graphs.

mod times;

use std::process::Command;
use times::timeless;

/// Standard output and exit code of `qcc rules ARGUMENTS mine.rules` for a file of one rule.
fn told(rule: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let text = format!("//! Mine.\nmodule mine\nimport onnx::*\n\n{rule}");
    std::fs::write(folder.path().join("mine.rules"), text).expect("the file can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_qcc"))
        .arg("rules")
        .args(arguments)
        .arg("mine.rules")
        .current_dir(folder.path())
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
    let code = output.status.code().expect("it ends");
    format!("{}exit code {code}", timeless(&(text(output.stdout) + &text(output.stderr))))
}

const SOUND: &str = "/// Twice is once.\n@exact\nrule relu-relu in mine:\n  Relu(Relu(x)) => Relu(x)\n";

const UNSOUND: &str = "/// A sum of rectified values.\n@exact\nrule relu-of-sum in mine:\n  Relu(Add(x: f32, y: f32)) \
    => Add(Relu(x), Relu(y))\n";

const LOOSE: &str = "/// Factors are taken together.\n@exact\nrule mul-mul in mine:\n  Mul(Mul(x: f32, y), z) \
    => Mul(x, Mul(y, z))\n  if const(y, z) else \"a factor is a run-time value\"\n  if shape(x) == shape(y) and \
    shape(y) == shape(z) else \"the shapes differ\"\n";

const NEVER_TRIED: &str = "/// Twice is once.\n@exact\nrule relu-relu in mine:\n  Relu(Relu(x)) => Relu(x)\n  \
    if elements(x) == 123456789 else \"it is not large\"\n";

#[test]
fn a_sound_rule_passes() {
    insta::assert_snapshot!(told(SOUND, &["check"]));
    insta::assert_snapshot!(told(SOUND, &["test", "--cases", "50"]));
}

#[test]
fn an_unsound_rule_is_shown_on_a_small_graph() {
    insta::assert_snapshot!(told(UNSOUND, &["check"]));
    let test = told(UNSOUND, &["test"]);
    assert!(test.contains("UNSOUND mine / relu-of-sum") && test.ends_with("exit code 1"), "{test}");
    insta::assert_snapshot!(told(LOOSE, &["check"]));
}

#[test]
fn a_rule_that_no_graph_satisfies_has_not_passed() {
    insta::assert_snapshot!(told(NEVER_TRIED, &["check"]));
    let test = told(NEVER_TRIED, &["test"]);
    assert!(test.contains("NEVER TRIED  mine / relu-relu") && test.ends_with("exit code 1"), "{test}");
}

#[test]
fn evidence_can_be_left_out_and_is_there_for_programs() {
    assert_eq!(told(UNSOUND, &["check", "--no-soundness"]), "1 rules in 1 files are sound in form\nexit code 0");
    let printed = told(UNSOUND, &["check", "--json"]);
    for part in ["\"verdict\": \"unsound\"", "\"rule\": \"relu-of-sum\"", "exit code 1"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

#[test]
fn the_same_rule_sees_the_same_graphs() {
    assert_eq!(told(UNSOUND, &["check"]), told(UNSOUND, &["check"]));
    assert_ne!(told(UNSOUND, &["check"]), told(UNSOUND, &["check", "--no-soundness"]));
}
