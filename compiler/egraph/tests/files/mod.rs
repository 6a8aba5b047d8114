//! Rules for the suites: the standard ones, and texts.

use qcc_diag::render;
use qcc_dsl::{LoadError, RuleSet, Source, compile};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules")
}

/// All standard rules.
#[allow(dead_code, reason = "not every suite uses every helper")]
pub fn standard() -> RuleSet {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("the folder of rules is there")
        .map(|entry| entry.expect("it can be listed").file_name().into_string().expect("names are UTF-8"))
        .filter(|name| name.ends_with(".rules"))
        .collect();
    names.sort();
    let sources: Vec<Source> = names.iter().map(|name| load(name).expect("it can be read")).collect();
    finish(&sources)
}

/// Rules of a text, which may import standard files.
#[allow(dead_code, reason = "not every suite uses every helper")]
pub fn text(rules: &str) -> RuleSet {
    finish(&[Source { path: "test.rules".into(), text: rules.into() }])
}

fn load(name: &str) -> Result<Source, LoadError> {
    match std::fs::read_to_string(folder().join(name)) {
        Ok(text) => Ok(Source { path: name.into(), text }),
        Err(e) => panic!("{name}: {e}"),
    }
}

fn finish(sources: &[Source]) -> RuleSet {
    match compile(sources, &mut |name| load(name)) {
        Ok((set, _)) => set,
        Err((map, errors)) => panic!("{}", errors.iter().map(|d| render(d, &map)).collect::<Vec<_>>().join("\n\n")),
    }
}
