// Starts `qcc lsp` and carries its answers into the editor. There is no build step and no dependency: the protocol is a
// header and a line of JSON, and this file speaks it.
"use strict";

const vscode = require("vscode");
const { spawn } = require("child_process");

const LANGUAGE = "qcc-rules";

/** A language server process: requests by number, notifications by name. */
class Server {
  constructor(path, onNotification, onExit) {
    this.next = 1;
    this.waiting = new Map();
    this.onNotification = onNotification;
    this.buffer = Buffer.alloc(0);
    this.process = spawn(path, ["lsp"], { stdio: ["pipe", "pipe", "pipe"] });
    this.process.stdout.on("data", (data) => this.receive(data));
    this.process.on("error", (error) => onExit(`cannot start ${path}: ${error.message}`));
    this.process.on("exit", (code) => onExit(code ? `${path} lsp ended with code ${code}` : undefined));
    this.process.stdin.on("error", () => {});
  }

  write(message) {
    const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
    this.process.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
    this.process.stdin.write(body);
  }

  notify(method, params) {
    this.write({ method, params });
  }

  request(method, params) {
    const id = this.next++;
    this.write({ id, method, params });
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  receive(data) {
    this.buffer = Buffer.concat([this.buffer, data]);
    for (;;) {
      const end = this.buffer.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/Content-Length: (\d+)/.exec(this.buffer.toString("ascii", 0, end))[1]);
      if (this.buffer.length < end + 4 + length) return;
      const message = JSON.parse(this.buffer.toString("utf8", end + 4, end + 4 + length));
      this.buffer = this.buffer.subarray(end + 4 + length);
      const waiting = this.waiting.get(message.id);
      if (message.method) {
        this.onNotification(message.method, message.params);
      } else if (waiting) {
        this.waiting.delete(message.id);
        if (message.error) waiting.reject(new Error(message.error.message));
        else waiting.resolve(message.result);
      }
    }
  }
}

const range = (r) => new vscode.Range(r.start.line, r.start.character, r.end.line, r.end.character);
const at = (document, position) => ({
  textDocument: { uri: document.uri.toString() },
  position: { line: position.line, character: position.character },
});

async function activate(context) {
  const path = vscode.workspace.getConfiguration("qcc").get("path");
  const problems = vscode.languages.createDiagnosticCollection(LANGUAGE);
  const output = vscode.window.createOutputChannel("qcc rules");
  let stopping = false;

  const server = new Server(
    path,
    (method, params) => {
      if (method === "textDocument/publishDiagnostics") {
        problems.set(vscode.Uri.parse(params.uri), params.diagnostics.map(problem));
      } else if (method === "window/showMessage") {
        output.appendLine(params.message);
        const show = [undefined, "showErrorMessage", "showWarningMessage"][params.type] || "showInformationMessage";
        vscode.window[show](params.message.split("\n")[0]);
        if (params.type === 2) output.show(true);
      }
    },
    (why) => {
      if (why && !stopping) vscode.window.showErrorMessage(`qcc rules: ${why}`);
    },
  );

  const problem = (d) => {
    const found = new vscode.Diagnostic(range(d.range), d.message, d.severity - 1);
    found.code = d.code;
    found.source = d.source;
    found.relatedInformation = (d.relatedInformation || []).map(
      (r) =>
        new vscode.DiagnosticRelatedInformation(
          new vscode.Location(vscode.Uri.parse(r.location.uri), range(r.location.range)),
          r.message,
        ),
    );
    return found;
  };

  const offered = { general: { positionEncodings: ["utf-16"] } };
  await server.request("initialize", { processId: process.pid, rootUri: null, capabilities: offered });
  server.notify("initialized", {});

  const ours = (document) => document.languageId === LANGUAGE;
  const open = (document) => {
    if (!ours(document)) return;
    const { uri, version } = document;
    const textDocument = { uri: uri.toString(), languageId: LANGUAGE, version, text: document.getText() };
    server.notify("textDocument/didOpen", { textDocument });
  };
  vscode.workspace.textDocuments.forEach(open);

  const select = { language: LANGUAGE };
  context.subscriptions.push(
    problems,
    output,
    vscode.workspace.onDidOpenTextDocument(open),
    vscode.workspace.onDidChangeTextDocument(({ document }) => {
      if (!ours(document)) return;
      const textDocument = { uri: document.uri.toString(), version: document.version };
      server.notify("textDocument/didChange", { textDocument, contentChanges: [{ text: document.getText() }] });
    }),
    vscode.workspace.onDidCloseTextDocument((document) => {
      if (!ours(document)) return;
      server.notify("textDocument/didClose", { textDocument: { uri: document.uri.toString() } });
    }),
    vscode.languages.registerHoverProvider(select, {
      async provideHover(document, position) {
        const hover = await server.request("textDocument/hover", at(document, position));
        return hover && new vscode.Hover(new vscode.MarkdownString(hover.contents.value), range(hover.range));
      },
    }),
    vscode.languages.registerDefinitionProvider(select, {
      async provideDefinition(document, position) {
        const place = await server.request("textDocument/definition", at(document, position));
        return place && new vscode.Location(vscode.Uri.parse(place.uri), range(place.range));
      },
    }),
    vscode.languages.registerCompletionItemProvider(
      select,
      {
        async provideCompletionItems(document, position) {
          const items = await server.request("textDocument/completion", at(document, position));
          return items.map((item) => {
            const result = new vscode.CompletionItem(item.label, item.kind - 1);
            result.detail = item.detail;
            result.documentation = item.documentation && new vscode.MarkdownString(item.documentation.value);
            return result;
          });
        },
      },
      "@",
      ":",
      "{",
      " ",
      "(",
    ),
    vscode.languages.registerDocumentSymbolProvider(select, {
      async provideDocumentSymbols(document) {
        const textDocument = { uri: document.uri.toString() };
        const symbols = await server.request("textDocument/documentSymbol", { textDocument });
        return symbols.map(
          (s) => new vscode.DocumentSymbol(s.name, "", s.kind - 1, range(s.range), range(s.selectionRange)),
        );
      },
    }),
    vscode.languages.registerDocumentFormattingEditProvider(select, {
      async provideDocumentFormattingEdits(document) {
        const textDocument = { uri: document.uri.toString() };
        const options = { tabSize: 2, insertSpaces: true };
        const edits = await server.request("textDocument/formatting", { textDocument, options });
        return (edits || []).map((edit) => new vscode.TextEdit(range(edit.range), edit.newText));
      },
    }),
    vscode.languages.registerCodeLensProvider(select, {
      async provideCodeLenses(document) {
        const textDocument = { uri: document.uri.toString() };
        const lenses = await server.request("textDocument/codeLens", { textDocument });
        return lenses.map((lens) => new vscode.CodeLens(range(lens.range), lens.command));
      },
    }),
    vscode.commands.registerCommand("qcc.runTest", (...parameters) =>
      server.request("workspace/executeCommand", { command: "qcc.runTest", arguments: parameters }).catch(() => {}),
    ),
    {
      dispose() {
        stopping = true;
        server.request("shutdown", null).then(() => server.notify("exit", null), () => {});
      },
    },
  );
}

module.exports = { activate };
