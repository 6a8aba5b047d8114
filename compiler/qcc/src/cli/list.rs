//! `qcc rules list`.

use super::markdown;
use super::rules::Files;
use qcc::failure::Failure;
use qcc_dsl::{BuiltinEntry, Contract, OperatorEntry, Rule, RuleSet, builtin_functions, operators, term_functions};
use serde_json::{Value, json};

/// List rules with their contracts and documentation, or what rules can be made of
///
/// Examples:
///   qcc rules list                                 the standard rules
///   qcc rules list my.rules --json
///   qcc rules list --ops                           operators with their inputs, outputs and attributes
///   qcc rules list --builtins                      functions of conditions and of right sides
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct List {
    #[command(flatten)]
    files: Files,
    /// List operators instead
    #[arg(long)]
    ops: bool,
    /// List built-in functions instead
    #[arg(long)]
    builtins: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print a chapter of the language reference
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

impl List {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        if self.markdown {
            if self.ops {
                print!("{}", markdown::operators());
            }
            if self.builtins {
                print!("{}", markdown::builtins());
            }
            if self.ops || self.builtins {
                return Ok(());
            }
            return Err(Failure::input("--markdown goes with --ops or --builtins"));
        }
        if self.ops {
            print(self.json, operators().iter().map(operator_json).collect(), &operators_text());
        }
        if self.builtins {
            let functions = builtin_functions().into_iter().chain(term_functions());
            print(self.json, functions.map(|f| builtin_json(&f)).collect(), &builtins_text());
        }
        if self.ops || self.builtins {
            return Ok(());
        }
        let rules = self.files.compile()?;
        let modules = self.files.modules(&rules);
        let listed: Vec<&Rule> = rules.rules.iter().filter(|r| modules.contains(&r.module) && !r.reverse).collect();
        print(self.json, listed.iter().map(|rule| rule_json(rule, &rules)).collect(), &rules_text(&listed, &rules));
        Ok(())
    }
}

fn print(as_json: bool, json: Vec<Value>, text: &str) {
    if as_json { println!("{:#}", Value::Array(json)) } else { print!("{text}") }
}

fn rules_text(listed: &[&Rule], rules: &RuleSet) -> String {
    let mut out = String::new();
    let mut module = "";
    for rule in listed {
        if rule.module != module {
            out += &format!("{}{}\n", if module.is_empty() { "" } else { "\n" }, rule.module);
            module = &rule.module;
        }
        let (line, _) = rules.sources.line_column(rule.span);
        let summary = rule.doc.lines().next().unwrap_or("");
        out += &format!("  {:<34} {:<10} {summary}\n", rule.name, contract(&rule.contract));
        out += &format!("  {:<34} {:<10} {}:{line}\n", "", "", rules.sources.name(rule.span.file));
    }
    out
}

fn rule_json(rule: &Rule, rules: &RuleSet) -> Value {
    let (line, _) = rules.sources.line_column(rule.span);
    json!({
        "name": rule.name,
        "module": rule.module,
        "ruleset": rule.ruleset,
        "contract": contract(&rule.contract),
        "doc": rule.doc,
        "reasons": rule.guards.iter().map(|guard| guard.reason.as_str()).collect::<Vec<_>>(),
        "file": rules.sources.name(rule.span.file),
        "line": line,
    })
}

fn contract(contract: &Contract) -> String {
    match contract {
        Contract::Exact => "exact".into(),
        Contract::Real { ulp: None } => "real".into(),
        Contract::Real { ulp: Some(n) } => format!("real({n})"),
        Contract::Lsb(n) => format!("lsb({n})"),
        Contract::Lossy(_) => "lossy".into(),
    }
}

fn operators_text() -> String {
    let mut out = String::new();
    let mut domain = "";
    for entry in operators() {
        if entry.domain != domain {
            out += &format!("{}import {}::*\n\n", if domain.is_empty() { "" } else { "\n" }, entry.domain);
            domain = entry.domain;
        }
        out += &format!("{}\n    {}\n", entry.signature, entry.op.doc);
        for attribute in &entry.attributes {
            out += &format!("    {}: {} = {}\n", attribute.name, attribute.kind, attribute.default);
        }
    }
    out
}

fn operator_json(entry: &OperatorEntry) -> Value {
    let attribute = |a: &qcc_dsl::AttributeEntry| json!({ "name": a.name, "kind": a.kind, "default": a.default });
    json!({
        "name": entry.op.name,
        "domain": entry.domain,
        "signature": entry.signature,
        "doc": entry.op.doc,
        "attributes": entry.attributes.iter().map(attribute).collect::<Vec<_>>(),
    })
}

fn builtins_text() -> String {
    let lines = |title: &str, entries: Vec<BuiltinEntry>| {
        let entries = entries.iter().map(|e| format!("{:<28} {}\n", e.signature, e.doc));
        format!("{title}\n\n{}", entries.collect::<String>())
    };
    let conditions = lines("in conditions and attribute values", builtin_functions());
    format!("{conditions}\n{}", lines("on right sides", term_functions()))
}

fn builtin_json(entry: &BuiltinEntry) -> Value {
    json!({ "name": entry.name, "signature": entry.signature, "doc": entry.doc })
}
