//! The conversation with an editor.

use crate::answer::Asked;
use crate::capabilities::{RUN_TEST, capabilities};
use crate::documents::Documents;
use crate::position::Columns;
use crate::{Host, ServeError, TestResult};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::{
    CodeLensParams, CompletionParams, DidChangeTextDocumentParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DocumentFormattingParams, DocumentSymbolParams, ExecuteCommandParams,
    GotoDefinitionParams, HoverParams, InitializeParams, MessageType, PublishDiagnosticsParams, ShowMessageParams, Uri,
};
use serde_json::{Value, json};

/// Answers an editor until it says goodbye.
///
/// # Errors
/// The editor breaks the protocol or goes away without a word.
pub fn serve(connection: &Connection, host: &dyn Host) -> Result<(), ServeError> {
    let (id, params) = connection.initialize_start()?;
    let params: InitializeParams = serde_json::from_value(params)?;
    let offered = params.capabilities.general.and_then(|general| general.position_encodings);
    let columns = Columns::negotiate(offered.as_deref());
    let about = json!({
        "capabilities": capabilities(columns),
        "serverInfo": { "name": "qcc", "version": env!("CARGO_PKG_VERSION") },
    });
    connection.initialize_finish(id, about)?;
    let mut server = Server { connection, host, columns, documents: Documents::default() };
    for message in &connection.receiver {
        match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request)? {
                    return Ok(());
                }
                server.request(request)?;
            }
            Message::Notification(notification) => server.notification(notification)?,
            Message::Response(_) => {}
        }
    }
    Err(ServeError::Gone)
}

struct Server<'a> {
    connection: &'a Connection,
    host: &'a dyn Host,
    columns: Columns,
    documents: Documents,
}

/// An answer, or why there is none.
type Answer = Result<Value, (ErrorCode, String)>;

impl Server<'_> {
    fn send(&self, message: Message) -> Result<(), ServeError> {
        self.connection.sender.send(message).map_err(|_| ServeError::Gone)
    }

    fn notify(&self, method: &str, params: impl serde::Serialize) -> Result<(), ServeError> {
        self.send(Message::Notification(Notification::new(method.to_string(), params)))
    }

    fn notification(&mut self, notification: Notification) -> Result<(), ServeError> {
        let params = notification.params;
        match notification.method.as_str() {
            "textDocument/didOpen" => {
                let params: DidOpenTextDocumentParams = serde_json::from_value(params)?;
                let document = params.text_document;
                self.documents.set(&document.uri, document.text, document.version);
                self.publish()
            }
            "textDocument/didChange" => {
                let params: DidChangeTextDocumentParams = serde_json::from_value(params)?;
                if let Some(change) = params.content_changes.into_iter().next_back() {
                    self.documents.set(&params.text_document.uri, change.text, params.text_document.version);
                }
                self.publish()
            }
            "textDocument/didClose" => {
                let params: DidCloseTextDocumentParams = serde_json::from_value(params)?;
                self.documents.close(&params.text_document.uri);
                self.notify(
                    "textDocument/publishDiagnostics",
                    PublishDiagnosticsParams::new(params.text_document.uri, Vec::new(), None),
                )
            }
            _ => Ok(()),
        }
    }

    /// What is wrong in every open file: one may import another.
    fn publish(&self) -> Result<(), ServeError> {
        for uri in self.documents.uris() {
            let diagnostics = self.asked().diagnostics(&uri);
            let version = self.documents.version(&uri);
            let params = PublishDiagnosticsParams::new(uri, diagnostics, version);
            self.notify("textDocument/publishDiagnostics", params)?;
        }
        Ok(())
    }

    fn asked(&self) -> Asked<'_> {
        Asked { host: self.host, documents: &self.documents, columns: self.columns }
    }

    fn request(&mut self, request: Request) -> Result<(), ServeError> {
        let answer = self.answer(&request.method, request.params)?;
        self.send(Message::Response(match answer {
            Ok(value) => Response::new_ok(request.id, value),
            Err((code, message)) => Response::new_err(request.id, code as i32, message),
        }))
    }

    fn answer(&self, method: &str, params: Value) -> Result<Answer, ServeError> {
        let asked = self.asked();
        Ok(Ok(match method {
            "textDocument/hover" => {
                let params: HoverParams = serde_json::from_value(params)?;
                let at = params.text_document_position_params;
                json!(asked.hover(&at.text_document.uri, at.position))
            }
            "textDocument/definition" => {
                let params: GotoDefinitionParams = serde_json::from_value(params)?;
                let at = params.text_document_position_params;
                json!(asked.definition(&at.text_document.uri, at.position))
            }
            "textDocument/completion" => {
                let params: CompletionParams = serde_json::from_value(params)?;
                let at = params.text_document_position;
                json!(asked.complete(&at.text_document.uri, at.position))
            }
            "textDocument/documentSymbol" => {
                let params: DocumentSymbolParams = serde_json::from_value(params)?;
                json!(asked.symbols(&params.text_document.uri))
            }
            "textDocument/codeLens" => {
                let params: CodeLensParams = serde_json::from_value(params)?;
                json!(asked.lenses(&params.text_document.uri))
            }
            "textDocument/formatting" => {
                let params: DocumentFormattingParams = serde_json::from_value(params)?;
                json!(asked.format(&params.text_document.uri))
            }
            "workspace/executeCommand" => {
                let params: ExecuteCommandParams = serde_json::from_value(params)?;
                return self.execute(&params);
            }
            other => return Ok(Err((ErrorCode::MethodNotFound, format!("qcc does not know `{other}`")))),
        }))
    }

    fn execute(&self, params: &ExecuteCommandParams) -> Result<Answer, ServeError> {
        if params.command != RUN_TEST {
            let message = format!("there is no command `{}`", params.command);
            return Ok(Err((ErrorCode::InvalidParams, message)));
        }
        let uri = params.arguments.first().and_then(Value::as_str).and_then(|uri| uri.parse::<Uri>().ok());
        let Some(uri) = uri else {
            return Ok(Err((ErrorCode::InvalidParams, "the first argument must be the address of a file".into())));
        };
        let only = params.arguments.get(1).and_then(Value::as_str);
        match self.asked().run(&uri, only) {
            Err(why) => {
                self.show(MessageType::ERROR, why.clone())?;
                Ok(Err((ErrorCode::RequestFailed, why)))
            }
            Ok(results) => {
                let failed = results.iter().filter(|result| !result.failures.is_empty()).count();
                let kind = if failed == 0 { MessageType::INFO } else { MessageType::WARNING };
                self.show(kind, report(&results, failed))?;
                let tests: Vec<Value> =
                    results.iter().map(|r| json!({ "name": r.name, "failures": r.failures })).collect();
                Ok(Ok(json!({ "tests": tests, "failed": failed })))
            }
        }
    }

    fn show(&self, typ: MessageType, message: String) -> Result<(), ServeError> {
        self.notify("window/showMessage", ShowMessageParams { typ, message })
    }
}

/// One line a test that passed or a few for one that failed.
fn report(results: &[TestResult], failed: usize) -> String {
    if failed == 0 {
        return match results {
            [one] => format!("ok: {}", one.name),
            all => format!("{} tests, all ok", all.len()),
        };
    }
    let mut lines = Vec::new();
    for result in results.iter().filter(|result| !result.failures.is_empty()) {
        lines.push(format!("FAILED: {}", result.name));
        lines.extend(result.failures.iter().map(|failure| format!("  {}", failure.replace('\n', "\n  "))));
    }
    lines.join("\n")
}
