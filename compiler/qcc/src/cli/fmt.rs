//! `qcc rules fmt`.

use qcc::failure::Failure;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bring rule files into the one style; comments and grouping stay
///
/// Examples:
///   qcc rules fmt my.rules                         rewrites the file
///   qcc rules fmt --check rules                    names the files of a folder that differ; exit code 1 if any does
///   qcc rules fmt --stdin < my.rules               prints the result, for editors
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Fmt {
    /// Rule files, and folders whose rule files are meant
    #[arg(required_unless_present = "stdin", conflicts_with = "stdin")]
    files: Vec<PathBuf>,
    /// Change nothing; fail if a file is not in the style
    #[arg(long)]
    check: bool,
    /// Read standard input, write standard output
    #[arg(long)]
    stdin: bool,
}

impl Fmt {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        if self.stdin {
            return self.filter();
        }
        let mut files = Vec::new();
        for path in &self.files {
            rule_files(path, &mut files)?;
        }
        let (mut differ, mut broken) = (0, Vec::new());
        for path in &files {
            let text = std::fs::read_to_string(path).map_err(|e| cannot("read", path, &e))?;
            let formatted = match qcc_dsl::format(&path.display().to_string(), &text) {
                Ok(formatted) => formatted,
                Err((sources, errors)) => {
                    broken.push(Failure::Rules(Box::new(sources), errors));
                    continue;
                }
            };
            if formatted == text {
                continue;
            }
            differ += 1;
            if self.check {
                println!("{}", difference(path, &text, &formatted));
            } else {
                std::fs::write(path, formatted).map_err(|e| cannot("write", path, &e))?;
                println!("formatted {}", path.display());
            }
        }
        if let Some(last) = broken.pop() {
            broken.iter().for_each(|failure| eprintln!("{failure}\n"));
            return Err(last);
        }
        if self.check && differ > 0 {
            return Err(Failure::Check(format!(
                "{differ} of {} files differ; `qcc rules fmt` changes them",
                files.len()
            )));
        }
        Ok(())
    }

    fn filter(&self) -> Result<(), Failure> {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|e| Failure::input(format!("cannot read standard input: {e}")))?;
        let formatted = qcc_dsl::format("standard input", &text)
            .map_err(|(sources, errors)| Failure::Rules(Box::new(sources), errors))?;
        if !self.check {
            print!("{formatted}");
        } else if formatted != text {
            return Err(Failure::Check(difference(Path::new("standard input"), &text, &formatted)));
        }
        Ok(())
    }
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::input(format!("cannot {what} `{}`: {error}", path.display()))
}

/// The file itself, or the rule files of a folder, in order of their names.
fn rule_files(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        found.push(path.to_path_buf());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(|e| cannot("read", path, &e))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() || path.extension().is_some_and(|e| e == "rules") {
            rule_files(&path, found)?;
        }
    }
    Ok(())
}

/// The first line that differs.
fn difference(path: &Path, text: &str, formatted: &str) -> String {
    let (is, should): (Vec<&str>, Vec<&str>) = (text.lines().collect(), formatted.lines().collect());
    let name = path.display();
    let Some(line) = (0..is.len().max(should.len())).find(|&i| is.get(i) != should.get(i)) else {
        return format!("{name}: the end of the file differs");
    };
    let shown = |lines: &[&str]| lines.get(line).copied().unwrap_or("(nothing)").to_string();
    format!("{name}:{}:\n  is      {}\n  should  {}", line + 1, shown(&is), shown(&should))
}
