//! From texts to checked rules.

use crate::load::{LoadError, Source, load};
use crate::{RuleSet, resolve};
use qcc_diag::{Diagnostic, Severity, SourceMap};

/// Compiles files and all they import; `import "other.rules"` calls `load` with the path joined to the importing file's
/// folder, once per file. The result comes with warnings.
///
/// # Errors
/// All that is wrong in any of the files, in the order of the files, with the texts the spans point into.
#[allow(clippy::type_complexity, reason = "two products, each with its diagnostics")]
pub fn compile(
    sources: &[Source],
    load_file: &mut dyn FnMut(&str) -> Result<Source, LoadError>,
) -> Result<(RuleSet, Vec<Diagnostic>), (SourceMap, Vec<Diagnostic>)> {
    let mut map = SourceMap::default();
    let mut diagnostics = Vec::new();
    let files = load(sources, load_file, &mut map, &mut diagnostics);
    let set = resolve::resolve(&files, &map, &mut diagnostics);
    let diagnostics = in_order(diagnostics);
    if diagnostics.iter().any(|d| d.severity != Severity::Warning) {
        return Err((map, diagnostics));
    }
    Ok((RuleSet { sources: map, ..set }, diagnostics))
}

/// Sorted by place, each once: both halves of a `<=>` and all users of a function report the same errors.
pub(crate) fn in_order(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut result: Vec<Diagnostic> = Vec::new();
    for diagnostic in diagnostics {
        let same = |d: &Diagnostic| {
            d.code == diagnostic.code && d.message == diagnostic.message && d.labels == diagnostic.labels
        };
        if !result.iter().any(same) {
            result.push(diagnostic);
        }
    }
    result.sort_by_key(|d| d.labels.first().map(|l| (l.span.file, l.span.start)));
    result
}
