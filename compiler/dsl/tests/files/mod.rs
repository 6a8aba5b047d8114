//! Reading folders of `.rules` files.
#![allow(dead_code, reason = "every test file uses a part")]

use qcc_diag::{Diagnostic, SourceMap};
use qcc_dsl::{LoadError, RuleSet, Source, compile};
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
