//! `qcc rules test`: costs, golden snapshots in insta's format, and running again after changes.

mod times;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use times::timeless;

/// Two moves that cancel, with a snapshot; what is behind `expect` is put in.
fn rules(expects: &str) -> String {
    format!(
        "//! Mine.\nmodule mine\nimport onnx::*\n\n/// A magnitude has no sign.\n@exact\nrule abs-of-neg in mine:\n  Abs(Neg(x)) => Abs(x)\n\n\
         test \"Abs, of a \\\"negative\\\": no sign\" {{\n  graph(x: f32[64,64]) {{ return Abs(Neg(x)) }}\n  expect {expects}\n}}\n"
    )
}

const GOLDEN: &str = "snapshots/mine__abs-of-a-negative-no-sign.snap";

fn qcc(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qcc"));
    command.args(args).current_dir(folder).output().expect("the program starts")
}

/// What `qcc rules test` of `mine.rules` prints, with times as `N`, and whether it succeeds.
fn test(folder: &Path, expects: &str, options: &[&str]) -> (String, bool) {
    std::fs::write(folder.join("mine.rules"), rules(expects)).expect("it can be written");
    let output = qcc(folder, &[&["rules", "test", "--no-soundness", "mine.rules"], options].concat());
    (timeless(&String::from_utf8_lossy(&output.stdout)), output.status.success())
}

#[test]
fn the_cost_of_the_chosen_graph_is_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = "cost < original, cost <= 0.5 * original, cost < 10_000, cost > 1.5, kernel count == 1";
    let (printed, passed) = test(folder.path(), good, &[]);
    assert!(passed, "{printed}");
    let (printed, passed) = test(folder.path(), "cost >= original, cost < 0.001 * original, cost > 1e9", &[]);
    assert!(!passed);
    insta::assert_snapshot!(printed);
}

#[test]
fn a_snapshot_is_asked_for_accepted_compared_and_renewed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let golden = path.join(GOLDEN);
    let pending = path.join(format!("{GOLDEN}.new"));

    let (missing, passed) = test(path, "fired abs-of-neg, snapshot", &[]);
    assert!(!passed && pending.exists() && !golden.exists(), "{missing}");
    let (accepted, passed) = test(path, "fired abs-of-neg, snapshot", &["--accept"]);
    assert!(passed && golden.exists() && !pending.exists(), "{accepted}");
    let first = std::fs::read_to_string(&golden).expect("it was written");
    let (same, passed) = test(path, "fired abs-of-neg, snapshot", &[]);
    assert!(passed, "{same}");

    // Another graph is chosen when the rule is left out.
    let without = rules("snapshot").replace("Abs(Neg(x)) => Abs(x)", "Abs(Exp(x)) => Exp(x)");
    std::fs::write(path.join("mine.rules"), without).expect("it can be written");
    let output = qcc(path, &["rules", "test", "--no-soundness", "mine.rules"]);
    assert_eq!(output.status.code(), Some(1));
    let differs = timeless(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(std::fs::read_to_string(&golden).expect("it is there"), first, "nothing is renewed unasked");
    assert!(pending.exists(), "there is something to review");

    // A test that fails otherwise is not accepted.
    let (refused, passed) = test(path, "fired abs-of-neg == 7, snapshot", &["--accept"]);
    assert!(!passed, "{refused}");
    std::fs::write(&golden, first.replace("Abs", "Neg")).expect("it can be written");
    let (not_renewed, passed) = test(path, "fired abs-of-neg == 7, snapshot", &["--accept"]);
    assert!(!passed && not_renewed.contains("not accepted"), "{not_renewed}");
    let (renewed, passed) = test(path, "fired abs-of-neg, snapshot", &["--accept"]);
    assert!(passed && !pending.exists(), "{renewed}");
    assert_eq!(std::fs::read_to_string(&golden).expect("it is there"), first);

    // A damaged file is no reason to stop, and one that nobody asks for is named.
    std::fs::write(&golden, "nothing").expect("it can be written");
    let (damaged, passed) = test(path, "snapshot", &[]);
    assert!(!passed && damaged.contains("is no snapshot"), "{damaged}");
    let (orphan, passed) = test(path, "fired abs-of-neg", &[]);
    assert!(passed && orphan.contains(GOLDEN) && orphan.contains("no test expects this snapshot"), "{orphan}");

    insta::assert_snapshot!([missing, accepted, same, differs, renewed].join("----\n"));
}

/// insta itself reads the file that `--accept` wrote, and finds the same text in it.
#[test]
fn insta_reads_what_is_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (printed, passed) = test(folder.path(), "snapshot", &["--accept"]);
    assert!(passed, "{printed}");
    let (missing, _) = test(folder.path(), "fired abs-of-neg == 7", &[]);
    assert!(missing.contains("FAILED"));
    std::fs::remove_file(folder.path().join(GOLDEN)).expect("it was written");
    let (shown, _) = test(folder.path(), "snapshot", &[]);
    let (_, chosen) = shown.split_once("the chosen graph is\n").expect("it is shown");
    let (chosen, _) = chosen.split_once("        if that is right").expect("it ends");
    let chosen: String = chosen.lines().map(|l| format!("{}\n", l.strip_prefix("        ").unwrap_or(l))).collect();
    test(folder.path(), "snapshot", &["--accept"]);
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path(folder.path().join("snapshots"));
    settings.bind(|| insta::assert_snapshot!("mine__abs-of-a-negative-no-sign", chosen));
}

/// Lines of a program that goes on running.
struct Running {
    program: std::process::Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    /// All lines up to the one that waits for changes.
    fn turn(&self) -> String {
        let mut seen = String::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("it waits:\n{seen}"));
            if line == "waiting for changes" {
                return seen;
            }
            seen += &(line + "\n");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[test]
fn watching_runs_again_after_every_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mine.rules");
    std::fs::write(&file, rules("fired abs-of-neg")).expect("it can be written");
    let mut program = Command::new(env!("CARGO_BIN_EXE_qcc"))
        .args(["rules", "test", "--no-soundness", "--watch", "mine.rules"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let output = BufReader::new(program.stdout.take().expect("a pipe"));
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let running = Running { program, lines };
    let turn = running.turn();
    assert!(turn.contains("ok      mine / ") && turn.contains("1 tests, 0 failed"), "{turn}");

    std::fs::write(&file, rules("fired abs-of-neg == 22")).expect("it can be written");
    let turn = running.turn();
    assert!(turn.contains("expected fired abs-of-neg == 22"), "{turn}");
    // A file that cannot be read is reported and waited for.
    std::fs::write(&file, rules("fired abs-of-nag")).expect("it can be written");
    let turn = running.turn();
    assert!(!turn.contains("tests"), "{turn}");
    std::fs::write(&file, rules("fired abs-of-neg")).expect("it can be written");
    let turn = running.turn();
    assert!(turn.contains("1 tests, 0 failed"), "{turn}");
}

#[test]
fn watching_needs_files() {
    let output = qcc(Path::new("."), &["rules", "test", "--watch"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--watch needs the names of files"));
}

/// A changed copy of a standard file stands for the built-in one, with its neighbours.
#[test]
fn a_standard_file_is_worked_on_where_it_lies() {
    let folder = tempfile::tempdir().expect("a folder");
    let standard = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    for name in ["classes.rules", "cleanup.rules", "table.rules"] {
        std::fs::copy(standard.join(name), folder.path().join(name)).expect("it can be copied");
    }
    let file = folder.path().join("cleanup.rules");
    let text = std::fs::read_to_string(&file).expect("it is there").replace("identity-off", "identity-gone");
    std::fs::write(&file, text).expect("it can be written");
    let output = qcc(folder.path(), &["rules", "test", "--no-soundness", "cleanup.rules"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("cleanup / ") && !printed.contains("table / "), "{printed}");
}
