//! `qcc bench`.

use super::{EngineName, Most, RuleFiles, Sizes};
use qcc::failure::Failure;
use qcc::model::Model;
use qcc::specialized::{Capacity, Settings, Specialized};
use qcc::{inputs, measure, pipeline, standard_rules};
use qcc_ir::{Bindings, Dim, Graph};
use qcc_lower::Target;
use qcc_tensor::{Tensor, TensorType};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Time a model on random inputs
///
/// Example:
///   qcc bench model.onnx --threads 2 --seconds 3 --json
///   qcc bench model.onnx --bind batch=1 --met sequence=8,16,32
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
    #[arg(long, conflicts_with = "met")]
    json: bool,
    /// Sizes of an open dimension that one session meets in turn: --met sequence=8,16,32
    #[arg(long, value_name = "DIM=SIZE,…", value_parser = parse_met)]
    met: Option<Met>,
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
        if let Some(met) = &self.met {
            let Model::Graph(graph) = model else {
                return Err(Failure::input("a compiled model has fixed shapes; give --met with the .onnx file"));
            };
            return self.meet(*graph, met);
        }
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

    /// Times one session that meets a dimension in several sizes.
    fn meet(&self, graph: Graph, met: &Met) -> Result<(), Failure> {
        let settings = Settings {
            rules: standard_rules::compile(&self.rules.selection())?.0,
            bindings: self.sizes.bindings(),
            target: Target::host(),
            engine: self.engine.into(),
            threads: self.threads,
            capacity: Capacity::default(),
        };
        let mut session = Specialized::new(graph.clone(), settings);
        for &size in &met.sizes {
            let mut bindings = self.sizes.bindings();
            bindings.dims.push((met.name.clone(), size));
            let inputs = inputs_for(&graph, &bindings)?;
            let start = Instant::now();
            session.run(&inputs)?;
            let first_ms = start.elapsed().as_secs_f64() * 1e3;
            let mut times = Vec::new();
            let budget = Duration::from_secs_f64(self.seconds.max(0.0) / met.sizes.len() as f64);
            let begin = Instant::now();
            while times.len() < 3 || begin.elapsed() < budget {
                let start = Instant::now();
                session.run(&inputs)?;
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
            times.sort_by(f64::total_cmp);
            println!(
                "{}={size:<8} first result after {first_ms:8.1} ms, then {:9.3} ms",
                met.name,
                times[times.len() / 2]
            );
        }
        let done = session.statistics();
        println!(
            "{} programs compiled, {} dropped, {} runs of those that were there; {} kept, {:.1} MiB",
            done.compiled,
            done.dropped,
            done.hits,
            session.kept(),
            session.kept_bytes() as f64 / f64::from(1 << 20)
        );
        Ok(())
    }
}

/// A dimension and the sizes that it is met in.
#[derive(Debug, Clone)]
struct Met {
    name: String,
    sizes: Vec<usize>,
}

fn parse_met(text: &str) -> Result<Met, String> {
    let (name, sizes) = text.split_once('=').ok_or("expected DIM=SIZE,…")?;
    let sizes = sizes.split(',').map(|size| size.parse().map_err(|_| format!("`{size}` is no size")));
    Ok(Met { name: name.to_string(), sizes: sizes.collect::<Result<_, _>>()? })
}

/// Random inputs of the shapes that bindings give.
fn inputs_for(graph: &Graph, bindings: &Bindings) -> Result<Vec<Tensor>, Failure> {
    let bound = qcc_ir::bind(graph, bindings).map_err(Failure::Diagnostics)?;
    let types = bound.inputs().iter().map(|&id| {
        let input = bound.input(id);
        let sizes = input.dims.iter().flatten().map(|dim| match dim {
            Dim::Known(size) => *size,
            Dim::Symbol(_) => 0,
        });
        TensorType::new(input.dtype, sizes)
    });
    let types: Vec<TensorType> = types.collect();
    Ok(inputs::random(types.iter(), inputs::SEED))
}
