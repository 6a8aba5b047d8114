//! The standard rules, built into the program, and how further files join them.

use crate::failure::Failure;
use qcc_diag::{Diagnostic, Severity};
use qcc_dsl::{LoadError, RuleSet, Source};
use std::path::{Path, PathBuf};

/// The files of `rules/`, in the order they are read.
const FILES: &[(&str, &str)] = &[
    ("classes.rules", include_str!("../../../rules/classes.rules")),
    ("cleanup.rules", include_str!("../../../rules/cleanup.rules")),
    ("fold.rules", include_str!("../../../rules/fold.rules")),
    ("norm.rules", include_str!("../../../rules/norm.rules")),
    ("canonical.rules", include_str!("../../../rules/canonical.rules")),
    ("precision.rules", include_str!("../../../rules/precision.rules")),
    ("reduce.rules", include_str!("../../../rules/reduce.rules")),
    ("recurrent.rules", include_str!("../../../rules/recurrent.rules")),
    ("linear.rules", include_str!("../../../rules/linear.rules")),
    ("prune.rules", include_str!("../../../rules/prune.rules")),
    ("layout.rules", include_str!("../../../rules/layout.rules")),
    ("quantize.rules", include_str!("../../../rules/quantize.rules")),
    ("integer.rules", include_str!("../../../rules/integer.rules")),
    ("dynamic.rules", include_str!("../../../rules/dynamic.rules")),
    ("transposed.rules", include_str!("../../../rules/transposed.rules")),
    ("weights.rules", include_str!("../../../rules/weights.rules")),
    ("requantize.rules", include_str!("../../../rules/requantize.rules")),
    ("fuse.rules", include_str!("../../../rules/fuse.rules")),
    ("table.rules", include_str!("../../../rules/table.rules")),
    ("flip.rules", include_str!("../../../rules/flip.rules")),
    ("winograd.rules", include_str!("../../../rules/winograd.rules")),
];

/// Where the names of rules are found.
pub const LIST_RULES: &str = "`qcc rules list` names them";

/// Which rules a compilation uses.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Files of the user, read after the standard ones.
    pub files: Vec<PathBuf>,
    /// Standard files that are left out, by name (`layout.rules`).
    pub without: Vec<String>,
    /// The schedule that runs instead of `default`, by name.
    pub schedule: Option<String>,
    /// Rules that are left out, by name.
    pub without_rules: Vec<String>,
    /// Which standard files are read at all.
    pub standard: Standard,
}

/// Whether the standard rules are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Standard {
    /// Yes.
    #[default]
    Use,
    /// No: only the user's files. They may still import the standard file of classes.
    Omit,
}

/// A path for messages of a built-in file.
fn built_in(name: &str) -> String {
    format!("rules/{name}")
}

/// Whether a path names a standard file: the built-in text, or that very file in a checkout.
fn standard_file(path: &Path) -> Option<&'static (&'static str, &'static str)> {
    let name = path.file_name()?.to_str()?;
    let found = FILES.iter().find(|(n, _)| *n == name)?;
    let text = std::fs::read_to_string(path).ok();
    (text.is_none() || text.as_deref() == Some(found.1)).then_some(found)
}

/// A file as an editor holds it, and the standard rules beside it. In a folder that holds a copy of the standard rules, that
/// copy stands for them.
pub fn around(path: &str, text: &str) -> Vec<Source> {
    let own = Source { path: path.to_string(), text: text.to_string() };
    let (name, folder) = (Path::new(path).file_name(), Path::new(path).parent().unwrap_or(Path::new("")));
    let standard = |(file, text): &(&str, &str)| Source { path: built_in(file), text: (*text).to_string() };
    let of_the_copy =
        FILES.iter().any(|(file, _)| name == Some(file.as_ref())) && folder.join("classes.rules").is_file();
    if !of_the_copy {
        return FILES.iter().map(standard).chain([own]).collect();
    }
    let beside = |entry: &(&str, &str)| {
        let path = folder.join(entry.0);
        match std::fs::read_to_string(&path) {
            _ if name == Some(entry.0.as_ref()) => own.clone(),
            Ok(text) => Source { path: path.display().to_string(), text },
            Err(_) => standard(entry),
        }
    };
    FILES.iter().map(beside).collect()
}

/// The folder of a changed copy of the standard rules, if a file is one of them: it stands for the built-in ones, so that they
/// can be worked on without building the program anew.
fn copy(file: &Path) -> Option<&Path> {
    let folder = file.parent()?;
    let named = FILES.iter().any(|(name, _)| file.file_name() == Some(name.as_ref()));
    (named && standard_file(file).is_none() && folder.join("classes.rules").is_file()).then_some(folder)
}

/// A standard file, in the copy if there is one.
fn of_copy(copy: Option<&Path>, (name, text): &(&str, &str)) -> Source {
    let path = copy.map(|folder| folder.join(name));
    match path.as_ref().and_then(|path| std::fs::read_to_string(path).ok()) {
        Some(text) => Source { path: path.unwrap_or_default().display().to_string(), text },
        None => Source { path: built_in(name), text: (*text).to_string() },
    }
}

/// The file a `.rules` file imports: the one on disk, else the standard file of that name.
///
/// # Errors
/// It is not there or cannot be read.
pub fn load(path: &str) -> Result<Source, LoadError> {
    if let Some((name, text)) = standard_file(Path::new(path)) {
        return Ok(Source { path: built_in(name), text: (*text).to_string() });
    }
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Source { path: path.to_string(), text }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(LoadError::NotFound(format!("there is no `{path}`"))),
        Err(e) => Err(LoadError::Unreadable(format!("cannot read `{path}`: {e}"))),
    }
}

/// Compiles the selected rules. Rulesets of the user's files that no schedule names join every step of the default one that
/// saturates.
///
/// # Errors
/// Every error of every file, with the lines they are about; files that cannot be read.
pub fn compile(selection: &Selection) -> Result<(RuleSet, Vec<Diagnostic>), Failure> {
    if let Some(unknown) = selection.without.iter().find(|n| !FILES.iter().any(|(f, _)| f == n)) {
        let names: Vec<&str> = FILES.iter().map(|(n, _)| *n).collect();
        return Err(Failure::input(format!("there is no standard file `{unknown}`; there are {}", names.join(", "))));
    }
    let copy = (selection.standard == Standard::Use).then(|| selection.files.iter().find_map(|f| copy(f))).flatten();
    let mut sources = Vec::new();
    if selection.standard == Standard::Use {
        let kept = FILES.iter().filter(|(n, _)| !selection.without.iter().any(|w| w == n));
        sources.extend(kept.map(|entry| of_copy(copy, entry)));
    }
    for file in &selection.files {
        let standard = standard_file(file).is_some() || (copy.is_some() && self::copy(file) == copy);
        if selection.standard == Standard::Use && standard {
            continue;
        }
        let text = std::fs::read_to_string(file)
            .map_err(|e| Failure::input(format!("cannot read `{}`: {e}", file.display())))?;
        sources.push(Source { path: file.display().to_string(), text });
    }
    let mut load = |path: &str| match FILES.iter().find(|(n, _)| Path::new(path).file_name() == Some(n.as_ref())) {
        Some(entry) if copy.is_some() && !Path::new(path).is_file() => Ok(of_copy(copy, entry)),
        _ => load(path),
    };
    let (mut rules, warnings) = qcc_dsl::compile(&sources, &mut load)
        .map_err(|(sources, diagnostics)| Failure::Rules(Box::new(sources), diagnostics))?;
    join_schedule(&mut rules);
    leave_out(&mut rules, &selection.without_rules)?;
    if let Some(name) = &selection.schedule {
        let known = rules.schedules.get(name).cloned();
        let unknown = || {
            Failure::unknown(
                "schedule",
                name,
                rules.schedules.keys().map(String::as_str),
                "a rule file has it as `schedule NAME { … }`",
            )
        };
        let schedule = known.ok_or_else(unknown)?;
        rules.schedules.insert("default".into(), schedule);
    }
    // A schedule that names a ruleset whose file was left out on purpose is no news.
    let warnings = warnings.into_iter().filter(|w| w.code != "empty-ruleset" && w.severity == Severity::Warning);
    Ok((rules, warnings.collect()))
}

/// The operators that the user's files define; the standard files define none.
///
/// # Errors
/// As [`compile`].
pub fn definitions(selection: &Selection) -> Result<Vec<qcc_dsl::Def>, Failure> {
    if selection.files.is_empty() {
        return Ok(Vec::new());
    }
    Ok(compile(selection)?.0.defs)
}

/// Removes rules by name, with their reverse halves.
fn leave_out(rules: &mut RuleSet, names: &[String]) -> Result<(), Failure> {
    for name in names {
        let half = format!("{name}/reverse");
        if !rules.rules.iter().any(|r| r.name == *name) {
            let known = rules.rules.iter().map(|r| r.name.as_str());
            return Err(Failure::unknown("rule", name, known, LIST_RULES));
        }
        rules.rules.retain(|r| r.name != *name && r.name != half);
    }
    Ok(())
}

/// The modules that a file named on the command line defines.
pub fn modules_of(rules: &RuleSet, files: &[PathBuf]) -> Vec<String> {
    let built_in = |f: &PathBuf| standard_file(f).map(|(name, _)| built_in(name));
    let paths: Vec<String> =
        files.iter().flat_map(|f| [Some(f.display().to_string()), built_in(f)]).flatten().collect();
    rules.modules.iter().filter(|m| paths.contains(&m.path)).map(|m| m.name.clone()).collect()
}

/// Lets rulesets that no step of the default schedule names join every step that saturates.
pub fn join_schedule(rules: &mut RuleSet) {
    use qcc_dsl::Step;
    fn named(steps: &[Step], out: &mut Vec<String>) {
        for step in steps {
            match step {
                Step::Saturate(sets, _) | Step::Run(sets, _) => out.extend(sets.iter().cloned()),
                Step::Repeat(_, inner) => named(inner, out),
            }
        }
    }
    fn add(steps: &mut [Step], extra: &[String]) {
        for step in steps {
            match step {
                Step::Saturate(sets, _) => sets.extend(extra.iter().cloned()),
                Step::Run(..) => {}
                Step::Repeat(_, inner) => add(inner, extra),
            }
        }
    }
    let mut known = Vec::new();
    rules.schedules.values().for_each(|schedule| named(&schedule.steps, &mut known));
    let Some(schedule) = rules.schedules.get_mut("default") else { return };
    let mut extra: Vec<String> = Vec::new();
    for rule in &rules.rules {
        if !known.contains(&rule.ruleset) && !extra.contains(&rule.ruleset) {
            extra.push(rule.ruleset.clone());
        }
    }
    add(&mut schedule.steps, &extra);
}
