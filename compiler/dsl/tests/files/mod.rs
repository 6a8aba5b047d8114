//! Reading folders of `.rules` files.
#![allow(dead_code, reason = "every test file uses a part")]

use qcc_diag::{Diagnostic, SourceMap};
use qcc_dsl::{LoadError, Rule, RuleSet, Source, compile, print};
use std::path::{Path, PathBuf};

/// What compilation gives.
pub type Compiled = Result<(RuleSet, Vec<Diagnostic>), (SourceMap, Vec<Diagnostic>)>;

/// The folder of the standard rules.
pub fn standard() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules")
}

/// The `.rules` files of a folder by name, with paths relative to it.
pub fn sources(folder: &Path) -> Vec<Source> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let mut names: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|n| n.ends_with(".rules"));
    names.sort();
    let read = |n: String| Source { text: std::fs::read_to_string(folder.join(&n)).expect("a readable file"), path: n };
    names.into_iter().map(read).collect()
}

/// Compiles all files of a folder together.
pub fn compile_folder(folder: &Path) -> Compiled {
    compile_in(folder, &sources(folder))
}

/// Compiles files that may import others of a folder.
pub fn compile_in(folder: &Path, sources: &[Source]) -> Compiled {
    compile(sources, &mut |path| match std::fs::read_to_string(folder.join(path)) {
        Ok(text) => Ok(Source { path: path.to_string(), text }),
        Err(_) => Err(LoadError::NotFound(format!("there is no file {path}"))),
    })
}

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

/// Every rule prints as text that parses back to the same rule.
pub fn check_round_trip(set: &RuleSet) {
    for rule in &set.rules {
        let text = print(rule);
        let header = "module printed\nimport onnx::*\nimport qcc::*\n\n";
        let source = Source { path: "printed.rules".to_string(), text: format!("{header}{text}") };
        let again = match compile_in(Path::new("."), &[source]) {
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
