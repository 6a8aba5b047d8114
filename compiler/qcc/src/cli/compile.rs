//! `qcc compile`.

use super::calibrate::{self, Calibrate};
use super::{RuleFiles, Sizes, progress};
use qcc::failure::Failure;
use qcc::pipeline::{self, Compiled};
use qcc::{batch, example, inputs, measure, standard_rules};
use qcc_dsl::RuleSet;
use qcc_egraph::Report;
use qcc_ir::{Bindings, Graph, Node};
use qcc_kernel::Width;
use qcc_kernel::program::{Action, Program};
use qcc_lower::Target;
use qcc_session::{Engine, StepTime, artifact};
use qcc_tensor::Tensor;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long the compiled model is measured for the report.
const MEASURE: Duration = Duration::from_millis(500);

/// Compile a model: optimize it with the rules, choose the cheapest form, generate kernels
///
/// Examples:
///   qcc compile                                    the built-in example, with its accuracy
///   qcc compile model.onnx -o model.qcc
///   qcc compile model.onnx --calibrate samples.npz -o model.qcc
///   qcc compile model.onnx --rules my.rules --emit chosen
///   qcc compile model.onnx --without layout.rules
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Compile {
    /// The model, an .onnx file; without one the built-in example is compiled
    model: Option<PathBuf>,
    /// Where the compiled model goes
    #[arg(short, long, value_name = "OUT.qcc")]
    output: Option<PathBuf>,
    /// Print products instead of the report
    #[arg(long, value_enum, value_delimiter = ',')]
    emit: Vec<Emit>,
    /// The CPU that kernels are generated for; they run on any, and fastest on this one
    #[arg(long, value_enum, default_value = "host")]
    target: TargetName,
    /// Quantize a float model: samples, one array per model input, samples along axis 0
    #[arg(long, value_name = "DATA.npz")]
    calibrate: Option<PathBuf>,
    #[command(flatten)]
    options: Calibrate,
    #[command(flatten)]
    sizes: Sizes,
    #[command(flatten)]
    rules: RuleFiles,
}

/// CPUs that kernels are generated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum TargetName {
    /// The CPU of this machine
    Host,
    /// Any CPU with 128-bit vectors
    Baseline,
    /// CPUs with 256-bit vectors
    Avx2,
    /// CPUs with a dot product of bytes (VNNI)
    Vnni,
}

impl From<TargetName> for Target {
    fn from(name: TargetName) -> Target {
        match name {
            TargetName::Host => Target::host(),
            TargetName::Baseline => Target { dot4: false, width: Width::V128 },
            TargetName::Avx2 => Target { dot4: false, width: Width::V256 },
            TargetName::Vnni => Target { dot4: true, width: Width::V128 },
        }
    }
}

/// A product of the compiler, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Emit {
    /// The imported graph
    Ir,
    /// The imported graph with types
    Typed,
    /// What each rule did during saturation
    Egraph,
    /// The chosen graph
    Chosen,
    /// Steps, buffers and constants of the program
    Program,
    /// Kernels in kernel IR
    Kernel,
    /// Kernels in Cranelift's IR
    Clif,
    /// Kernels in machine code
    Asm,
    /// The chosen graph for Graphviz
    Dot,
}

impl Compile {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let (rules, warnings) = standard_rules::compile(&self.rules.selection())?;
        for warning in &warnings {
            eprintln!("{}\n", qcc_diag::render(warning, &rules.sources));
        }
        let (name, graph) = match &self.model {
            Some(path) => (path.display().to_string(), pipeline::import_with(path, &rules.defs)?),
            None => (example::NAME.to_string(), example::quantized()?),
        };
        let quantized = match &self.calibrate {
            Some(samples) => {
                let target = self.target.into();
                Some(self.options.quantize(&graph, &self.sizes.bindings(), &rules, samples, target)?)
            }
            None => None,
        };
        let unmeasured = match &self.calibrate {
            None if self.options.needs_no_samples() => {
                Some(self.options.without_samples(&graph, &self.sizes.bindings(), &rules)?)
            }
            _ => None,
        };
        let bar = progress::steps();
        let (bindings, target) = (self.sizes.bindings(), self.target.into());
        // A quantized graph is typed: its sizes are those of the samples.
        let written = quantized.as_ref().map(|q| &q.graph).or(unmeasured.as_ref().map(|u| &u.graph));
        let (graph, bindings) = match written {
            Some(written) => (written, Bindings::default()),
            None => (&graph, bindings),
        };
        let compiled = pipeline::compile(graph, &bindings, &rules, target, &mut |step| bar.set_message(step))?;
        bar.finish_and_clear();
        if self.emit.is_empty() {
            println!("{name}\n");
            quantized.iter().for_each(calibrate::print);
            unmeasured.iter().for_each(calibrate::print_unmeasured);
            report(&compiled, &rules)?;
            if self.model.is_none() {
                report_accuracy(&compiled, &rules)?;
            }
        }
        for &product in &self.emit {
            print!("{}", emit(product, graph, &compiled)?);
        }
        if let Some(path) = &self.output {
            artifact::save(&compiled.program, path)
                .map_err(|e| Failure::input(format!("cannot write `{}`: {e}", path.display())))?;
            println!("written to {}", path.display());
        }
        Ok(())
    }
}

fn emit(product: Emit, graph: &Graph, compiled: &Compiled) -> Result<String, Failure> {
    let code = |print: fn(&qcc_kernel::Kernel) -> Result<String, qcc_jit::JitError>| {
        let listing = |kernel: &qcc_kernel::Kernel| Ok(format!("; {}\n{}", kernel.name, print(kernel)?));
        let texts: Result<Vec<String>, _> = compiled.program.kernels.iter().map(listing).collect();
        texts.map(|t| t.join("\n")).map_err(|e: qcc_jit::JitError| Failure::Bug(e.to_string()))
    };
    Ok(match product {
        Emit::Ir => qcc_ir::print_graph(graph),
        Emit::Typed => qcc_ir::print(&compiled.typed),
        Emit::Egraph => saturation(&compiled.report),
        Emit::Chosen => qcc_ir::print(&compiled.chosen.graph),
        Emit::Program => qcc_lower::dump(&compiled.program),
        Emit::Kernel => compiled.program.kernels.iter().map(|k| format!("{k}\n")).collect(),
        Emit::Clif => code(|k| qcc_jit::clif(k, &qcc_jit::CpuFeatures::detect()))?,
        Emit::Asm => code(|k| qcc_jit::asm(k, &qcc_jit::CpuFeatures::detect()))?,
        Emit::Dot => dot(compiled.chosen.graph.graph()),
    })
}

/// What saturation did, step by step and rule by rule.
fn saturation(report: &Report) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let mut out = format!(
        "{} classes, {} nodes, {} iterations, {:.1} ms\n\n",
        report.classes,
        report.nodes,
        report.iterations,
        ms(report.time)
    );
    for step in &report.steps {
        out += &format!(
            "{:?} after {} iterations: {} nodes, {} classes, {:.1} ms  ({})\n",
            step.stop,
            step.iterations,
            step.nodes,
            step.classes,
            ms(step.time),
            step.rulesets.join(", ")
        );
    }
    out += &format!("\n{:<36} {:>8} {:>8} {:>8} {:>9}\n", "rule", "matches", "applied", "nodes", "ms");
    for rule in report.rules.iter().filter(|r| r.matches > 0) {
        let cut = if rule.cut > 0 { format!("  cut short {}x", rule.cut) } else { String::new() };
        out += &format!(
            "{:<36} {:>8} {:>8} {:>8} {:>9.2}{cut}\n",
            rule.name,
            rule.matches,
            rule.applied,
            rule.nodes,
            ms(rule.time)
        );
        for (reason, count) in &rule.refused {
            out += &format!("    {count:>6}x not applied: {reason}\n");
        }
    }
    out
}

/// The graph in the language of Graphviz.
fn dot(graph: &Graph) -> String {
    let mut out = String::from("digraph chosen {\n  node [shape=box, fontname=monospace]\n");
    for id in graph.node_ids() {
        let label = match graph.node(id) {
            Node::Const(_) => continue,
            Node::Input(n) => n.name.clone(),
            Node::Op(n) => n.op.name.to_string(),
            Node::Fused(n) => n.core.as_ref().map_or("map", |c| c.op.name).to_string(),
        };
        out += &format!("  n{} [label=\"{label}\"]\n", id.0);
        for input in graph.node(id).inputs().iter().flatten() {
            if !matches!(graph.node(input.node), Node::Const(_)) {
                out += &format!("  n{} -> n{}\n", input.node.0, id.0);
            }
        }
    }
    for (name, value) in graph.outputs() {
        out += &format!("  n{} -> \"{name}\"\n", value.node.0);
    }
    out + "}\n"
}

fn report(compiled: &Compiled, rules: &RuleSet) -> Result<(), Failure> {
    println!("rules that fired");
    for line in compiled.report.rules.iter().filter(|r| r.applied > 0) {
        let doc = rules.rules.iter().find(|r| r.name == line.name).and_then(|r| r.doc.lines().next()).unwrap_or("");
        println!("  {:>5}x {:<32} {doc}", line.applied, line.name);
    }
    let mut session = pipeline::session(&compiled.program, 1, Engine::Jit)?;
    let inputs = inputs::random(session.inputs().iter().map(|port| &port.ty), inputs::SEED);
    let times = measure::times(&mut session, &inputs, MEASURE)?;
    let (_, steps) = session.run_profiled(&inputs)?;
    match (compiled.program.samples, &compiled.whole_batch) {
        (1, None) => {}
        (1, Some(why)) => println!("\nthe batch is computed at once: {why}"),
        (samples, _) => println!("\n{samples} samples, one after the other"),
    }
    println!("\nkernels, one thread");
    kernels(&compiled.program, &steps);
    let chosen = &compiled.chosen;
    println!("\ncompiled");
    for (step, time) in &compiled.times {
        println!("  {step:<10} {:>9.1} ms", time.as_secs_f64() * 1e3);
    }
    println!("  {} classes, {} nodes in the e-graph", compiled.report.classes, compiled.report.nodes);
    println!(
        "  estimated cost {:.3} ms (at least {:.3}), of the graph as it came {:.3} ms",
        chosen.cost_ns / 1e6,
        chosen.lower_bound_ns / 1e6,
        chosen.seed_cost_ns / 1e6
    );
    let predicted = compiled.program.predicted_ns();
    println!(
        "\npredicted {:.3} ms, measured {:.3} ms (median of {} runs, fastest {:.3})",
        predicted / 1e6,
        times.median_ms,
        times.runs,
        times.min_ms
    );
    Ok(())
}

fn kernels(program: &Program, measured: &[StepTime]) {
    println!("  {:<40} {:>9} {:>13} {:>12}", "step", "MMAC", "predicted µs", "measured µs");
    for (step, time) in program.steps.iter().zip(measured) {
        let kind = match &step.action {
            Action::Reference { op, .. } => format!("reference {op}"),
            Action::Gemm(_) => "gemm".into(),
            Action::Halo(_) | Action::Copy { .. } => continue,
            _ => String::new(),
        };
        println!(
            "  {:<40} {:>9.3} {:>13.1} {:>12.1}  {kind}{}",
            shortened(&step.name, 40),
            (program.samples as u64 * step.macs) as f64 / 1e6,
            program.samples as f64 * step.predicted_ns / 1e3,
            time.nanoseconds as f64 / 1e3,
            step.remark.as_ref().map(|r| format!(" ({r})")).unwrap_or_default()
        );
    }
}

/// The end of a long name, which is the part that differs.
pub fn shortened(name: &str, width: usize) -> String {
    let count = name.chars().count();
    if count <= width {
        return name.to_string();
    }
    let tail: String = name.chars().skip(count - (width - 1)).collect();
    format!("…{tail}")
}

/// Runs the built-in test set through the compiled example and through its float twin.
fn report_accuracy(compiled: &Compiled, rules: &RuleSet) -> Result<(), Failure> {
    let (images, labels) = example::test_set()?;
    let float = pipeline::compile(&example::float()?, &Bindings::default(), rules, Target::host(), &mut |_| ())?;
    let share = |program: &Arc<Program>| -> Result<f64, Failure> {
        let samples = batch::Samples::new(vec![images.clone()], vec![Some(4)])?;
        let bar = progress::samples(samples.count());
        let outputs = batch::run(&samples, || pipeline::session(program, 1, Engine::Jit), || bar.inc(1))?;
        bar.finish_and_clear();
        Ok(accuracy(&outputs[0].1, &labels))
    };
    println!(
        "accuracy {:.2} % of {} labelled images; the float model {:.2} %",
        share(&compiled.program)?,
        labels.len(),
        share(&float.program)?
    );
    Ok(())
}

/// Percentage of rows of `logits` whose largest value stands at the label.
fn accuracy(logits: &Tensor, labels: &[i64]) -> f64 {
    let values = logits.to_f64_vec();
    let classes = values.len() / labels.len();
    let best = |row: &[f64]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0) as i64;
    let correct = values.chunks(classes).zip(labels).filter(|(row, label)| best(row) == **label).count();
    100.0 * correct as f64 / labels.len() as f64
}
