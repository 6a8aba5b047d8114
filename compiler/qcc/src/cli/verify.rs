//! `qcc verify`.

use super::calibrate::{self, Calibrate};
use super::{RuleFiles, Sizes, progress};
use qcc::failure::Failure;
use qcc::model::Model;
use qcc::pipeline::{self, Compiled};
use qcc::quantize::{self, Watch};
use qcc::{batch, cut, inputs, standard_rules, stored};
use qcc_dsl::RuleSet;
use qcc_ir::{Bindings, Graph, Node, TypedGraph};
use qcc_lower::Target;
use qcc_session::Engine;
use qcc_tensor::{Tensor, TensorType};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Compare a compiled model with the definition of its result
///
/// Machine code must equal the interpreter bit for bit at one and two threads. Every quantized tensor, computed by the
/// compiled layers from the reference's codes, must be within one step of the reference evaluation of the model as it came;
/// one step happens where rounding meets a tie.
///
/// With samples to calibrate with, the model is quantized and compared with itself in floats, layer by layer.
///
/// Examples:
///   qcc verify model.onnx --random 8
///   qcc verify model.onnx --calibrate calibration.npz --data test.npz
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Verify {
    /// The model, an .onnx file
    model: PathBuf,
    /// Random inputs, beside four at the edges of the input's type
    #[arg(long, default_value_t = 8)]
    random: u64,
    /// Samples to compare on instead of random inputs
    #[arg(long, value_name = "DATA.npz")]
    data: Option<PathBuf>,
    /// Quantize the model with these samples and compare it with the float model
    #[arg(long, value_name = "DATA.npz")]
    calibrate: Option<PathBuf>,
    /// Signal over noise (dB) below which a layer has diverged
    #[arg(long, value_name = "DB", default_value_t = 15.0)]
    diverged: f64,
    #[command(flatten)]
    options: Calibrate,
    #[command(flatten)]
    sizes: Sizes,
    #[command(flatten)]
    rules: RuleFiles,
}

impl Verify {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let (rules, _) = standard_rules::compile(&self.rules.selection())?;
        let graph = pipeline::import_with(&self.model, &rules.defs)?;
        if let Some(calibration) = &self.calibrate {
            return self.against_float(&graph, &rules, calibration);
        }
        let (graph, bindings) = match self.options.needs_no_samples() {
            true => {
                let unmeasured = self.options.without_samples(&graph, &self.sizes.bindings(), &rules)?;
                (unmeasured.graph, Bindings::default())
            }
            false => (graph, self.sizes.bindings()),
        };
        let compiled = pipeline::compile(&graph, &bindings, &rules, Target::host(), &mut |_| ())?;
        let types: Vec<TensorType> = compiled.program.inputs.iter().map(|port| port.ty.clone()).collect();
        let samples = match &self.data {
            Some(path) => given(&graph, path)?,
            None => {
                let mut samples: Vec<Vec<Tensor>> =
                    (0..self.random).map(|seed| inputs::random(types.iter(), seed + 1)).collect();
                samples.extend(inputs::adversarial(&types.iter().collect::<Vec<_>>()));
                samples
            }
        };
        engines(&compiled, &samples)?;
        outputs(&compiled, &samples)?;
        layers(&compiled.typed, &rules, &samples)
    }

    fn against_float(&self, graph: &Graph, rules: &RuleSet, calibration: &Path) -> Result<(), Failure> {
        let quantized = self.options.quantize(graph, &self.sizes.bindings(), rules, calibration, Target::host())?;
        let data = stored::open(self.data.as_deref().unwrap_or(calibration))?;
        let watch = Watch { stage: &|_, _| (), sample: &|| () };
        let errors = quantize::layer_errors(&quantized, rules, data, &watch)?;
        calibrate::print_layers(&quantized, &errors, self.diverged);
        Ok(())
    }
}

/// The samples of a file.
fn given(graph: &Graph, path: &Path) -> Result<Vec<Vec<Tensor>>, Failure> {
    let model = Model::Graph(Box::new(graph.clone()));
    let samples = batch::Samples::new(model.matched(stored::open(path)?)?, model.input_ranks())?;
    (0..samples.count()).map(|i| samples.inputs(i)).collect()
}

/// Machine code at one and two threads against the interpreter.
fn engines(compiled: &Compiled, samples: &[Vec<Tensor>]) -> Result<(), Failure> {
    let bar = progress::samples(samples.len());
    let run = |engine, threads, sample: &[Tensor]| -> Result<Vec<Tensor>, Failure> {
        let mut session = pipeline::session(&compiled.program, threads, engine)?;
        Ok(session.run(sample)?)
    };
    samples.par_iter().enumerate().try_for_each(|(i, sample)| {
        let expected = run(Engine::Interpreter, 1, sample)?;
        for threads in [1, 2] {
            if run(Engine::Jit, threads, sample)? != expected {
                let message = format!("input {i}: machine code at {threads} thread(s) differs from the interpreter");
                return Err(Failure::Check(message));
            }
        }
        bar.inc(1);
        Ok(())
    })?;
    bar.finish_and_clear();
    println!("machine code equals the interpreter bit for bit on {} inputs at 1 and 2 threads", samples.len());
    Ok(())
}

/// The outputs against the reference evaluation of the model as it came.
fn outputs(compiled: &Compiled, samples: &[Vec<Tensor>]) -> Result<(), Failure> {
    let errors: Vec<Vec<Error>> = samples
        .par_iter()
        .map(|sample| {
            let mut session = pipeline::session(&compiled.program, 1, Engine::Jit)?;
            let got = session.run(sample)?;
            let mut expected = qcc_ir::evaluate(&compiled.typed, sample)?;
            if let Some(tail) = &compiled.program.tail {
                expected = tail.block.run(expected, &mut qcc_session::Options::default().tail)?;
            }
            Ok(got.iter().zip(&expected).map(|(g, e)| Error::between(g, e)).collect())
        })
        .collect::<Result<_, Failure>>()?;
    let names = pipeline::session(&compiled.program, 1, Engine::Interpreter)?.output_names();
    for (i, name) in names.iter().enumerate() {
        let total = errors.iter().map(|e| &e[i]).fold(Error::default(), Error::with);
        println!(
            "output {}: {:.1} dB above its differences from the reference evaluation, largest {:.3e}",
            name,
            total.sqnr_db(),
            total.largest
        );
    }
    Ok(())
}

/// Distance of tensors from what they should be.
#[derive(Debug, Clone, Copy, Default)]
struct Error {
    signal: f64,
    noise: f64,
    largest: f64,
}

impl Error {
    fn between(got: &Tensor, expected: &Tensor) -> Error {
        let pairs = got.to_f64_vec().into_iter().zip(expected.to_f64_vec());
        pairs.fold(Error::default(), |sum, (g, e)| {
            let d = if g == e { 0.0 } else { (g - e).abs() };
            Error { signal: sum.signal + e * e, noise: sum.noise + d * d, largest: sum.largest.max(d) }
        })
    }

    fn with(self, other: &Error) -> Error {
        Error {
            signal: self.signal + other.signal,
            noise: self.noise + other.noise,
            largest: self.largest.max(other.largest),
        }
    }

    fn sqnr_db(&self) -> f64 {
        if self.noise == 0.0 { f64::INFINITY } else { 10.0 * (self.signal / self.noise).log10() }
    }
}

/// Every quantized tensor, computed from the reference's codes, against the reference.
fn layers(typed: &TypedGraph, rules: &RuleSet, samples: &[Vec<Tensor>]) -> Result<(), Failure> {
    let cut = cut::at_codes(typed);
    if cut.codes.is_empty() {
        println!("the model has no quantized tensors to compare");
        return Ok(());
    }
    let compiled = pipeline::compile(&cut.graph, &Bindings::default(), rules, Target::host(), &mut |_| ())?;
    let bar = progress::samples(samples.len());
    let counts: Vec<Vec<Steps>> = samples
        .par_iter()
        .map(|sample| {
            let values = qcc_ir::evaluate_all(typed, sample)?;
            let codes: Vec<&Tensor> = cut.codes.iter().map(|v| &values[v]).collect();
            let given: Vec<Tensor> = sample.iter().chain(codes.iter().copied()).cloned().collect();
            let mut session = pipeline::session(&compiled.program, 1, Engine::Jit)?;
            let got = session.run(&given)?;
            bar.inc(1);
            Ok(got.iter().zip(codes).map(|(g, e)| Steps::between(g, e)).collect())
        })
        .collect::<Result<_, Failure>>()?;
    bar.finish_and_clear();
    let mut total = Steps::default();
    let mut wrong = Vec::new();
    for (i, value) in cut.codes.iter().enumerate() {
        let layer = counts.iter().map(|c| c[i]).fold(Steps::default(), Steps::with);
        if layer.more > 0 {
            wrong.push(format!(
                "{}: {} of {} codes are more than one step off",
                name(typed, value.node),
                layer.more,
                layer.all
            ));
        }
        total = total.with(layer);
    }
    println!(
        "{} quantized tensors, each from the reference's codes: {} of {} codes are one step off ({:.5} %), {} more",
        cut.codes.len(),
        total.one,
        total.all,
        100.0 * total.one as f64 / total.all.max(1) as f64,
        total.more
    );
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Check(wrong.join("\n"))) }
}

fn name(typed: &TypedGraph, id: qcc_ir::NodeId) -> String {
    match typed.graph().node(id) {
        Node::Op(n) if !n.name.is_empty() => n.name.clone(),
        _ => format!("node {}", id.0),
    }
}

/// How far codes are from what they should be.
#[derive(Debug, Clone, Copy, Default)]
struct Steps {
    all: u64,
    one: u64,
    more: u64,
}

impl Steps {
    fn between(got: &Tensor, expected: &Tensor) -> Steps {
        let pairs = got.to_f64_vec().into_iter().zip(expected.to_f64_vec());
        pairs.fold(Steps::default(), |sum, (g, e)| {
            let steps = (g - e).abs();
            Steps { all: sum.all + 1, one: sum.one + u64::from(steps == 1.0), more: sum.more + u64::from(steps > 1.0) }
        })
    }

    fn with(self, other: Steps) -> Steps {
        Steps { all: self.all + other.all, one: self.one + other.one, more: self.more + other.more }
    }
}
