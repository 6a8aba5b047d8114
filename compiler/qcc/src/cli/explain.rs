//! `qcc explain`.

use super::asked::{self, Asked, contract, indented, place};
use super::{RuleFiles, Sizes};
use qcc::failure::Failure;
use qcc::pipeline;
use qcc_egraph::Options;
use qcc_egraph::explain::{Check, ExplainError, Explanation, Fate, Step, explain, node_names};
use qcc_lower::Target;
use std::path::PathBuf;

/// Show which rules led from the model's nodes to the chosen kernels
///
/// For every kernel the applications it rests on, each behind those it needs: both sides as graphs, and whether they compute
/// the same. Every step is checked again: both sides are typed, and evaluated by the reference evaluation on random values of
/// the rule's variables (constants keep their values); a step too large for that is only typed, and says so.
///
/// Exit code 1 if a step does not hold.
///
/// Examples:
///   qcc explain                                   the built-in example
///   qcc explain model.onnx --node /layer1/conv1/Conv
///   qcc explain model.onnx --node conv1 --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Explain {
    /// The model, an .onnx file; without one the built-in example is explained
    model: Option<PathBuf>,
    /// Explain one node of the model
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

impl Explain {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let asked = asked::saturated(self.model.as_deref(), &self.sizes, &self.rules, Options::default())?;
        let explained = explain(
            &asked.saturated,
            &asked.rules,
            &pipeline::costs(Target::host(), &asked.rules)?,
            self.node.as_deref(),
        );
        let explained = explained.map_err(|e| failure(e, &asked))?;
        if self.json {
            let all: Vec<_> = explained.iter().map(|e| json(e, &asked)).collect();
            println!("{:#}", serde_json::Value::from(all));
        } else {
            explained.iter().for_each(|e| print!("{}", text(e, &asked)));
        }
        let failed = explained.iter().flat_map(|e| &e.steps).filter(|s| matches!(s.check, Check::Failed(_))).count();
        match failed {
            0 => Ok(()),
            n => Err(Failure::Check(format!("{n} steps do not compute the same on both sides"))),
        }
    }
}

/// What a question that cannot be answered means for the user.
pub fn failure(error: ExplainError, asked: &Asked) -> Failure {
    match error {
        ExplainError::Node(unknown) => {
            Failure::unknown("node", &unknown.name, node_names(&asked.saturated), "without --node all are shown")
        }
        other => other.into(),
    }
}

fn fate(fate: &Fate) -> String {
    match fate {
        Fate::Stored => "its value is stored by a kernel".into(),
        Fate::Inside(name) => format!("its value is computed inside the kernel of `{name}`"),
        Fate::Constant => "its value is a constant".into(),
        Fate::Became(name) => format!("it became part of the kernel of `{name}`"),
        Fate::Gone(name) => format!("its value is not computed; the kernel of `{name}` does without it"),
        Fate::Unused => "its value is not needed".into(),
    }
}

fn check(check: &Check) -> String {
    match check {
        Check::Equal => "checked: both sides evaluated on random values, equal bit for bit".into(),
        Check::Close => "checked: both sides evaluated on random values, equal within the contract".into(),
        Check::Types(why) => format!("checked: the types agree; not evaluated: {why}"),
        Check::Failed(what) => format!("DOES NOT HOLD: {what}"),
    }
}

fn text(explanation: &Explanation, asked: &Asked) -> String {
    let mut out = format!("{}: {}\n", explanation.node, fate(&explanation.fate));
    for (i, step) in explanation.steps.iter().enumerate() {
        let rule = &asked.rules.rules[step.rule];
        let head =
            format!("{} in {}, {}, {}", rule.name, rule.ruleset, contract(&rule.contract), place(&asked.rules, rule));
        out += &format!("\n  {}. {head}\n     {}\n", i + 1, rule.doc.lines().next().unwrap_or(""));
        out += &indented(&step.left, 7);
        out += "     =>\n";
        out += &indented(&step.right, 7);
        out += &format!("     {}\n", check(&step.check));
    }
    if !explanation.kernel.is_empty() {
        out += &format!("\n  chosen, {:.1} µs:\n{}", explanation.cost_ns / 1e3, indented(&explanation.kernel, 5));
    }
    out + "\n"
}

fn json(explanation: &Explanation, asked: &Asked) -> serde_json::Value {
    let step = |step: &Step| {
        let rule = &asked.rules.rules[step.rule];
        let (outcome, note) = match &step.check {
            Check::Equal => ("equal", ""),
            Check::Close => ("close", ""),
            Check::Types(why) => ("types", why.as_str()),
            Check::Failed(what) => ("failed", what.as_str()),
        };
        serde_json::json!({
            "rule": rule.name,
            "ruleset": rule.ruleset,
            "contract": contract(&rule.contract),
            "place": place(&asked.rules, rule),
            "doc": rule.doc,
            "left": step.left,
            "right": step.right,
            "check": outcome,
            "note": note,
        })
    };
    let (fate, at) = match &explanation.fate {
        Fate::Stored => ("stored", None),
        Fate::Inside(name) => ("inside", Some(name)),
        Fate::Constant => ("constant", None),
        Fate::Became(name) => ("became", Some(name)),
        Fate::Gone(name) => ("gone", Some(name)),
        Fate::Unused => ("unused", None),
    };
    serde_json::json!({
        "node": explanation.node,
        "fate": fate,
        "kernel_of": at,
        "kernel": explanation.kernel,
        "cost_ns": explanation.cost_ns,
        "steps": explanation.steps.iter().map(step).collect::<Vec<_>>(),
    })
}
