//! The model that a question is about.

use super::{RuleFiles, Sizes};
use qcc::failure::Failure;
use qcc::{example, pipeline, standard_rules};
use qcc_dsl::RuleSet;
use qcc_egraph::{Options, Saturated};
use qcc_ir::Graph;
use std::path::Path;

/// A saturated model with the rules it was saturated with.
pub struct Asked {
    /// The rules.
    pub rules: RuleSet,
    /// The e-graph with its history.
    pub saturated: Saturated,
}

/// Reads a model, or takes the built-in example.
pub fn model(path: Option<&Path>, rules: &RuleSet) -> Result<Graph, Failure> {
    match path {
        Some(path) => pipeline::import_with(path, &rules.defs),
        None => example::quantized(),
    }
}

/// Saturates a model for questions.
pub fn saturated(path: Option<&Path>, sizes: &Sizes, rules: &RuleFiles, options: Options) -> Result<Asked, Failure> {
    let (rules, _) = standard_rules::compile(&rules.selection())?;
    let saturated = pipeline::recorded(&model(path, &rules)?, &sizes.bindings(), &rules, options)?;
    Ok(Asked { rules, saturated })
}

/// Where a rule is written: `rules/norm.rules:12`.
pub fn place(rules: &RuleSet, rule: &qcc_dsl::Rule) -> String {
    format!("{}:{}", rules.sources.name(rule.span.file), rules.sources.line_column(rule.span).0)
}

/// A contract as it is written.
pub fn contract(contract: &qcc_dsl::Contract) -> String {
    use qcc_dsl::Contract;
    match contract {
        Contract::Exact => "@exact".into(),
        Contract::Real { ulp: None } => "@real".into(),
        Contract::Real { ulp: Some(n) } => format!("@real(ulp = {n})"),
        Contract::Lsb(n) => format!("@lsb({n})"),
        Contract::Lossy(reason) => format!("@lossy({reason:?})"),
    }
}

/// A text with every line moved to the right.
pub fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}
