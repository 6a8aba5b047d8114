//! `qcc rules profile`.

use super::asked::{self, Asked};
use super::{RuleFiles, Sizes};
use qcc::failure::Failure;
use qcc::pipeline;
use qcc_egraph::explain::selected;
use qcc_egraph::{Options, RuleReport};
use qcc_lower::Target;
use std::path::PathBuf;

/// Show what every rule did to a model: matches, applications, nodes added, time, and how much of it was chosen
///
/// A rule is `selected` as often as the chosen graph rests on an application of it. A rule that costs time and is never
/// selected on any model is a candidate for a better guard, a later step, or removal.
///
/// Examples:
///   qcc rules profile --model model.onnx
///   qcc rules profile --model model.onnx --slowest 5       saturates once more without the five slowest rules
///   qcc rules profile --model model.onnx --without-rules conv-nhwc,matmul-nhwc
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Profile {
    /// The model, an .onnx file; without one the built-in example
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Saturate once more without the N slowest rules and compare
    #[arg(long, value_name = "N")]
    slowest: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sizes: Sizes,
    #[command(flatten)]
    rules: RuleFiles,
}

struct Row<'a> {
    report: &'a RuleReport,
    ruleset: &'a str,
    selected: usize,
}

/// A run without some rules.
struct Without {
    rules: Vec<String>,
    saturate_ms: f64,
    nodes: usize,
    cost_ns: f64,
}

impl Profile {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let asked = self.saturated()?;
        let counts = selected(&asked.saturated, &asked.rules, &pipeline::costs(Target::host(), &asked.rules)?)?;
        // What is timed does not keep its history.
        let report = self.timed(&asked)?;
        let reports = report.rules.iter().zip(&asked.rules.rules).zip(counts);
        let mut rows: Vec<Row<'_>> =
            reports.map(|((report, rule), selected)| Row { report, ruleset: &rule.ruleset, selected }).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.report.time));
        let cost_ns = cost(&asked)?;
        let without = self.slowest.map(|n| self.without(&rows, n, &asked)).transpose()?;
        if self.json {
            println!("{:#}", json(&rows, &report, cost_ns, without.as_ref()));
        } else {
            print!("{}", table(&rows, &report, cost_ns, without.as_ref()));
        }
        Ok(())
    }

    fn saturated(&self) -> Result<Asked, Failure> {
        asked::saturated(self.model.as_deref(), &self.sizes, &self.rules, Options::default())
    }

    fn timed(&self, asked: &Asked) -> Result<qcc_egraph::Report, Failure> {
        let graph = asked::model(self.model.as_deref(), &asked.rules)?;
        let typed = pipeline::typed(&graph, &self.sizes.bindings())?;
        let saturated = qcc_egraph::saturate(&typed, &asked.rules, &Options::default());
        Ok(saturated.map_err(|e| Failure::Bug(e.to_string()))?.report().clone())
    }

    fn without(&self, rows: &[Row<'_>], count: usize, asked: &Asked) -> Result<Without, Failure> {
        let names: Vec<String> = rows.iter().take(count).map(|r| r.report.name.clone()).collect();
        let mut rules = asked.rules.clone();
        rules.rules.retain(|r| !names.contains(&r.name));
        let graph = asked::model(self.model.as_deref(), &asked.rules)?;
        let typed = pipeline::typed(&graph, &self.sizes.bindings())?;
        let saturated = qcc_egraph::saturate(&typed, &rules, &Options::default());
        let saturated = saturated.map_err(|e| Failure::Bug(e.to_string()))?;
        let (saturate_ms, nodes) = (ms(saturated.report().time), saturated.report().nodes);
        let asked = Asked { rules, saturated };
        Ok(Without { rules: names, saturate_ms, nodes, cost_ns: cost(&asked)? })
    }
}

fn cost(asked: &Asked) -> Result<f64, Failure> {
    Ok(qcc_egraph::extract(&asked.saturated, &pipeline::costs(Target::host(), &asked.rules)?)?.cost_ns)
}

fn ms(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn table(rows: &[Row<'_>], report: &qcc_egraph::Report, cost_ns: f64, without: Option<&Without>) -> String {
    let mut out = format!(
        "{:<34} {:<14} {:>9} {:>8} {:>8} {:>8} {:>9}\n",
        "rule", "ruleset", "matches", "applied", "nodes", "selected", "ms"
    );
    for row in rows.iter().filter(|r| r.report.matches > 0) {
        let r = row.report;
        let time = ms(r.time);
        out += &format!(
            "{:<34} {:<14} {:>9} {:>8} {:>8} {:>8} {time:>9.2}",
            r.name, row.ruleset, r.matches, r.applied, r.nodes, row.selected
        );
        let notes = [(r.cut, "cut short"), (r.dropped, "given up at the limit of nodes")];
        let notes = notes.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("  {what} {n}x"));
        out += &(notes.collect::<String>() + "\n");
    }
    let idle = rows.iter().filter(|r| r.report.matches == 0).count();
    let (classes, nodes, total) = (report.classes, report.nodes, ms(report.time));
    out += &format!("{idle} rules matched nothing\n");
    out += &format!(
        "\nsaturated in {total:.1} ms: {classes} classes, {nodes} nodes; chosen graph {:.1} µs\n",
        cost_ns / 1e3
    );
    if let Some(w) = without {
        out += &format!(
            "without {}: {:.1} ms, {} nodes; chosen graph {:.1} µs\n",
            w.rules.join(", "),
            w.saturate_ms,
            w.nodes,
            w.cost_ns / 1e3
        );
    }
    out
}

fn json(rows: &[Row<'_>], report: &qcc_egraph::Report, cost_ns: f64, without: Option<&Without>) -> serde_json::Value {
    let row = |row: &Row<'_>| {
        let r = row.report;
        serde_json::json!({
            "rule": r.name,
            "ruleset": row.ruleset,
            "matches": r.matches,
            "applied": r.applied,
            "nodes": r.nodes,
            "selected": row.selected,
            "ms": ms(r.time),
            "cut": r.cut,
            "dropped": r.dropped,
            "refused": r.refused.iter().map(|(why, n)| (why.clone(), (*n).into())).collect::<serde_json::Map<_, _>>(),
        })
    };
    let without = without.map(|w| {
        serde_json::json!({
            "rules": w.rules,
            "saturate_ms": w.saturate_ms,
            "nodes": w.nodes,
            "cost_ns": w.cost_ns,
        })
    });
    serde_json::json!({
        "saturate_ms": ms(report.time),
        "classes": report.classes,
        "nodes": report.nodes,
        "cost_ns": cost_ns,
        "rules": rows.iter().map(row).collect::<Vec<_>>(),
        "without": without,
    })
}
