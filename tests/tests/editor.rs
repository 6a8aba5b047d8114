//! The editor's files say what the language says.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/editor").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn json(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The words between the parentheses of `…(one|two)…`.
fn words(pattern: &Value) -> BTreeSet<String> {
    let pattern = pattern.as_str().expect("a pattern");
    let (_, rest) = pattern.split_once('(').expect("a group");
    let (words, _) = rest.split_once(')').expect("a group");
    words.split('|').map(str::to_string).collect()
}

#[test]
fn the_grammar_knows_the_words_of_the_language() {
    let grammar = json("syntaxes/rules.tmLanguage.json");
    let repository = &grammar["repository"];
    let keywords: BTreeSet<String> = qcc_dsl::KEYWORDS.iter().map(|word| word.to_string()).collect();
    assert_eq!(words(&repository["keywords"]["match"]), keywords);
    let contracts: BTreeSet<String> = qcc_dsl::CONTRACTS.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(words(&repository["contract"]["match"]), contracts);
    for dtype in words(&repository["types"]["patterns"][0]["match"]) {
        assert!(qcc_tensor::DType::from_name(&dtype).is_some(), "`{dtype}` is no element type");
    }
    for group in grammar["patterns"].as_array().expect("patterns") {
        let name = group["include"].as_str().and_then(|n| n.strip_prefix('#')).expect("an include");
        assert!(repository.get(name).is_some(), "`{name}` is not there");
    }
}

#[test]
fn the_extension_names_files_that_are_there_and_commands_that_the_server_has() {
    let package = json("package.json");
    let contributes = &package["contributes"];
    let language = &contributes["languages"][0];
    let grammar = &contributes["grammars"][0];
    json(language["configuration"].as_str().expect("a path"));
    let path = grammar["path"].as_str().expect("a path");
    assert_eq!(json(path)["scopeName"], grammar["scopeName"]);
    assert_eq!(language["id"], grammar["language"]);
    assert_eq!(language["extensions"][0], ".rules");
    let script = read(package["main"].as_str().expect("a path"));
    assert!(script.contains("\"qcc.runTest\"") && script.contains("[\"lsp\"]"));
    assert!(script.contains(&format!("LANGUAGE = {}", language["id"])));
}
