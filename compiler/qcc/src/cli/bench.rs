//! `qcc bench`.

use super::{EngineName, Most, RuleFiles, Sizes};
use qcc::failure::Failure;
use qcc::model::Model;
use qcc::{inputs, measure, pipeline};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Time a model on random inputs
///
/// Example:
///   qcc bench model.onnx --threads 2 --seconds 3 --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Bench {
    /// The model, an .onnx or .qcc file
    model: PathBuf,
    /// Threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How long to repeat
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// How kernels are executed
    #[arg(long, value_enum, default_value = "jit")]
    engine: EngineName,
    #[command(flatten)]
    sizes: Sizes,
    #[command(flatten)]
    rules: RuleFiles,
    #[command(flatten)]
    most: Most,
}

impl Bench {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let start = Instant::now();
        let model = Model::open_with(&self.model, &self.rules.selection(), &self.most.limits())?;
        let program = model.program(&self.sizes.bindings(), &self.rules.selection())?;
        let mut session = pipeline::session(&program, self.threads, self.engine.into())?;
        let load_ms = start.elapsed().as_secs_f64() * 1e3;
        let inputs = inputs::random(session.inputs().iter().map(|port| &port.ty), inputs::SEED);
        session.run(&inputs)?;
        let to_first_ms = start.elapsed().as_secs_f64() * 1e3;
        let times = measure::times(&mut session, &inputs, Duration::from_secs_f64(self.seconds.max(0.0)))?;
        let peak = measure::peak_rss_mb();
        if self.json {
            let report = serde_json::json!({
                "median_ms": times.median_ms,
                "min_ms": times.min_ms,
                "p95_ms": times.p95_ms,
                "runs": times.runs,
                "load_ms": load_ms,
                "to_first_ms": to_first_ms,
                "peak_rss_mb": peak,
            });
            println!("{report}");
        } else {
            println!(
                "median {:.3} ms, fastest {:.3} ms, 95 % below {:.3} ms, {} runs on {} thread(s)",
                times.median_ms, times.min_ms, times.p95_ms, times.runs, self.threads
            );
            println!("ready after {load_ms:.0} ms, first result after {to_first_ms:.0} ms");
            if let Some(peak) = peak {
                println!("at most {peak:.0} MiB of memory");
            }
        }
        Ok(())
    }
}
