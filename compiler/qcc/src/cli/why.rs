//! `qcc why`.

use super::asked::{self, indented, place};
use super::{RuleFiles, Sizes, explain};
use qcc::failure::Failure;
use qcc::pipeline;
use qcc::standard_rules::LIST_RULES;
use qcc_egraph::Options;
use qcc_egraph::why::{Answer, why};
use qcc_lower::Target;
use std::path::PathBuf;

/// Show why a rule did not fire, or fired and was not chosen
///
/// The answer is one of: the furthest partial match and what kept it from going on (an attribute, a number, an operator, an
/// input); the guard that said no, in its own words; the schedule or the limit that kept the rule out; a contract that does not
/// allow it; or, when it fired and is not part of the result, what a graph with its form would cost.
///
/// Examples:
///   qcc why conv-bn --model model.onnx
///   qcc why fuse-unary --model model.onnx --node /layer1/relu/Relu
///   qcc why my-rule --rules my.rules --json       about the built-in example
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Why {
    /// The rule
    rule: String,
    /// The model, an .onnx file; without one the built-in example
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Ask about one node of the model
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sizes: Sizes,
    #[command(flatten)]
    rules: RuleFiles,
}

impl Why {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let options = Options::default();
        let mut asked = asked::saturated(self.model.as_deref(), &self.sizes, &self.rules, options.clone())?;
        let position = asked.rules.rules.iter().position(|r| r.name == self.rule);
        let position = position.ok_or_else(|| {
            Failure::unknown("rule", &self.rule, asked.rules.rules.iter().map(|r| r.name.as_str()), LIST_RULES)
        })?;
        let (model, node) = (pipeline::costs(Target::host(), &asked.rules)?, self.node.as_deref());
        let answer = why(&mut asked.saturated, &asked.rules, &model, &options, position, node);
        let answer = answer.map_err(|e| explain::failure(e, &asked))?;
        let rule = &asked.rules.rules[position];
        if self.json {
            println!("{:#}", json(&answer, &self.rule));
        } else {
            let doc = rule.doc.lines().next().unwrap_or("");
            println!("{}: {doc}  ({})", rule.name, place(&asked.rules, rule));
            print!("{}", indented(&answer.to_string(), 2));
        }
        Ok(())
    }
}

fn json(answer: &Answer, rule: &str) -> serde_json::Value {
    let comparison = answer.comparison.as_ref().map(|c| {
        let change = |change: &qcc_egraph::why::Change| {
            serde_json::json!({
                "kernel": change.kernel,
                "chosen_ns": change.chosen_ns,
                "with_ns": change.with_ns,
            })
        };
        serde_json::json!({
            "chosen_ns": c.chosen_ns,
            "with_ns": c.with_ns,
            "changes": c.changes.iter().map(change).collect::<Vec<_>>(),
        })
    });
    serde_json::json!({
        "rule": rule,
        "kind": answer.kind.word(),
        "summary": answer.summary,
        "details": answer.details,
        "reason": answer.reason,
        "comparison": comparison,
    })
}
