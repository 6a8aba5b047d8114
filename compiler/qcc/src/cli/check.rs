//! `qcc rules check`.

use super::rules::Files;
use qcc::failure::Failure;
use qcc_diag::{Diagnostic, Severity, SourceMap};
use serde_json::{Value, json};

/// Check rule files: syntax, names, attributes, contracts; every error of every file is reported
///
/// Examples:
///   qcc rules check my.rules
///   qcc rules check --json my.rules                for programs: file, line, column, message, help
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Check {
    #[command(flatten)]
    files: Files,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let compiled = self.files.compile_quietly();
        if self.json {
            let (count, files, found) = match &compiled {
                Ok((rules, warnings)) => {
                    let modules = self.files.modules(rules);
                    let count = rules.rules.iter().filter(|r| modules.contains(&r.module)).count();
                    (count, modules.len(), warnings.iter().map(|w| diagnostic(w, &rules.sources)).collect())
                }
                Err(Failure::Rules(sources, errors)) => {
                    (0, 0, errors.iter().map(|e| diagnostic(e, sources)).collect::<Vec<Value>>())
                }
                Err(_) => (0, 0, Vec::new()),
            };
            println!("{:#}", json!({ "rules": count, "files": files, "diagnostics": found }));
            return compiled.map(|_| ());
        }
        let rules = self.files.told(compiled?);
        let modules = self.files.modules(&rules);
        let count = rules.rules.iter().filter(|r| modules.contains(&r.module)).count();
        println!("{count} rules in {} files are sound in form", modules.len());
        Ok(())
    }
}

fn diagnostic(diagnostic: &Diagnostic, sources: &SourceMap) -> Value {
    let place = diagnostic.labels.first();
    let (line, column) = place.map_or((0, 0), |label| sources.line_column(label.span));
    json!({
        "code": diagnostic.code,
        "severity": match diagnostic.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Unsupported => "unsupported",
        },
        "message": diagnostic.message,
        "file": place.map(|label| sources.name(label.span.file)),
        "line": line,
        "column": column,
        "label": place.map(|label| label.text.as_str()),
        "help": diagnostic.help,
    })
}
