//! The answer to every kind of question about an open file.

use crate::capabilities::RUN_TEST;
use crate::convert::{address, completion, diagnostic, symbol_kind};
use crate::documents::Documents;
use crate::position::Columns;
use crate::{Host, TestResult};
use lsp_types::{
    CodeLens, Command, CompletionItem, Diagnostic, DocumentSymbol, Hover, HoverContents, Location, MarkupContent,
    MarkupKind, Position, Range, TextEdit, Uri,
};
use qcc_diag::FileId;
use qcc_dsl::{Declaration, DeclarationKind, Exploration, Symbol, completions, declarations, symbol_at};

/// What all questions are about.
pub(crate) struct Asked<'a> {
    pub host: &'a dyn Host,
    pub documents: &'a Documents,
    pub columns: Columns,
}

impl Asked<'_> {
    fn explore(&self, uri: &Uri) -> Option<(Exploration, FileId)> {
        self.documents.explore(self.host, uri)
    }

    /// All that is wrong in a file.
    pub(crate) fn diagnostics(&self, uri: &Uri) -> Vec<Diagnostic> {
        let Some((exploration, file)) = self.explore(uri) else { return Vec::new() };
        let found = exploration.diagnostics.iter();
        found.filter_map(|d| diagnostic(d, &exploration.sources, (file, uri), self.columns)).collect()
    }

    fn symbol(&self, uri: &Uri, position: Position) -> Option<(Exploration, FileId, Symbol)> {
        let (exploration, file) = self.explore(uri)?;
        let offset = self.columns.offset(exploration.sources.text(file), position);
        let symbol = symbol_at(&exploration, file, offset as u32)?;
        Some((exploration, file, symbol))
    }

    /// Words about the name at a position.
    pub(crate) fn hover(&self, uri: &Uri, position: Position) -> Option<Hover> {
        let (exploration, file, symbol) = self.symbol(uri, position)?;
        let contents = MarkupContent { kind: MarkupKind::Markdown, value: symbol.words };
        let range = self.columns.range(exploration.sources.text(file), symbol.span);
        Some(Hover { contents: HoverContents::Markup(contents), range: Some(range) })
    }

    /// Where the name at a position is defined.
    pub(crate) fn definition(&self, uri: &Uri, position: Position) -> Option<Location> {
        let (exploration, file, symbol) = self.symbol(uri, position)?;
        let span = symbol.definition?;
        let range = self.columns.range(exploration.sources.text(span.file), span);
        Some(Location { uri: address(&exploration.sources, span.file, (file, uri))?, range })
    }

    /// What could stand at a position.
    pub(crate) fn complete(&self, uri: &Uri, position: Position) -> Vec<CompletionItem> {
        let Some((exploration, file)) = self.explore(uri) else { return Vec::new() };
        let offset = self.columns.offset(exploration.sources.text(file), position);
        completions(&exploration, file, offset as u32).into_iter().map(completion).collect()
    }

    fn declarations(&self, uri: &Uri) -> Vec<(Declaration, Range)> {
        let Some((exploration, file)) = self.explore(uri) else { return Vec::new() };
        let text = exploration.sources.text(file);
        let found = declarations(&exploration, file).into_iter();
        found
            .map(|declaration| (self.columns.range(text, declaration.span), declaration))
            .map(|(r, d)| (d, r))
            .collect()
    }

    /// What the file declares.
    #[allow(deprecated, reason = "the protocol's type has a field that it deprecates and demands")]
    pub(crate) fn symbols(&self, uri: &Uri) -> Vec<DocumentSymbol> {
        let symbol = |(declaration, range): (Declaration, Range)| DocumentSymbol {
            name: declaration.name,
            detail: None,
            kind: symbol_kind(declaration.kind),
            tags: None,
            deprecated: None,
            range,
            selection_range: range,
            children: None,
        };
        self.declarations(uri).into_iter().map(symbol).collect()
    }

    /// "Run this test" above every test, "run all tests" above the first.
    pub(crate) fn lenses(&self, uri: &Uri) -> Vec<CodeLens> {
        let tests = self.declarations(uri).into_iter().filter(|(d, _)| d.kind == DeclarationKind::Test);
        let lens = |title: &str, range: Range, arguments: Vec<serde_json::Value>| {
            let command = Command::new(title.to_string(), RUN_TEST.to_string(), Some(arguments));
            CodeLens { range, command: Some(command), data: None }
        };
        let mut lenses = Vec::new();
        for (i, (test, range)) in tests.enumerate() {
            lenses.push(lens("run this test", range, vec![uri.as_str().into(), test.name.into()]));
            if i == 0 {
                lenses.push(lens("run all tests", range, vec![uri.as_str().into()]));
            }
        }
        lenses
    }

    /// The file in the one style; nothing if it is already or cannot be read.
    pub(crate) fn format(&self, uri: &Uri) -> Option<Vec<TextEdit>> {
        let text = self.documents.text(uri)?;
        let formatted = qcc_dsl::format(uri.as_str(), text).ok()?;
        if formatted == text {
            return Some(Vec::new());
        }
        let end = self.columns.position(text, text.len());
        Some(vec![TextEdit { range: Range { start: Position::default(), end }, new_text: formatted }])
    }

    /// Runs one test of a file, or all.
    ///
    /// # Errors
    /// The file is not open, has errors, or has no such test.
    pub(crate) fn run(&self, uri: &Uri, only: Option<&str>) -> Result<Vec<TestResult>, String> {
        let (exploration, file) = self.explore(uri).ok_or("the file is not open")?;
        let wrong = exploration.diagnostics.iter().find(|d| d.severity != qcc_diag::Severity::Warning);
        if let Some(wrong) = wrong {
            return Err(format!("the rules have errors: {}", wrong.message));
        }
        let path = exploration.sources.name(file).to_string();
        let module = exploration.rules.modules.iter().find(|module| module.path == path);
        let module = module.map(|module| module.name.clone()).ok_or("the file names no module")?;
        let mut rules = exploration.rules;
        rules.sources = exploration.sources;
        let results = self.host.run_tests(&rules, &module, only);
        if results.is_empty() {
            return Err(only.map_or("the file has no tests".into(), |name| format!("there is no test \"{name}\"")));
        }
        Ok(results)
    }
}
