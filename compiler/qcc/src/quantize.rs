//! From a float model and samples to the same model with quantized values.

use crate::batch;
use crate::failure::Failure;
use crate::model::Model;
use crate::pipeline;
use qcc_dsl::RuleSet;
use qcc_ir::{Bindings, Graph, TypedGraph};
use qcc_lower::Target;
use qcc_quantize::{
    Calibration, Expected, Grids, LayerError, Loss, Plan, QuantizeError, Runtime, Samples, Sensitivity, Sessions,
};
use qcc_session::Engine;
use qcc_tensor::Tensor;

/// What the user asks of quantization.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How grids are chosen.
    pub grids: Grids,
    /// Names of nodes that stay floats.
    pub keep_float: Vec<String>,
    /// Names of nodes that run on integers, whatever they cost.
    pub int8: Vec<String>,
    /// How much is tried.
    pub effort: Effort,
    /// The least signal over noise (dB) at the outputs; layers stay floats until it is reached. `None` is
    /// [`DEFAULT_SQNR_DB`], but only with [`Effort::Corrected`] and more.
    pub min_sqnr_db: Option<f64>,
}

/// How much is tried to keep the accuracy of the float model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Ranges and scales are chosen.
    Ranges,
    /// Biases are corrected, and layers that cost too much accuracy stay floats.
    #[default]
    Corrected,
}

/// Signal over noise (dB) at the outputs below which layers stay floats.
pub const DEFAULT_SQNR_DB: f64 = 20.0;

/// A quantized model and what was learned on the way.
pub struct Quantized {
    /// The float graph that was quantized: canonical, typed.
    pub float: TypedGraph,
    /// The same with quantized values.
    pub graph: Graph,
    /// What was decided.
    pub plan: Plan,
    /// What was measured.
    pub calibration: Calibration,
    /// Distance from the float model on samples held out.
    pub loss: Loss,
    /// What was tried, and the distance after it.
    pub steps: Vec<(&'static str, Loss)>,
    /// What each layer costs, if it was measured.
    pub sensitivities: Vec<Sensitivity>,
}

/// Who hears of progress.
pub struct Watch<'a> {
    /// A stage begins, with so many samples to run.
    pub stage: &'a dyn Fn(&str, usize),
    /// A sample was run.
    pub sample: &'a (dyn Fn() + Sync),
}

/// Samples whose outputs are compared with the float model's.
const HELD_OUT: usize = 32;

/// Quantizes a float model.
///
/// # Errors
/// A model that is quantized already, samples that do not fit it, names of nodes that do not exist.
pub fn quantize<A: Into<batch::Array>>(
    graph: &Graph,
    bindings: &Bindings,
    rules: &RuleSet,
    arrays: Vec<(String, A)>,
    options: &Options,
    watch: &Watch<'_>,
) -> Result<Quantized, Failure> {
    if qcc_quantize::is_quantized(graph) {
        return Err(Failure::input(
            "the model is quantized already and is taken as it is; leave out the samples to calibrate with",
        ));
    }
    let model = Model::Graph(Box::new(graph.clone()));
    let samples = batch::Samples::new(model.matched(arrays)?, model.input_ranks())?;
    let bindings = model.bindings(bindings.clone(), &samples.inputs(0)?);
    let typed = pipeline::typed(graph, &bindings)?;
    check_types(&typed, &samples)?;
    let float = pipeline::canonical(&typed, rules)?;
    let compile = compiler(rules);
    let runtime = Runtime { compile: &compile, progress: watch.sample };
    qcc_quantize::check_finite(&float, &samples)?;
    (watch.stage)("calibrating", samples.count());
    let mut calibration = Calibration::new(&float, &samples, &runtime, options.grids)?;
    let mut int8: Vec<bool> = named(&calibration, &options.keep_float)?.iter().map(|named| !named).collect();
    let forced = named(&calibration, &options.int8)?;
    let (held_out, others) = split(samples.count());
    (watch.stage)("comparing", 2 * held_out.len());
    let expected = Expected::new(&(compile)(float.graph())?, &samples, &held_out, watch.sample)?;
    let graph = qcc_quantize::insert(&float, &calibration.plan(&int8), &[]);
    let mut loss = expected.loss(&graph, &samples, &runtime)?;
    let mut steps = vec![("ranges and scales", loss)];
    let mut sensitivities = Vec::new();
    if options.effort >= Effort::Corrected {
        (watch.stage)("equalising channels", held_out.len());
        calibration.smooth(&int8, &expected, &mut loss, &samples, &runtime)?;
        steps.push(("equalised channels", loss));
        (watch.stage)("correcting biases", others.len());
        qcc_quantize::correct_biases(&mut calibration, &int8, &others, &expected, &mut loss, &samples, &runtime)?;
        steps.push(("bias correction", loss));
    }
    let wanted_db = match options.effort {
        Effort::Ranges => options.min_sqnr_db,
        Effort::Corrected => Some(options.min_sqnr_db.unwrap_or(DEFAULT_SQNR_DB)),
    };
    if let Some(db) = wanted_db
        && loss.sqnr_db() < db
    {
        let budget = 10f64.powf(-db / 10.0);
        (watch.stage)("measuring layers", int8.len() * held_out.len());
        let measured: Vec<bool> = int8.iter().zip(&forced).map(|(on, forced)| *on && !forced).collect();
        sensitivities = qcc_quantize::sensitivities(&calibration, &measured, &expected, &samples, &runtime)?;
        (int8, loss) = qcc_quantize::meet(&calibration, &sensitivities, &int8, budget, &expected, &samples, &runtime)?;
        steps.push(("layers in floats", loss));
    }
    let plan = calibration.plan(&int8);
    let graph = qcc_quantize::insert(&float, &plan, &[]);
    Ok(Quantized { float, graph, plan, calibration, loss, steps, sensitivities })
}

/// Compiles graphs with rules for this machine.
fn compiler(rules: &RuleSet) -> impl Fn(&Graph) -> Result<Sessions, QuantizeError> + Sync + '_ {
    move |graph| {
        let compiled = pipeline::compile(graph, &Bindings::default(), rules, Target::host(), &mut |_| ())
            .map_err(|e| QuantizeError::Compile(e.to_string()))?;
        let start = move || {
            pipeline::session(&compiled.program, 1, Engine::Jit).map_err(|e| QuantizeError::Compile(e.to_string()))
        };
        Ok(Box::new(start))
    }
}

/// The error of every layer that runs on integers, on samples of a file's arrays.
///
/// # Errors
/// Samples that do not fit the model.
pub fn layer_errors<A: Into<batch::Array>>(
    quantized: &Quantized,
    rules: &RuleSet,
    arrays: Vec<(String, A)>,
    watch: &Watch<'_>,
) -> Result<Vec<LayerError>, Failure> {
    let model = Model::Graph(Box::new(quantized.float.graph().clone()));
    let samples = batch::Samples::new(model.matched(arrays)?, model.input_ranks())?;
    check_types(&quantized.float, &samples)?;
    qcc_quantize::check_finite(&quantized.float, &samples)?;
    let indices = qcc_quantize::spread(samples.count(), COMPARED);
    (watch.stage)("measuring layers", indices.len());
    let compile = compiler(rules);
    let runtime = Runtime { compile: &compile, progress: watch.sample };
    Ok(qcc_quantize::layer_errors(&quantized.calibration, &quantized.plan, &samples, &indices, &runtime)?)
}

/// Samples on which layers are compared.
const COMPARED: usize = 64;

/// Samples whose outputs are compared with the float model's, and those that corrections are measured on. A single sample is
/// both.
fn split(count: usize) -> (Vec<usize>, Vec<usize>) {
    let held_out = qcc_quantize::spread(count, HELD_OUT.min(count.div_ceil(2)));
    let others: Vec<usize> = (0..count).filter(|i| !held_out.contains(i)).collect();
    let others: Vec<usize> = qcc_quantize::spread(others.len(), CORRECTED_ON).into_iter().map(|i| others[i]).collect();
    if others.is_empty() { (held_out.clone(), held_out) } else { (held_out, others) }
}

/// Samples on which means are compared: they settle after some dozens.
const CORRECTED_ON: usize = 64;

/// Which layers are named.
fn named(calibration: &Calibration, names: &[String]) -> Result<Vec<bool>, Failure> {
    for name in names {
        if !calibration.layers.iter().any(|l| l.name == *name) {
            let known: Vec<&str> = calibration.layers.iter().map(|l| l.name.as_str()).collect();
            let message = format!("no layer is called `{name}`; there are {}", known.join(", "));
            return Err(Failure::input(message));
        }
    }
    Ok(calibration.layers.iter().map(|l| names.contains(&l.name)).collect())
}

/// Samples must have the types that the model takes.
fn check_types(typed: &TypedGraph, samples: &batch::Samples) -> Result<(), Failure> {
    let g = typed.graph();
    for (&id, tensor) in g.inputs().iter().zip(samples.inputs(0)?) {
        let expected = typed.ty(id.output(0));
        if tensor.ty() != expected {
            let name = &g.input(id).name;
            return Err(Failure::input(format!(
                "a sample of input `{name}` must be {expected}, the file holds {}",
                tensor.ty()
            )));
        }
    }
    Ok(())
}

impl Samples for batch::Samples {
    fn count(&self) -> usize {
        batch::Samples::count(self)
    }

    fn inputs(&self, index: usize) -> Result<Vec<Tensor>, QuantizeError> {
        batch::Samples::inputs(self, index).map_err(|e| QuantizeError::Input(e.to_string()))
    }
}

impl From<QuantizeError> for Failure {
    fn from(error: QuantizeError) -> Self {
        match error {
            QuantizeError::Input(m) => Failure::Input(m),
            QuantizeError::Run { sample, error } => match Failure::from(error) {
                Failure::Input(m) => Failure::Input(format!("sample {sample}: {m}")),
                other => other,
            },
            QuantizeError::Compile(m) => Failure::Bug(format!("a quantized graph does not compile: {m}")),
        }
    }
}
