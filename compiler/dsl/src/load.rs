//! Files and what they import.

use crate::{ast, parse};
use indexmap::IndexMap;
use qcc_diag::{Diagnostic, FileId, SourceMap};

/// The text of a `.rules` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Path as messages name it; imports are relative to its folder.
    pub path: String,
    /// The text.
    pub text: String,
}

/// Why an imported file cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// There is no such file.
    #[error("{0}")]
    NotFound(String),
    /// It is there but cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

/// A parsed file.
pub(crate) struct Loaded {
    pub path: String,
    pub ast: ast::File,
    /// Imported files, by position in the list of all files.
    pub imports: Vec<usize>,
}

/// Parses the files and all they import, each once: the given ones first, imported ones in the order they are met.
pub(crate) fn load(
    sources: &[Source],
    read: &mut dyn FnMut(&str) -> Result<Source, LoadError>,
    map: &mut SourceMap,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Loaded> {
    let mut known: IndexMap<String, Source> = IndexMap::new();
    for source in sources {
        known.entry(normal(&source.path)).or_insert_with(|| source.clone());
    }
    let mut files: Vec<Loaded> = Vec::new();
    while files.len() < known.len() {
        let Some((key, source)) = known.get_index(files.len()) else { break };
        let (key, source) = (key.clone(), source.clone());
        let file: FileId = map.add(source.path.as_str(), source.text.as_str());
        let parsed = parse::parse(file, &source.text, diagnostics);
        let mut imports = Vec::new();
        for import in &parsed.imports {
            let ast::Import::File(name) = import else { continue };
            let path = relative(&key, &name.text);
            if let Some(index) = known.get_index_of(&path) {
                imports.push(index);
                continue;
            }
            match read(&path) {
                // A file may be read under another name than it was asked for: it is one file all the same.
                Ok(source) => imports.push(known.insert_full(normal(&source.path), source).0),
                Err(error) => {
                    let message = format!("`{}` cannot be imported: {error}", name.text);
                    let diagnostic = Diagnostic::error("missing-import", message).label(name.span, "imported here");
                    diagnostics.push(diagnostic.help("paths are relative to the importing file"));
                }
            }
        }
        files.push(Loaded { path: source.path, ast: parsed, imports });
    }
    files
}

/// A path seen from the folder of an importing file.
fn relative(importer: &str, path: &str) -> String {
    match importer.rsplit_once('/') {
        Some((folder, _)) if !path.starts_with('/') => normal(&format!("{folder}/{path}")),
        _ => normal(path),
    }
}

/// A path without `.` and resolvable `..`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|p| !p.is_empty() && *p != "..") => {
                parts.pop();
            }
            "" if !parts.is_empty() => {}
            other => parts.push(other),
        }
    }
    parts.join("/")
}
