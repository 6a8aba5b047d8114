//! Every rule prints as text that parses back to the same rule.

mod files;

use qcc_dsl::{Rule, RuleSet, Source, print};
use std::path::Path;

/// A rule without its places in the text.
fn bare(rule: &Rule) -> String {
    let text = format!("{:?}", Rule { module: String::new(), ..rule.clone() });
    let mut result = String::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find("Span {") {
        result.push_str(&rest[..start]);
        let end = start + rest[start..].find('}').expect("a closed span");
        rest = &rest[end + 1..];
    }
    result + rest
}

fn check(set: &RuleSet) {
    for rule in &set.rules {
        let text = print(rule);
        let source = Source {
            path: "printed.rules".to_string(),
            text: format!("module printed\nimport onnx::*\nimport qcc::*\n\n{text}"),
        };
        let again = match files::compile_in(Path::new("."), &[source]) {
            Ok((set, _)) => set,
            Err((map, errors)) => {
                let errors: Vec<String> = errors.iter().map(|d| qcc_diag::render(d, &map)).collect();
                panic!("{text}\n{}", errors.join("\n\n"));
            }
        };
        assert_eq!(again.rules.len(), 1, "{text}");
        assert_eq!(bare(&again.rules[0]), bare(rule), "{text}");
        assert_eq!(print(&again.rules[0]), text);
    }
}

#[test]
fn standard_rules_survive_printing() {
    let (set, _) = files::compile_folder(&files::standard()).expect("the standard rules compile");
    check(&set);
}

#[test]
fn good_rules_survive_printing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good");
    let (set, _) = files::compile_folder(&folder).expect("the good rules compile");
    check(&set);
}
