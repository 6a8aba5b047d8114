//! `qcc rules check`.

use super::dead;
use super::evidence::{self, Evidence};
use super::rules::Files;
use qcc::failure::Failure;
use qcc_diag::{Diagnostic, Severity, SourceMap};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Check rule files: syntax, names, attributes, contracts; then compare both sides of every rule on generated graphs
///
/// Every error of every file is reported. A rule whose sides differ by more than its contract allows is printed with a
/// small graph and the values of both sides; a rule that no generated graph satisfies has not passed.
///
/// With models, rules that do nothing for any of them are listed, too: their pattern never matches, they never fire, or the
/// chosen graph never rests on them. Sizes that a model leaves open are taken as one.
///
/// Examples:
///   qcc rules check my.rules
///   qcc rules check --cases 5000 my.rules          more generated graphs for each rule
///   qcc rules check --no-soundness my.rules        the language alone
///   qcc rules check my.rules --models zoo/ a.onnx  rules that do nothing for the models
///   qcc rules check --json my.rules                for programs: file, line, column, message, help
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Check {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    evidence: Evidence,
    /// Also list the rules that do nothing for these models, files or folders
    #[arg(long, value_name = "MODELS", num_args = 1..)]
    models: Vec<PathBuf>,
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
            let evidence = match &compiled {
                Ok((rules, _)) => self.evidence.gather(rules, &self.files.modules(rules)),
                Err(_) => Vec::new(),
            };
            let soundness = evidence::as_json(&evidence);
            let mut answer = json!({ "rules": count, "files": files, "diagnostics": found, "soundness": soundness });
            if let (Ok((rules, _)), false) = (&compiled, self.models.is_empty()) {
                let modules = self.files.modules(rules);
                answer["usage"] = dead::survey(&self.models, rules)?.json(rules, &modules);
            }
            println!("{answer:#}");
            let judged = evidence::judged(&evidence);
            return compiled.map(|_| ()).and(judged);
        }
        let rules = self.files.told(compiled?);
        let modules = self.files.modules(&rules);
        let count = rules.rules.iter().filter(|r| modules.contains(&r.module)).count();
        println!("{count} rules in {} files are sound in form", modules.len());
        let found = self.evidence.gather(&rules, &modules);
        print!("{}", evidence::told(&found, &rules));
        if !self.models.is_empty() {
            dead::survey(&self.models, &rules)?.print(&rules, &modules);
        }
        evidence::judged(&found)
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
