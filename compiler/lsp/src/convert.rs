//! Diagnostics, completions and declarations in the protocol's words.

use crate::documents::uri_of;
use crate::position::Columns;
use lsp_types::{
    CompletionItem, CompletionItemKind, DiagnosticRelatedInformation, DiagnosticSeverity, Documentation, Location,
    MarkupContent, MarkupKind, NumberOrString, SymbolKind, Uri,
};
use qcc_diag::{Diagnostic, FileId, Severity, SourceMap};
use qcc_dsl::{Completion, CompletionKind, DeclarationKind};

/// The address of a file: the open one's own, or that of its path. Files that are built into the program have none.
pub(crate) fn address(sources: &SourceMap, file: FileId, open: (FileId, &Uri)) -> Option<Uri> {
    if file == open.0 {
        return Some(open.1.clone());
    }
    let path = sources.name(file);
    std::path::Path::new(path).is_file().then(|| uri_of(path)).flatten()
}

/// A diagnostic whose first place is in the open file; places elsewhere become related information.
pub(crate) fn diagnostic(
    diagnostic: &Diagnostic,
    sources: &SourceMap,
    open: (FileId, &Uri),
    columns: Columns,
) -> Option<lsp_types::Diagnostic> {
    let (first, others) = diagnostic.labels.split_first()?;
    if first.span.file != open.0 {
        return None;
    }
    let related = others.iter().filter_map(|label| {
        let range = columns.range(sources.text(label.span.file), label.span);
        let location = Location { uri: address(sources, label.span.file, open)?, range };
        Some(DiagnosticRelatedInformation { location, message: label.text.clone() })
    });
    let related: Vec<_> = related.collect();
    // A label that only repeats the message is of use where it points at the text, and the range does that here.
    let label = if diagnostic.message.contains(&first.text) { String::new() } else { format!("\n{}", first.text) };
    let help: String = diagnostic.help.iter().map(|help| format!("\nhelp: {help}")).collect();
    Some(lsp_types::Diagnostic {
        range: columns.range(sources.text(open.0), first.span),
        severity: Some(match diagnostic.severity {
            Severity::Warning => DiagnosticSeverity::WARNING,
            Severity::Error | Severity::Unsupported => DiagnosticSeverity::ERROR,
        }),
        code: Some(NumberOrString::String(diagnostic.code.to_string())),
        source: Some("qcc".to_string()),
        message: format!("{}{label}{help}", diagnostic.message),
        related_information: (!related.is_empty()).then_some(related),
        ..Default::default()
    })
}

/// A completion.
pub(crate) fn completion(completion: Completion) -> CompletionItem {
    let kind = match completion.kind {
        CompletionKind::Operator => CompletionItemKind::CONSTRUCTOR,
        CompletionKind::Attribute => CompletionItemKind::PROPERTY,
        CompletionKind::Function => CompletionItemKind::FUNCTION,
        CompletionKind::Class => CompletionItemKind::CLASS,
        CompletionKind::Rule => CompletionItemKind::REFERENCE,
        CompletionKind::Ruleset => CompletionItemKind::MODULE,
        CompletionKind::Keyword => CompletionItemKind::KEYWORD,
    };
    let doc = (!completion.doc.is_empty()).then_some(completion.doc);
    CompletionItem {
        label: completion.text,
        kind: Some(kind),
        detail: (!completion.detail.is_empty()).then_some(completion.detail),
        documentation: doc
            .map(|value| Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value })),
        ..Default::default()
    }
}

/// What a declaration is shown as.
pub(crate) fn symbol_kind(kind: DeclarationKind) -> SymbolKind {
    match kind {
        DeclarationKind::Rule => SymbolKind::METHOD,
        DeclarationKind::Test => SymbolKind::EVENT,
        DeclarationKind::Class => SymbolKind::CLASS,
        DeclarationKind::Function => SymbolKind::FUNCTION,
        DeclarationKind::Schedule => SymbolKind::MODULE,
        DeclarationKind::Operator => SymbolKind::OPERATOR,
    }
}
