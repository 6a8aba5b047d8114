//! Golden snapshots of the graphs that rules' tests choose, as insta's files beside the rule file.
//!
//! The snapshot of a test stands in `snapshots/MODULE__TEST.snap` in the folder of its rule file. A text that differs is
//! also written as `.snap.new`, which is what `cargo insta review` looks for.

use crate::diff;
use qcc_dsl::{Expect, RuleSet, Test};
use rustc_hash::FxHashSet;
use std::io;
use std::path::{Path, PathBuf};

/// The folder beside a rule file.
const FOLDER: &str = "snapshots";

/// Where the snapshot of a test is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The rule file.
    source: String,
    /// The test's sentence.
    claim: String,
}

/// A text against the accepted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// They are the same.
    Same,
    /// None is accepted yet.
    Missing,
    /// They differ: the lines that went and came.
    Differs(String),
    /// The file is there and no snapshot, as the sentence says.
    Unreadable(String),
}

/// The places of the snapshots that the tests of a module ask for, in the order of the tests: `None` for tests that ask for
/// none, and for all of them if the module's file is not on disk as it was compiled.
pub fn places(rules: &RuleSet, module: &str) -> Vec<(String, Option<Place>)> {
    let file = rules.modules.iter().find(|m| m.name == module).map(|m| m.path.clone()).unwrap_or_default();
    let tests: Vec<&Test> = rules.tests.iter().filter(|t| t.module == module).collect();
    let there = tests.first().is_some_and(|test| on_disk(&file, rules.sources.text(test.span.file)));
    let mut taken = FxHashSet::default();
    let mut place = |test: &Test| {
        if !there || !test.expects.iter().any(|e| matches!(e, Expect::Snapshot(_))) {
            return None;
        }
        let words = words(&test.name);
        let name = (1..).map(|n| if n == 1 { words.clone() } else { format!("{words}-{n}") });
        let name = name.into_iter().find(|name| taken.insert(name.clone()))?;
        let path = folder(&file).join(format!("{module}__{name}.snap"));
        Some(Place { path, source: file.clone(), claim: test.name.clone() })
    };
    tests.iter().map(|test| (test.name.clone(), place(test))).collect()
}

fn on_disk(file: &str, text: &str) -> bool {
    std::fs::read_to_string(file).is_ok_and(|found| found == text)
}

fn folder(file: &str) -> PathBuf {
    Path::new(file).parent().unwrap_or(Path::new("")).join(FOLDER)
}

/// The letters and digits of a sentence, with dashes between its words.
fn words(sentence: &str) -> String {
    let parts = sentence.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}

/// The contents of an insta file: what stands behind its head.
fn contents(text: &str) -> Option<&str> {
    let (_, rest) = text.strip_prefix("---\n")?.split_once("\n---\n")?;
    Some(rest)
}

impl Place {
    /// Compares a text with the accepted one.
    pub fn compare(&self, text: &str) -> Compared {
        let accepted = match std::fs::read_to_string(&self.path) {
            Ok(accepted) => accepted.replace("\r\n", "\n"),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Compared::Missing,
            Err(e) => return Compared::Unreadable(format!("`{}` cannot be read: {e}", self.path.display())),
        };
        let Some(accepted) = contents(&accepted) else {
            return Compared::Unreadable(format!("`{}` is no snapshot: it has no head", self.path.display()));
        };
        let difference = diff::lines(accepted.trim_end(), text.trim_end());
        if difference.is_empty() { Compared::Same } else { Compared::Differs(difference) }
    }

    /// Writes a text as the accepted one, and forgets what was pending.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn accept(&self, text: &str) -> io::Result<()> {
        write(&self.path, &self.file(text))?;
        self.settle()
    }

    /// Writes a text beside the accepted one, for review.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn suggest(&self, text: &str) -> io::Result<()> {
        write(&self.pending(), &self.file(text))
    }

    /// Removes what is pending.
    ///
    /// # Errors
    /// The file is there and cannot be removed.
    pub fn settle(&self) -> io::Result<()> {
        match std::fs::remove_file(self.pending()) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    fn pending(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        PathBuf::from(name)
    }

    fn file(&self, text: &str) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        format!("---\nsource: {}\nexpression: {}\n---\n{}\n", self.source, quoted(&self.claim), text.trim_end())
    }
}

/// Snapshots of a module in its folder that none of its tests asks for.
pub fn orphans(rules: &RuleSet, module: &str) -> Vec<PathBuf> {
    let places = places(rules, module);
    let wanted: FxHashSet<&Path> = places.iter().filter_map(|(_, p)| p.as_ref()).map(|p| p.path.as_path()).collect();
    let Some(file) = rules.modules.iter().find(|m| m.name == module).map(|m| m.path.as_str()) else {
        return Vec::new();
    };
    let prefix = format!("{module}__");
    let Ok(entries) = std::fs::read_dir(folder(file)) else { return Vec::new() };
    let of_module = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        name.starts_with(&prefix) && name.ends_with(".snap")
    };
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| of_module(p) && !wanted.contains(p.as_path())).collect();
    found.sort();
    found
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)
}
