//! What the server can.

use crate::position::Columns;
use lsp_types::{
    CodeLensOptions, CompletionOptions, ExecuteCommandOptions, HoverProviderCapability, OneOf, ServerCapabilities,
    TextDocumentSyncCapability, TextDocumentSyncKind,
};

/// Runs one test, or all tests of a file: `[address, sentence?]`.
pub(crate) const RUN_TEST: &str = "qcc.runTest";

/// What is announced to the editor.
pub(crate) fn capabilities(columns: Columns) -> ServerCapabilities {
    let triggers = ["@", ":", "{", " ", "("].map(String::from).to_vec();
    ServerCapabilities {
        position_encoding: Some(columns.kind()),
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        document_symbol_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        completion_provider: Some(CompletionOptions { trigger_characters: Some(triggers), ..Default::default() }),
        code_lens_provider: Some(CodeLensOptions { resolve_provider: Some(false) }),
        execute_command_provider: Some(ExecuteCommandOptions {
            commands: vec![RUN_TEST.to_string()],
            ..Default::default()
        }),
        ..Default::default()
    }
}
