//! What editors ask: what stands here, what could stand here, and what is wrong.
//!
//! Everything works on files with errors, too: what could not be read is simply not there.

mod complete;
mod hover;
mod place;

pub use complete::{Completion, CompletionKind, completions};
pub use hover::{Symbol, symbol_at};

use crate::compile::in_order;
use crate::load::{LoadError, Loaded, Source, load};
use crate::scope::Scope;
use crate::{RuleSet, resolve};
use qcc_diag::{Diagnostic, FileId, SourceMap, Span};

/// What is known of a set of rule files, errors or not.
pub struct Exploration {
    /// The texts all spans point into.
    pub sources: SourceMap,
    /// All that is wrong, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// What could be resolved; without the sources.
    pub rules: RuleSet,
    files: Vec<Loaded>,
}

/// Something a file declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// Its name; a test's sentence.
    pub name: String,
    /// What it is.
    pub kind: DeclarationKind,
    /// The name in the text.
    pub span: Span,
}

/// What a declaration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as they are written")]
pub enum DeclarationKind {
    Rule,
    Test,
    Class,
    Function,
    Schedule,
    Operator,
}

/// Reads and resolves files and all they import, as [`crate::compile`] does, and keeps what is right of files with errors.
pub fn explore(sources: &[Source], read: &mut dyn FnMut(&str) -> Result<Source, LoadError>) -> Exploration {
    let mut map = SourceMap::default();
    let mut diagnostics = Vec::new();
    let files = load(sources, read, &mut map, &mut diagnostics);
    let rules = resolve::resolve(&files, &map, &mut diagnostics);
    Exploration { sources: map, diagnostics: in_order(diagnostics), rules, files }
}

impl Exploration {
    /// The file of a path, as it was given.
    pub fn file(&self, path: &str) -> Option<FileId> {
        let index = self.files.iter().position(|file| file.path == path)?;
        Some(FileId(index as u32))
    }

    fn scope(&self) -> Scope<'_> {
        Scope::new(&self.files, &mut Vec::new())
    }
}

/// What a file declares, in the order of the text.
pub fn declarations(exploration: &Exploration, file: FileId) -> Vec<Declaration> {
    let Some(loaded) = exploration.files.get(file.0 as usize) else { return Vec::new() };
    use DeclarationKind as K;
    let ast = &loaded.ast;
    let rules = ast.rules.iter().map(|x| (K::Rule, &x.name));
    let tests = ast.tests.iter().map(|x| (K::Test, &x.name));
    let classes = ast.classes.iter().map(|x| (K::Class, &x.name));
    let functions = ast.functions.iter().map(|x| (K::Function, &x.name));
    let schedules = ast.schedules.iter().map(|x| (K::Schedule, &x.name));
    let defs = ast.defs.iter().map(|x| (K::Operator, &x.name));
    let all = rules.chain(tests).chain(classes).chain(functions).chain(schedules).chain(defs);
    let mut result: Vec<Declaration> =
        all.map(|(kind, name)| Declaration { name: name.text.clone(), kind, span: name.span }).collect();
    result.sort_by_key(|declaration| declaration.span.start);
    result
}
