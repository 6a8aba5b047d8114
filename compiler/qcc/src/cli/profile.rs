//! `qcc profile`.

use super::{Most, RuleFiles, Sizes};
use qcc::failure::Failure;
use qcc::model::Model;
use qcc::profile::{self, Products, Profile};
use qcc::{inputs, pipeline};
use qcc_session::Engine;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Show where the time goes: every kernel with its time, share, rate and prediction
///
/// With -o a trace is written that chrome://tracing and Perfetto open.
///
/// Examples:
///   qcc profile model.onnx
///   qcc profile model.qcc --threads 2 -o trace.json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ProfileCommand {
    /// The model, an .onnx or .qcc file
    model: PathBuf,
    /// Where the trace goes
    #[arg(short, long, value_name = "TRACE.json")]
    output: Option<PathBuf>,
    /// Threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How long to repeat
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sizes: Sizes,
    #[command(flatten)]
    rules: RuleFiles,
    #[command(flatten)]
    most: Most,
}

impl ProfileCommand {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let model = Model::open_with(&self.model, &self.rules.selection(), &self.most.limits())?;
        let program = model.program(&self.sizes.bindings(), &self.rules.selection())?;
        let mut session = pipeline::session(&program, self.threads, Engine::Jit)?;
        let inputs = inputs::random(session.inputs().iter().map(|port| &port.ty), inputs::SEED);
        let budget = Duration::from_secs_f64(self.seconds.max(0.0));
        let profile = profile::profile(&program, &mut session, &inputs, budget)?;
        if self.json {
            println!("{}", report(&profile));
        } else {
            print!("{}", table(&profile));
        }
        if let Some(path) = &self.output {
            std::fs::write(path, trace(&profile).to_string())
                .map_err(|e| Failure::input(format!("cannot write `{}`: {e}", path.display())))?;
            eprintln!("written to {}", path.display());
        }
        Ok(())
    }
}

fn table(profile: &Profile) -> String {
    let mut out = format!(
        "{:<40} {:>9} {:>6} {:>12} {:>9} {:>8} {:>8} {:>8}  kernel\n",
        "step", "µs", "%", "predicted µs", "MMAC", "GMAC/s", "KiB", "GB/s"
    );
    let total = profile.total_ns();
    for step in &profile.steps {
        let ns = step.measured_ns.max(1.0);
        let rate = if step.macs == 0 { String::new() } else { format!("{:.1}", step.macs as f64 / ns) };
        out += &format!(
            "{:<40} {:>9.1} {:>6.1} {:>12.1} {:>9.3} {rate:>8} {:>8.1} {:>8.1}  {}\n",
            super::compile::shortened(&step.name, 40),
            step.measured_ns / 1e3,
            100.0 * step.measured_ns / total,
            step.predicted_ns / 1e3,
            step.macs as f64 / 1e6,
            step.bytes as f64 / 1024.0,
            step.bytes as f64 / ns,
            step.kind
        );
    }
    let predicted: f64 = profile.steps.iter().map(|s| s.predicted_ns).sum();
    out += &format!(
        "\n{:.3} ms in {} steps (median of {} runs), predicted {:.3} ms\n",
        total / 1e6,
        profile.steps.len(),
        profile.runs,
        predicted / 1e6
    );
    let share = |products| 100.0 * profile.share(products);
    let (integer, float) = (share(Products::Integer), share(Products::Float));
    out += &format!(
        "{integer:.1} % of the time in products of codes, {float:.1} % in products of floats, {:.1} % elsewhere\n",
        100.0 - integer - float
    );
    if let Some(agreement) = profile.agreement() {
        out += &format!(
            "predicted against measured, {} steps that matter: rank correlation {:.2}, median error {:.0} %, beside a factor of \
             {:.2} for all {:.0} %\n",
            agreement.steps,
            agreement.rank_correlation,
            100.0 * agreement.median_error,
            agreement.slowness,
            100.0 * agreement.median_error_beside
        );
    }
    out
}

fn report(profile: &Profile) -> serde_json::Value {
    let steps = profile.steps.iter().map(|s| {
        json!({
            "name": s.name, "kernel": s.kind, "measured_us": s.measured_ns / 1e3, "predicted_us": s.predicted_ns / 1e3,
            "macs": s.macs, "bytes": s.bytes,
        })
    });
    let agreement = profile.agreement().map(|a| {
        json!({ "steps": a.steps, "rank_correlation": a.rank_correlation, "median_error": a.median_error,
            "slowness": a.slowness, "median_error_beside": a.median_error_beside })
    });
    json!({
        "total_us": profile.total_ns() / 1e3,
        "runs": profile.runs,
        "share": {
            "products_of_codes": profile.share(Products::Integer),
            "products_of_floats": profile.share(Products::Float),
        },
        "agreement": agreement,
        "steps": steps.collect::<Vec<_>>(),
    })
}

/// One run in the trace event format of Chrome: complete events, times in microseconds.
fn trace(profile: &Profile) -> serde_json::Value {
    let events = profile.trace.iter().zip(&profile.steps).map(|(time, step)| {
        json!({
            "name": step.name, "cat": step.kind, "ph": "X", "pid": 1, "tid": 1,
            "ts": time.start_ns as f64 / 1e3, "dur": time.nanoseconds as f64 / 1e3,
            "args": { "macs": step.macs, "bytes": step.bytes, "predicted_us": step.predicted_ns / 1e3 },
        })
    });
    json!({ "displayTimeUnit": "ns", "traceEvents": events.collect::<Vec<_>>() })
}
