//! Every code block of the book is run: what a reader types works as it is written, in an empty folder, with the program alone.
//!
//! | block | what happens |
//! |---|---|
//! | `rules,file=NAME` | written to the chapter's folder under that name; it must be in the one style |
//! | `rules` | an excerpt: it must check, in a module that imports all operators and the standard classes |
//! | `console` | lines behind `$` are typed into a shell; the lines behind them must be what is printed |
//!
//! In what is printed, `…` stands for anything, on a line of its own for any number of lines. Times are compared as `N ms`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The slowest command compiles the example without optimisation of this program itself.
const PATIENCE: Duration = Duration::from_secs(120);

fn book() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/book")
}

fn chapter(name: &str) -> String {
    let path = book().join("src").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A block of code: its words, its text and its line.
struct Block {
    info: String,
    text: String,
    line: usize,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut result: Vec<Block> = Vec::new();
    let mut open = false;
    for (i, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(info) => {
                open = true;
                result.push(Block { info: info.trim().to_string(), text: String::new(), line: i + 1 });
            }
            None if open => {
                if let Some(block) = result.last_mut() {
                    block.text += &format!("{line}\n");
                }
            }
            None => {}
        }
    }
    assert!(!open, "a block is not closed");
    result
}

/// Runs a command line in a folder, with the program on the path, and returns what it prints.
fn typed(command: &str, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_qcc")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut child = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{command}")])
        .env("PATH", path)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut output = child.stdout.take().expect("a pipe");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut output, &mut text).map(|_| text)
    });
    let end = Instant::now() + PATIENCE;
    while child.try_wait().expect("it is ours").is_none() {
        if Instant::now() > end {
            let _ = child.kill();
            panic!("`{command}` takes longer than {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    reader.join().expect("it reads").expect("it prints text")
}

/// Times as `N`, and no white space at the ends of lines.
fn normal(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.trim_end().split(' ') {
        let unit = ["ms", "µs", "ms)", "s", "s)", "ms,", "s,"].contains(&word);
        if let (true, Some(last)) = (unit, words.last_mut())
            && last.trim_start_matches('(').parse::<f64>().is_ok()
        {
            *last = "N".to_string();
        }
        words.push(word.to_string());
    }
    words.join(" ")
}

/// Whether a line is what is expected, in which `…` stands for anything.
fn same_line(expected: &str, line: &str) -> bool {
    let (expected, line) = (normal(expected), normal(line));
    let mut parts = expected.split('…');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    match last {
        None => rest.is_empty(),
        Some(part) => part.is_empty() || line.ends_with(part),
    }
}

fn same(expected: &[&str], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((&"…", others)) => (0..=lines.len()).any(|skipped| same(others, &lines[skipped..])),
        Some((first, others)) => {
            lines.split_first().is_some_and(|(line, rest)| same_line(first, line) && same(others, rest))
        }
    }
}

/// Types the commands of a block and compares what they print.
fn console(block: &Block, place: &str, folder: &Path) {
    let mut commands: Vec<(String, Vec<&str>)> = Vec::new();
    for line in block.text.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push((command.to_string(), Vec::new())),
            None => commands.last_mut().unwrap_or_else(|| panic!("{place}: nothing is typed")).1.push(line),
        }
    }
    assert!(!commands.is_empty(), "{place}: nothing is typed");
    for (command, expected) in commands {
        let printed = typed(&command, folder);
        let lines: Vec<&str> = printed.trim_end().lines().collect();
        let expected = trimmed(&expected);
        assert!(same(&expected, &lines), "{place}: `{command}` prints\n{printed}\nand not\n{}", expected.join("\n"));
    }
}

/// Without empty lines at the end.
fn trimmed<'l>(lines: &[&'l str]) -> Vec<&'l str> {
    let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |i| i + 1);
    lines[..end].to_vec()
}

fn run(name: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let text = chapter(name);
    let blocks = blocks(&text);
    assert!(!blocks.is_empty(), "{name} shows nothing");
    for block in &blocks {
        let place = format!("{name}:{}", block.line);
        let path = folder.path();
        match block.info.as_str() {
            "console" => console(block, &place, path),
            "rules" => excerpt(block, &place),
            info => {
                let Some(file) = info.strip_prefix("rules,file=") else { panic!("{place}: `{info}` cannot be run") };
                std::fs::write(path.join(file), &block.text).expect("it can be written");
                match qcc_dsl::format(file, &block.text) {
                    Ok(formatted) => assert_eq!(formatted, block.text, "{place} is not in the one style"),
                    Err(_) => assert!(text.contains("error[syntax]"), "{place} cannot be read"),
                }
            }
        }
    }
}

/// An excerpt of the language checks as part of a file.
fn excerpt(block: &Block, place: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("module excerpt\nimport onnx::*\nimport qcc::*\nimport \"classes.rules\"\n\n{}", block.text);
    std::fs::write(folder.path().join("excerpt.rules"), &text).expect("it can be written");
    let printed = typed("qcc rules check excerpt.rules || echo FAILED", folder.path());
    assert!(!printed.contains("error") && !printed.contains("FAILED"), "{place}:\n{printed}");
    let formatted = qcc_dsl::format("excerpt.rules", &text).unwrap_or_default();
    assert_eq!(formatted, text, "{place} is not in the one style");
}

#[test]
fn your_first_rule() {
    run("first-rule.md");
}

#[test]
fn why_did_it_not_fire() {
    run("why-not.md");
}

#[test]
fn teaching_qcc_a_custom_op() {
    run("custom-op.md");
}

#[test]
fn how_extraction_decides() {
    run("extraction.md");
}

#[test]
fn rule_style() {
    run("style.md");
}

#[test]
fn language_reference() {
    run("language.md");
}

#[test]
fn command_line() {
    run("command-line.md");
    let text = chapter("command-line.md");
    let help = typed("qcc --help", Path::new("."));
    let commands = commands(&help);
    assert!(commands.len() > 7, "{help}");
    let rules = typed("qcc rules --help", Path::new("."));
    let of_rules = self::commands(&rules).into_iter().map(|command| format!("rules {command}"));
    for command in commands.iter().map(|command| command.to_string()).chain(of_rules) {
        if matches!(command.as_str(), "rules" | "help" | "rules help") {
            continue;
        }
        assert!(text.contains(&format!("qcc {command}")), "the chapter does not know `qcc {command}`");
        let help = typed(&format!("qcc {command} --help"), Path::new("."));
        assert!(help.contains("Example"), "`qcc {command} --help` shows no example");
    }
}

/// The commands that a help text lists.
fn commands(help: &str) -> Vec<&str> {
    help.lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        // Longer explanations go on, further to the right, on the next line.
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

#[test]
fn reference_tables_are_what_the_program_knows() {
    for (name, option) in [("operators.md", "--ops"), ("builtins.md", "--builtins")] {
        let printed = typed(&format!("qcc rules list {option} --markdown"), Path::new("."));
        assert!(printed == chapter(name), "examples/book/src/{name} is old: run `cargo xtask bless`");
    }
}

#[test]
fn the_summary_lists_every_chapter() {
    let summary = chapter("SUMMARY.md");
    let listed: BTreeSet<String> =
        summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_string).collect();
    let entries = std::fs::read_dir(book().join("src")).expect("the chapters are there");
    let there = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).filter(|n| n != "SUMMARY.md");
    assert_eq!(listed, there.collect());
    let config = std::fs::read_to_string(book().join("book.toml")).expect("it is there");
    assert!(config.contains("[book]") && config.contains("src = \"src\""));
    // Links between chapters lead somewhere.
    for name in &listed {
        let text = chapter(name);
        let mut code = false;
        let prose = text.lines().filter(|line| {
            let fence = line.starts_with("```");
            code ^= fence;
            !code && !fence
        });
        // Code in a sentence has brackets of its own.
        let prose: String = prose.map(|line| line.split('`').step_by(2).collect::<String>() + "\n").collect();
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            assert!(link.is_empty() || link.contains("://") || listed.contains(link), "{name} links to `{link}`");
        }
    }
}

#[test]
fn expected_lines_are_compared_with_care() {
    assert!(same_line("a … c", "a b c") && !same_line("a … c", "a b d") && !same_line("a", "ab"));
    assert!(same_line("in 3.5 ms", "in 20 ms") && !same_line("in 3 rules", "in 4 rules"));
    assert!(same(&["a", "…", "z"], &["a", "b", "c", "z"]) && !same(&["a", "…"], &["b"]));
    assert!(!same(&["a"], &["a", "b"]));
}
