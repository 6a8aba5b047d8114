//! The language server as an editor meets it: the built program, driven over standard input and output.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// An answer takes milliseconds, a busy machine takes seconds; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

const SWISH: &str = "//! Activations that exporters spell out.
module swish
import onnx::*

/// At most four axes.
pred flat(v) = rank(v) <= 4

/// Functions that cost more than they should.
class costly { Sigmoid, Tanh }

/// HardSwish written as its formula is HardSwish.
@real
rule spelled-swish in fuse:
  Div(Mul(x, Clip(Add(x, 3.0), 0.0, 6.0)), 6.0) => HardSwish(x)
  if flat(x) else \"it has many axes\"

/// Costly functions pass a reshape.
@exact
rule costly-reshape in fuse:
  f:costly(Reshape(x, s) { allowzero: z }) => Reshape(f(x), s) { allowzero: z }
  if const(s) else \"the shape is a run-time value\"

test \"the formula is one operator\" {
  graph(x: f32[2,8]) {
    shifted = Add(x, 3.0)
    return Div(Mul(x, Clip(shifted, 0.0, 6.0)), 6.0)
  }
  expect fired spelled-swish >= 1, count(HardSwish) == 1
}
test \"a shape known at run time stays\" {
  graph(x: f32[2,8], s: i64[1]) { return Tanh(Reshape(x, i64 [16])) }
  expect fired costly-reshape >= 7
}
";

/// An editor.
struct Client {
    program: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    requests: i64,
    /// Number of the last state of a text.
    version: i64,
}

impl Client {
    fn start(folder: &Path) -> Client {
        let mut program = Command::new(env!("CARGO_BIN_EXE_qcc"))
            .arg("lsp")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut output = BufReader::new(program.stdout.take().expect("a pipe"));
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            while let Some(message) = message(&mut output) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let input = program.stdin.take();
        Client { program, input, messages, requests: 0, version: 0 }
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let input = self.input.as_mut().expect("the pipe is open");
        write!(input, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("the server reads");
        input.flush().expect("the server reads");
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// The next message for which `wanted` has an answer; others are passed over.
    fn wait<T>(&self, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(message) = self.messages.recv_timeout(left) else { panic!("no {what} within {PATIENCE:?}") };
            if let Some(found) = wanted(&message) {
                return found;
            }
        }
    }

    /// The whole response to a request.
    fn response(&mut self, method: &str, params: Value) -> Value {
        self.requests += 1;
        let id = self.requests;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        self.wait(&format!("answer to {method}"), |m| (m["id"] == id).then(|| m.clone()))
    }

    /// The result of a request that succeeds.
    fn request(&mut self, method: &str, params: Value) -> Value {
        let response = self.response(method, params);
        assert!(response.get("error").is_none(), "{method}: {response}");
        response["result"].clone()
    }

    fn initialize(&mut self) -> Value {
        let about = self.request("initialize", json!({ "processId": null, "rootUri": null, "capabilities": {} }));
        self.notify("initialized", json!({}));
        about
    }

    /// Opens a file and returns what is wrong in it.
    fn open(&mut self, uri: &str, text: &str) -> Vec<Value> {
        let document = json!({ "uri": uri, "languageId": "rules", "version": self.version + 1, "text": text });
        self.version += 1;
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
        self.diagnostics(uri)
    }

    /// Types a new text and returns what is wrong in it.
    fn change(&mut self, uri: &str, text: &str) -> Vec<Value> {
        self.version += 1;
        let document = json!({ "uri": uri, "version": self.version });
        let changes = json!([{ "text": text }]);
        self.notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }));
        self.diagnostics(uri)
    }

    fn diagnostics(&self, uri: &str) -> Vec<Value> {
        self.wait("diagnostics", |m| {
            let published = m["method"] == "textDocument/publishDiagnostics" && m["params"]["version"] == self.version;
            (published && m["params"]["uri"] == uri)
                .then(|| m["params"]["diagnostics"].as_array().expect("a list").clone())
        })
    }

    /// What is asked at the start of the `nth` occurrence of a text.
    fn ask(&mut self, method: &str, uri: &str, text: &str, place: &str, nth: usize) -> Value {
        let (offset, _) = text.match_indices(place).nth(nth).expect("the place is there");
        self.ask_at(method, uri, text, offset)
    }

    fn ask_at(&mut self, method: &str, uri: &str, text: &str, offset: usize) -> Value {
        let before = &text[..offset];
        let line = before.matches('\n').count();
        let character = before.len() - before.rfind('\n').map_or(0, |i| i + 1);
        let position = json!({ "line": line, "character": character });
        self.request(method, json!({ "textDocument": { "uri": uri }, "position": position }))
    }

    fn hover(&mut self, uri: &str, text: &str, place: &str, nth: usize) -> String {
        let answer = self.ask("textDocument/hover", uri, text, place, nth);
        answer["contents"]["value"].as_str().unwrap_or_else(|| panic!("nothing about `{place}`: {answer}")).to_string()
    }

    /// The labels of completions at the end of a text that is typed.
    fn complete(&mut self, uri: &str, text: &str) -> Vec<String> {
        self.change(uri, text);
        let answer = self.ask_at("textDocument/completion", uri, text, text.len());
        let label = |item: &Value| item["label"].as_str().expect("a label").to_string();
        answer.as_array().expect("a list").iter().map(label).collect()
    }

    /// Says goodbye; the program must end by itself, and well.
    fn shutdown(mut self) {
        self.request("shutdown", Value::Null);
        self.notify("exit", Value::Null);
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.program.try_wait().expect("the program is ours") {
                assert!(status.success(), "it ended with {status}");
                return;
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// One message of the protocol.
fn message(output: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim() {
            "" => break,
            header => length = header.strip_prefix("Content-Length: ").map_or(length, |n| n.parse().unwrap_or(0)),
        }
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn address(folder: &Path, name: &str) -> String {
    format!("file://{}/{name}", folder.display())
}

#[test]
fn errors_are_shown_as_they_are_typed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(folder.path());
    let about = client.initialize();
    assert_eq!(about["serverInfo"]["name"], "qcc");
    let uri = address(folder.path(), "swish.rules");
    assert_eq!(client.open(&uri, SWISH), Vec::<Value>::new());

    let typed = SWISH.replace("=> HardSwish(x)", "=> HardSwich(x)").replace("if const(s)", "if konst(s)");
    let wrong = client.change(&uri, &typed);
    let messages: Vec<&str> = wrong.iter().map(|d| d["message"].as_str().expect("a message")).collect();
    assert_eq!(wrong.len(), 2, "{messages:?}");
    assert!(messages[0].contains("no operator `HardSwich`") && messages[0].contains("did you mean `HardSwish`?"));
    assert!(messages[1].contains("konst"), "{messages:?}");
    let line = typed.lines().position(|line| line.contains("HardSwich")).expect("it is there");
    assert_eq!(wrong[0]["range"]["start"]["line"], line);
    assert_eq!(
        wrong[0]["range"]["start"]["character"],
        typed.lines().nth(line).and_then(|l| l.find("HardSwich")).unwrap_or(0)
    );
    assert_eq!(wrong[0]["code"], "unknown-op");
    assert_eq!(wrong[0]["severity"], 1);

    // A syntax error costs its item; what stands around it is still known.
    let broken = SWISH.replace("0.0, 6.0)), 6.0) =>", "0.0, 6.0), 6.0 =>");
    let wrong = client.change(&uri, &broken);
    assert_eq!(wrong.len(), 1, "its test does not miss the rule: {wrong:?}");
    assert_eq!(wrong[0]["code"], "syntax");
    assert!(client.hover(&uri, &broken, "costly(", 0).contains("Sigmoid"));

    // What one file says of another, and a comment with letters of several bytes in front of an error.
    let other = address(folder.path(), "other.rules");
    let wrong = client.open(&other, "module other\nimport onnx::*\n/* é𝄞 */ fn");
    assert_eq!(wrong[0]["code"], "syntax");
    assert_eq!(client.change(&uri, SWISH), Vec::<Value>::new());
    client.shutdown();
}

#[test]
fn names_are_explained_and_lead_to_their_definitions() {
    let folder = tempfile::tempdir().expect("a folder");
    let shared = "//! Shared names.\nmodule shared\nimport onnx::*\n\n/// Cheap ones.\nclass cheap { Relu, Neg }\n";
    std::fs::write(folder.path().join("shared.rules"), shared).expect("it can be written");
    let text = format!(
        "{SWISH}\n/// Cheap functions twice.\n@exact\nrule cheap-twice in fuse:\n  f:cheap(f:cheap(x)) => f(f(x))\n"
    )
    .replace("import onnx::*", "import onnx::*\nimport \"shared.rules\"");
    let mut client = Client::start(folder.path());
    client.initialize();
    let uri = address(folder.path(), "swish.rules");
    client.open(&uri, &text);

    let mut says = |place: &str, nth: usize, words: &[&str]| {
        let found = client.hover(&uri, &text, place, nth);
        for word in words {
            assert!(found.contains(word), "hover of `{place}`: {found}");
        }
    };
    says("HardSwish(x)", 0, &["HardSwish(x) -> y", "onnx"]);
    says("Clip(shifted", 0, &["Clip(", "min?", "max?"]);
    says("allowzero: z", 0, &["allowzero: int", "Reshape", "default: 0"]);
    says("const(s)", 0, &["const(x, …)", "constants"]);
    says("flat(x)", 0, &["pred flat(v) = rank(v) <= 4", "At most four axes."]);
    says("costly(Reshape", 0, &["class costly { Sigmoid, Tanh }", "cost more than they should"]);
    says("f:costly", 0, &["the operator that matched", "costly"]);
    says("s) {", 0, &["`s`", "shape", "Reshape"]);
    says("@real", 0, &["over the reals"]);
    says("costly-reshape >=", 0, &["@exact", "rule costly-reshape in fuse", "the shape is a run-time value"]);
    says("shifted = ", 0, &["shifted: f32[2,8]"]);
    says("x: f32[2,8]", 0, &["x: f32[2,8]", "an input"]);

    let mut leads = |place: &str, nth: usize, file: &str, text_there: &str, target: &str| {
        let found = client.ask("textDocument/definition", &uri, &text, place, nth);
        assert_eq!(found["uri"], address(folder.path(), file), "`{place}` leads to {found}");
        let line = text_there.lines().position(|line| line.contains(target)).expect("it is there");
        assert_eq!(found["range"]["start"]["line"], line, "`{place}` leads to {found}");
    };
    leads("spelled-swish >=", 0, "swish.rules", &text, "rule spelled-swish in");
    leads("costly(Reshape", 0, "swish.rules", &text, "class costly");
    leads("flat(x)", 0, "swish.rules", &text, "pred flat");
    leads("cheap(f:", 0, "shared.rules", shared, "class cheap");
    leads("\"shared.rules\"", 0, "shared.rules", shared, "//! Shared names.");
    leads("shifted, 0.0", 0, "swish.rules", &text, "shifted = ");

    let symbols = client.request("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri } }));
    let names: Vec<&str> = symbols.as_array().expect("a list").iter().filter_map(|s| s["name"].as_str()).collect();
    assert_eq!(names[..4], ["flat", "costly", "spelled-swish", "costly-reshape"]);
    client.shutdown();
}

#[test]
fn what_could_stand_there_is_offered() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(folder.path());
    client.initialize();
    let uri = address(folder.path(), "swish.rules");
    client.open(&uri, SWISH);
    let mut offers = |typed: &str, wanted: &[&str], unwanted: &[&str]| {
        let found = client.complete(&uri, &format!("{SWISH}{typed}"));
        for word in wanted {
            assert!(found.iter().any(|f| f == word), "{typed:?} offers {found:?}");
        }
        for word in unwanted {
            assert!(found.iter().all(|f| f != word), "{typed:?} offers {word}");
        }
    };
    offers("", &["rule", "test", "class"], &["Conv"]);
    offers("\n@", &["exact", "real", "lsb", "lossy"], &["rule"]);
    offers("\nrule new in ", &["fuse", "cleanup", "layout"], &["Conv"]);
    offers("\nrule new in fuse:\n  Co", &["Conv", "Concat", "constant", "flat", "shape"], &["axis"]);
    offers("\nrule new in fuse:\n  Softmax(x) { ", &["axis"], &["Conv", "alpha"]);
    offers("\nrule new in fuse:\n  Gemm(a, b, c?) { transA: 1, ", &["transB", "alpha"], &["transA", "axis"]);
    offers("\nrule new in fuse:\n  f:", &["costly", "pointwise-unary", "any"], &["Conv"]);
    offers(
        "\ntest \"new\" {\n  graph(x: f32[2]) { return Relu(x) }\n  expect fired ",
        &["spelled-swish", "conv-bn"],
        &["Conv"],
    );
    offers(
        "\ntest \"new\" {\n  graph(x: f32[2]) { return Relu(x) }\n  expect fired spelled-swish, ",
        &["kernel count", "cost", "snapshot", "blocked"],
        &["Conv"],
    );
    offers("\nimport qcc::{", &["IConv", "Fused"], &["Conv", "rule"]);
    offers("\n// a comment about Co", &[], &["Conv"]);
    client.shutdown();
}

#[test]
fn files_are_formatted_and_tests_are_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(folder.path());
    client.initialize();
    let uri = address(folder.path(), "swish.rules");
    let untidy = SWISH
        .replace("  Div(Mul(x, Clip(Add(x, 3.0), 0.0, 6.0)), 6.0) =>", "Div(Mul(x,Clip(Add( x,3.0 ),0.0,6.0)),6.0)=>");
    client.open(&uri, &untidy);
    let document = json!({ "textDocument": { "uri": uri }, "options": { "tabSize": 2, "insertSpaces": true } });
    let edits = client.request("textDocument/formatting", document.clone());
    let tidy = edits[0]["newText"].as_str().expect("one edit");
    assert!(tidy == SWISH, "{tidy}");
    assert_eq!(edits[0]["range"]["end"]["line"], untidy.lines().count());
    client.change(&uri, tidy);
    assert_eq!(client.request("textDocument/formatting", document), json!([]));

    let lenses = client.request("textDocument/codeLens", json!({ "textDocument": { "uri": uri } }));
    let lenses = lenses.as_array().expect("a list");
    let titles: Vec<&str> = lenses.iter().filter_map(|lens| lens["command"]["title"].as_str()).collect();
    assert_eq!(titles, ["run this test", "run all tests", "run this test"]);
    let run = |client: &mut Client, lens: usize| {
        let command = &lenses[lens]["command"];
        let params = json!({ "command": command["command"], "arguments": command["arguments"] });
        client.request("workspace/executeCommand", params)
    };
    assert_eq!(run(&mut client, 0)["failed"], 0);
    let failing = run(&mut client, 2);
    assert_eq!(failing["failed"], 1);
    assert!(failing["tests"][0]["failures"][0].as_str().is_some_and(|f| f.contains("costly-reshape")), "{failing}");
    assert_eq!(run(&mut client, 1)["tests"].as_array().map(Vec::len), Some(2));

    // Rules with errors run no tests; the server says why and goes on.
    client.change(&uri, &SWISH.replace("import onnx::*", ""));
    let command = json!({ "command": "qcc.runTest", "arguments": [uri, "the formula is one operator"] });
    let refused = client.response("workspace/executeCommand", command);
    assert!(refused["error"]["message"].as_str().is_some_and(|m| m.contains("the rules have errors")), "{refused}");
    let unknown = client.response("textDocument/rename", json!({}));
    assert!(unknown["error"]["message"].as_str().is_some_and(|m| m.contains("textDocument/rename")), "{unknown}");
    assert_eq!(client.change(&uri, SWISH), Vec::<Value>::new());
    client.shutdown();
}

#[test]
fn operators_that_a_file_defines_are_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(folder.path());
    client.initialize();
    let uri = address(folder.path(), "knee.rules");
    let text = "//! Knees.\nmodule knee\nimport onnx::*\n\n/// Flat far from zero.\ndef acme::SoftKnee(x) { knee: float = 1.0 } = x / (1 + knee * abs(x))\n\n/// Odd.\n@exact\nrule odd in fuse:\n  SoftKnee(Neg(x)) { knee: 0.5 } => Neg(SoftKnee(x) { knee: 0.5 })\n";
    assert_eq!(client.open(&uri, text), Vec::<Value>::new());
    let about = client.hover(&uri, text, "SoftKnee(Neg", 0);
    assert!(about.contains("def acme::SoftKnee(x)") && about.contains("Flat far from zero."), "{about}");
    let about = client.hover(&uri, text, "knee: 0.5", 0);
    assert!(about.contains("`knee: float` of SoftKnee; default: 1.0"), "{about}");
    let about = client.hover(&uri, text, "x / (1", 0);
    assert!(about.contains("an input of `SoftKnee`"), "{about}");
    let found = client.ask("textDocument/definition", &uri, text, "SoftKnee(x) { knee: 0.5", 0);
    assert_eq!(found["range"]["start"]["line"], 5, "{found}");
    let offered = client.complete(&uri, &format!("{text}\nrule new in fuse:\n  Soft"));
    assert!(offered.iter().any(|name| name == "SoftKnee"), "{offered:?}");
    let offered = client.complete(&uri, &format!("{text}\nrule new in fuse:\n  SoftKnee(x) {{ "));
    assert_eq!(offered, ["knee"]);
    let wrong = client.change(&uri, &text.replace("(Neg(x)) { knee: 0.5 }", "(Neg(x))"));
    assert_eq!(wrong[0]["code"], "unhandled-attribute", "{wrong:?}");
    client.shutdown();
}

#[test]
fn an_open_copy_of_a_standard_file_stands_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    for name in ["classes.rules", "cleanup.rules"] {
        std::fs::copy(rules.join(name), folder.path().join(name)).expect("it can be copied");
    }
    let text = std::fs::read_to_string(rules.join("cleanup.rules")).expect("it is there");
    let mut client = Client::start(folder.path());
    client.initialize();
    let uri = address(folder.path(), "cleanup.rules");
    assert_eq!(client.open(&uri, &text), Vec::<Value>::new());
    let changed = text.replace("rule identity-off in cleanup", "rule identity-gone in cleanup");
    let wrong = client.change(&uri, &changed);
    assert!(wrong.iter().all(|d| d["code"] == "unknown-rule"), "only its tests miss it: {wrong:?}");
    assert!(!wrong.is_empty());
    client.shutdown();
}
