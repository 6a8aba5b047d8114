//! What formatting keeps, over random files.

use super::format;
use super::random::{Random, Spelling};
use crate::ast::File;
use crate::parse::parse;
use qcc_diag::{FileId, SourceMap, render};
use std::path::{Path, PathBuf};

/// Random files; every third one has no comments and no line breaks of its own.
const FILES: u64 = 1000;

/// A tree without its places in the text.
fn bare(file: &File) -> String {
    let text = format!("{file:?}");
    let mut result = String::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find("Span {") {
        result.push_str(&rest[..start]);
        let end = start + rest[start..].find('}').expect("a closed span");
        rest = &rest[end + 1..];
    }
    result + rest
}

fn parsed(text: &str) -> File {
    let mut diagnostics = Vec::new();
    let file = parse(FileId(0), text, &mut diagnostics);
    let mut map = SourceMap::default();
    map.add("random.rules", text);
    let errors: Vec<String> = diagnostics.iter().map(|d| render(d, &map)).collect();
    assert!(errors.is_empty(), "{}\n{text}", errors.join("\n"));
    file
}

fn formatted(text: &str) -> String {
    match format("random.rules", text) {
        Ok(result) => result,
        Err((map, errors)) => {
            let errors: Vec<String> = errors.iter().map(|d| render(d, &map)).collect();
            panic!("{}\n{text}", errors.join("\n"));
        }
    }
}

/// The comments of a text, in order. Texts in quotes hold none that look like the spelled ones.
fn comments(text: &str) -> Vec<String> {
    let comment = |line: &str| line.rfind("//").map(|at| line[at..].trim_end().to_string());
    text.lines().filter_map(comment).filter(|c| c.ends_with(" (")).collect()
}

#[test]
fn random_files_mean_the_same_and_keep_their_comments() {
    let mut with_comments = 0;
    for seed in 0..FILES {
        let mut random = Random(seed);
        let file = random.file();
        let noise = [0, 30, 8][(seed % 3) as usize];
        let spelling = Spelling::of(&file, &mut random, noise);
        let (text, wanted) = (spelling.out, spelling.comments);
        assert_eq!(bare(&parsed(&text)), bare(&file), "seed {seed} is spelled wrongly:\n{text}");
        let once = formatted(&text);
        assert_eq!(bare(&parsed(&once)), bare(&file), "seed {seed}:\n{text}\n---\n{once}");
        assert_eq!(comments(&once), wanted, "seed {seed}:\n{text}\n---\n{once}");
        let twice = formatted(&once);
        assert_eq!(twice, once, "seed {seed} is formatted in two steps:\n{text}");
        assert!(!once.contains("\n\n\n") && !once.contains(" \n"), "seed {seed}:\n{once}");
        with_comments += usize::from(!wanted.is_empty());
    }
    assert!(with_comments > 400, "only {with_comments} files have comments");
}

/// All rule files of the repository.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files(&path, found);
        } else if name.ends_with(".rules") {
            found.push(path);
        }
    }
}

#[test]
fn files_of_the_repository_mean_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    let mut count = 0;
    for path in &paths {
        let text = std::fs::read_to_string(path).expect("it can be read");
        // Files with errors are part of the repository, too.
        let Ok(once) = format("file.rules", &text) else { continue };
        count += 1;
        let lines = |text: &str| text.lines().filter(|line| line.contains("//")).count();
        // Some are wrong in ways that the grammar does not know of; they mean the same all the same.
        let tree = |text: &str| bare(&parse(FileId(0), text, &mut Vec::new()));
        assert_eq!(tree(&once), tree(&text), "{}", path.display());
        assert_eq!(lines(&once), lines(&text), "{}", path.display());
        assert_eq!(formatted(&once), once, "{} is formatted in two steps", path.display());
    }
    assert!(count > 50, "only {count} of {} files were formatted", paths.len());
}

#[test]
fn the_standard_rules_and_the_examples_are_formatted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = Vec::new();
    files(&root.join("rules"), &mut paths);
    files(&root.join("examples"), &mut paths);
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("it can be read");
        assert!(formatted(&text) == text, "`qcc rules fmt {}` changes it", path.display());
    }
}
