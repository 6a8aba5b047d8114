//! From a float model and samples to the same model with quantized values.

use crate::batch;
use crate::budget::{Budget, Next, Point, Search};
use crate::compiler::Compiler;
use crate::failure::{CONVERT, Failure};
use crate::model::Model;
use crate::pipeline;
use crate::precision::Chooser;
use crate::speed::Speed;
use qcc_dsl::RuleSet;
use qcc_ir::{Bindings, Graph, TypedGraph};
use qcc_lower::Target;
use qcc_quantize::{
    Calibration, Choice, Expected, Grids, Judge, Layer, LayerError, Loss, Plan, Precision, QuantizeError, Rounding,
    Runtime, Samples, Sensitivity, Sessions,
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
    /// Names of nodes that run on codes of 16 bits, whatever they cost.
    pub int16: Vec<String>,
    /// Matrix products that find the range of what they multiply at run time.
    pub dynamic: Products,
    /// Matrix products of which the weights alone are quantized.
    pub weight_only: Products,
    /// Bits of weights that alone are quantized, 4 or 8; `None` chooses for every layer, and is 8 without samples.
    pub weight_only_bits: Option<u8>,
    /// How weights are rounded so that their errors cancel each other.
    pub rounding: Rounding,
    /// Steps that are left out.
    pub skip: Vec<Step>,
    /// Bits of the codes of weights, 7 or 8; `None` chooses for every layer.
    pub weight_bits: Option<u8>,
    /// The CPU that the program is for.
    pub target: Target,
    /// Whether time over error is predicted for other budgets, too.
    pub curve: bool,
    /// The least share of samples whose decisions are those of the float model.
    pub min_agreement: Option<f64>,
    /// The most that the share of right decisions may drop by; without `labels`, the most decisions that may change.
    pub max_drop: Option<f64>,
    /// The right decision of every row of the first output, sample after sample.
    pub labels: Option<Vec<i64>>,
    /// The least signal over noise (dB) at the outputs; layers stay floats until it is reached. `None` is
    /// [`DEFAULT_SQNR_DB`](crate::budget::DEFAULT_SQNR_DB), unless [`Step::Precisions`] is left out.
    pub min_sqnr_db: Option<f64>,
}

/// What is done after ranges and scales are chosen, to keep the accuracy of the float model and to spend it on speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Channels are brought to a common range.
    Equalise,
    /// Weights are rounded so that their errors cancel each other.
    Round,
    /// Biases make up for the shift of means.
    Correct,
    /// Every layer gets the fastest precision that the budget allows.
    Precisions,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Step; 4] = [Step::Equalise, Step::Round, Step::Correct, Step::Precisions];
}

impl Options {
    /// Whether a step is done.
    pub fn does(&self, step: Step) -> bool {
        !self.skip.contains(&step)
    }
}

/// Which matrix products are quantized in some way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Products {
    /// Those where that is the fastest within the budget.
    #[default]
    Chosen,
    /// Those whose nodes have these names; none but them.
    Named(Vec<String>),
    /// All.
    All,
}

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
    /// Time over error at other budgets, if it was asked for.
    pub curve: Vec<Point>,
    /// What the next more accurate choice of every layer would cost, if precisions were chosen.
    pub next: Vec<Option<Next>>,
    /// How fast it is on this CPU, if it is for this one.
    pub speed: Option<Speed>,
}

impl Quantized {
    /// Share of the layers' multiply-accumulates that run on integers.
    pub fn integer_share(&self) -> f64 {
        let macs = |l: &Layer| l.macs(&self.calibration.graph);
        let all: u64 = self.calibration.layers.iter().map(macs).sum();
        let on = self.plan.precisions();
        let integer: u64 =
            self.calibration.layers.iter().zip(on).filter(|(_, p)| p.is_integer()).map(|(l, _)| macs(l)).sum();
        integer as f64 / all.max(1) as f64
    }
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

/// Samples on which a model is checked if it is known what is right: a point of accuracy is five of them.
const LABELLED: usize = 512;

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
    if let Some(labels) = &options.labels {
        check_labels(&typed, labels.len(), samples.count())?;
    }
    let float = pipeline::canonical(&typed, rules)?;
    let compiler = Compiler::new(rules);
    let compile = sessions(&compiler);
    let runtime = Runtime { compile: &compile, progress: watch.sample };
    qcc_quantize::check_finite(&float, &samples)?;
    (watch.stage)("calibrating", samples.count());
    let mut calibration = Calibration::new(&float, &samples, &runtime, options.grids)?;
    let allowed = allowed(&calibration, options)?;
    let mut precisions: Vec<Precision> = allowed.iter().map(|a| widest(a)).collect();
    let Split { held_out, checked, others } =
        split(samples.count(), if options.labels.is_some() { LABELLED } else { HELD_OUT });
    (watch.stage)("comparing", 2 * held_out.len() + checked.len());
    let sessions = (compile)(&calibration.float_with_logits())?;
    let expected = Expected::new(&calibration, &sessions, &samples, &held_out, watch.sample)?;
    let mut check = Expected::new(&calibration, &sessions, &samples, &checked, watch.sample)?;
    if let Some(labels) = &options.labels {
        check = check.with_labels(labels, labels.len() / samples.count());
    }
    let judge = Judge { precisions: &precisions, expected: &expected, data: &samples, runtime: &runtime };
    let mut loss = judge.loss(&calibration)?;
    let mut steps = vec![("ranges and scales", loss)];
    let mut sensitivities = Vec::new();
    let (mut curve, mut next) = (Vec::new(), Vec::new());
    if options.does(Step::Equalise) {
        (watch.stage)("equalising channels", held_out.len());
        calibration.smooth(&judge, &mut loss)?;
        steps.push(("equalised channels", loss));
    }
    if options.does(Step::Round) {
        (watch.stage)("rounding weights", others.len());
        calibration.round(&judge, &others, options.rounding, &mut loss)?;
        steps.push(("rounded weights", loss));
    }
    let uncorrected = calibration.biases.clone();
    if options.does(Step::Correct) {
        (watch.stage)("correcting biases", others.len());
        qcc_quantize::correct_biases(&mut calibration, &judge, &others, &mut loss)?;
        steps.push(("bias correction", loss));
    }
    // What was kept because it helped on some samples is judged by others.
    loss = Judge { expected: &check, ..judge }.loss(&calibration)?;
    let budget = Budget::of(options, loss);
    let open = allowed.iter().any(|a| a.iter().filter(|p| p.is_quantized()).count() > 1);
    if budget.asked && (open || !budget.holds(loss)) {
        let layers = qcc_quantize::measured(&allowed);
        (watch.stage)("measuring layers", layers * held_out.len().min(8));
        sensitivities = qcc_quantize::sensitivities(&calibration, &allowed, &expected, &samples, &runtime)?;
        (watch.stage)("choosing precisions", 0);
        let chooser = Chooser::new(&calibration, &allowed, &sensitivities, rules, options.target)?;
        let search = Search {
            chooser,
            allowed: &allowed,
            sensitivities: &sensitivities,
            budget,
            correct: options.does(Step::Correct),
            uncorrected,
            expected: &expected,
            check: &check,
            samples: &samples,
            others: &others,
            runtime: &runtime,
        };
        let found = search.run(&mut calibration, &precisions, loss)?;
        if options.curve {
            curve = search.curve(&found)?;
        }
        next = search.next(&found)?;
        (precisions, loss) = (found.precisions, found.loss);
        steps.push(("precisions", loss));
    }
    if steps.last().is_some_and(|(step, _)| *step != "precisions") {
        steps.push(("on further samples", loss));
    }
    let plan = calibration.plan(&precisions);
    let graph = qcc_quantize::insert(&float, &plan, &[]);
    let speed = if options.target == Target::host() {
        (watch.stage)("timing both models", 0);
        let session = |graph: &Graph| pipeline::session(&compiler.program(graph)?, 1, Engine::Jit);
        let mut quantized = session(&calibration.with_logits(&precisions))?;
        let mut floats = session(&calibration.float_with_logits())?;
        Some(Speed::measure(&mut floats, &mut quantized, &samples.inputs(0)?)?)
    } else {
        None
    };
    Ok(Quantized { float, graph, plan, calibration, loss, steps, sensitivities, curve, next, speed })
}

/// What every layer may compute on.
fn allowed(calibration: &Calibration, options: &Options) -> Result<Vec<Vec<Precision>>, Failure> {
    let layers = &calibration.layers;
    let float = named(layers, &options.keep_float)?;
    let forced = named(layers, &options.int8)?;
    let sixteen = named(layers, &options.int16)?;
    let dynamic = products(layers, &options.dynamic, RANGES)?;
    let weight_only = products(layers, &options.weight_only, WEIGHTS)?;
    let integers: &[Precision] = match options.weight_bits {
        Some(7) => &[Precision::Int7],
        None if !options.target.dot4 => &[Precision::Int8, Precision::Int7],
        _ => &[Precision::Int8],
    };
    let weights: &[Precision] = match options.weight_only_bits {
        Some(4) => &[Precision::WeightOnly4],
        Some(_) => &[Precision::WeightOnly8],
        None => &[Precision::WeightOnly8, Precision::WeightOnly4],
    };
    let chosen = |asked: &Products| *asked == Products::Chosen && options.weight_bits.is_none();
    let fits = fit_codes_of_16_bits(calibration);
    if let Some(i) = (0..layers.len()).find(|&i| sixteen[i] && !fits[i]) {
        let name = &layers[i].name;
        return Err(Failure::input(format!("`{name}` has groups, or too large sums of products for codes of 16 bits")));
    }
    let of = |i: usize| match (float[i], forced[i], sixteen[i], dynamic[i], weight_only[i]) {
        (true, ..) => vec![Precision::Float],
        (_, true, ..) => integers.to_vec(),
        (_, _, true, ..) => vec![Precision::Int16],
        (_, _, _, true, _) => vec![Precision::Dynamic],
        (.., true) => weights.to_vec(),
        _ => {
            let product = layers[i].is_matrix_product();
            let fine = (options.weight_bits != Some(7) && fits[i]).then_some(Precision::Int16);
            let at_run_time = (product && chosen(&options.dynamic)).then_some(Precision::Dynamic);
            let alone = if product && chosen(&options.weight_only) { weights } else { &[] };
            let all = [Precision::Float].into_iter().chain(integers.iter().copied());
            all.chain(fine).chain(at_run_time).chain(alone.iter().copied()).collect()
        }
    };
    Ok((0..layers.len()).map(of).collect())
}

/// Which layers have integer kernels for codes of 16 bits.
fn fit_codes_of_16_bits(calibration: &Calibration) -> Vec<bool> {
    let layers = &calibration.layers;
    let plan = calibration.plan(&vec![Precision::Int16; layers.len()]);
    let fits = |(layer, choice): (&Layer, &Choice)| {
        layer.groups == 1 && choice.integer().is_some_and(|integer| integer.fits_codes_of_16_bits(layer))
    };
    layers.iter().zip(&plan.choices).map(fits).collect()
}

/// What matrix products do that find ranges.
const RANGES: &str = "find the range of what they multiply at run time";

/// What matrix products do of which the weights are quantized.
const WEIGHTS: &str = "multiply floats with codes of weights";

/// Which matrix products are asked to do something.
fn products(layers: &[Layer], asked: &Products, what: &str) -> Result<Vec<bool>, Failure> {
    let wanted = match asked {
        Products::Chosen => vec![false; layers.len()],
        Products::All => layers.iter().map(Layer::is_matrix_product).collect(),
        Products::Named(names) => named(layers, names)?,
    };
    match layers.iter().zip(&wanted).find(|(layer, wanted)| **wanted && !layer.is_matrix_product()) {
        Some((layer, _)) => {
            Err(Failure::input(format!("`{}` is a convolution; only matrix products {what}", layer.name)))
        }
        None => Ok(wanted),
    }
}

/// A model that was quantized without samples.
pub struct Unmeasured {
    /// The graph with quantized values; typed sizes.
    pub graph: Graph,
    /// What was decided.
    pub plan: Plan,
}

/// Quantizes matrix products of a float model without samples: those that `options.dynamic` names find ranges at run time, of
/// others that `options.weight_only` names the weights alone are quantized. All else stays floats.
///
/// # Errors
/// A model that is quantized already, names of nodes that do not exist, sizes that are not known.
pub fn without_samples(
    graph: &Graph,
    bindings: &Bindings,
    rules: &RuleSet,
    options: &Options,
) -> Result<Unmeasured, Failure> {
    if qcc_quantize::is_quantized(graph) {
        return Err(Failure::input("the model is quantized already and is taken as it is"));
    }
    let float = pipeline::canonical(&pipeline::typed(graph, bindings)?, rules)?;
    let layers = qcc_quantize::unmeasured_plan(&float, &|_| Precision::Float).layers;
    let kept = named(&layers, &options.keep_float)?;
    let dynamic = products(&layers, &options.dynamic, RANGES)?;
    let weight_only = products(&layers, &options.weight_only, WEIGHTS)?;
    let weights = if options.weight_only_bits == Some(4) { Precision::WeightOnly4 } else { Precision::WeightOnly8 };
    let plan = qcc_quantize::unmeasured_plan(&float, &|layer| {
        let at = layers.iter().position(|other| other.node == layer.node);
        match at.map(|i| (kept[i], dynamic[i], weight_only[i])) {
            Some((false, true, _)) => Precision::Dynamic,
            Some((false, false, true)) => weights,
            _ => Precision::Float,
        }
    });
    let graph = qcc_quantize::insert(&float, &plan, &[]);
    Ok(Unmeasured { graph, plan })
}

/// The first codes of what is allowed; floats if there are none.
fn widest(allowed: &[Precision]) -> Precision {
    allowed.iter().copied().find(|p| p.is_quantized()).unwrap_or(Precision::Float)
}

/// Starts sessions of compiled graphs.
fn sessions<'a>(compiler: &'a Compiler<'_>) -> impl Fn(&Graph) -> Result<Sessions, QuantizeError> + Sync + 'a {
    let failed = |e: Failure| QuantizeError::Compile(e.to_string());
    move |graph| {
        let program = compiler.program(graph).map_err(failed)?;
        Ok(Box::new(move || pipeline::session(&program, 1, Engine::Jit).map_err(failed)))
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
    let compiler = Compiler::new(rules);
    let compile = sessions(&compiler);
    let runtime = Runtime { compile: &compile, progress: watch.sample };
    Ok(qcc_quantize::layer_errors(&quantized.calibration, &quantized.plan, &samples, &indices, &runtime)?)
}

/// Samples on which layers are compared.
const COMPARED: usize = 64;

/// What samples are for.
struct Split {
    /// Their outputs decide which changes are kept.
    held_out: Vec<usize>,
    /// Their outputs say how far the model is from the float model in the end.
    checked: Vec<usize>,
    /// Means are compared on them.
    others: Vec<usize>,
}

/// Deals samples to their uses, at most `checked` of them to checks. Of fewer than three, each is used for everything.
fn split(count: usize, checked: usize) -> Split {
    if count < 3 {
        let all: Vec<usize> = (0..count).collect();
        return Split { held_out: all.clone(), checked: all.clone(), others: all };
    }
    let some_of = |indices: &[usize], most: usize| -> Vec<usize> {
        qcc_quantize::spread(indices.len(), most).into_iter().map(|i| indices[i]).collect()
    };
    let without = |all: &[usize], taken: &[usize]| all.iter().copied().filter(|i| !taken.contains(i)).collect();
    let all: Vec<usize> = (0..count).collect();
    let held_out = some_of(&all, HELD_OUT.min(count / 3));
    let rest: Vec<usize> = without(&all, &held_out);
    let checked = some_of(&rest, checked.min(count / 3));
    let rest: Vec<usize> = without(&rest, &checked);
    Split { held_out, checked, others: some_of(&rest, CORRECTED_ON) }
}

/// Samples on which means are compared: they settle after some dozens.
const CORRECTED_ON: usize = 64;

/// Which layers are named.
fn named(layers: &[Layer], names: &[String]) -> Result<Vec<bool>, Failure> {
    for name in names {
        if !layers.iter().any(|l| l.name == *name) {
            let known: Vec<&str> = layers.iter().map(|l| l.name.as_str()).collect();
            let all = if known.is_empty() { "none".into() } else { known.join(", ") };
            let message = format!("no layer is called `{name}`; there are {all}");
            return Err(Failure::input(message));
        }
    }
    Ok(layers.iter().map(|l| names.contains(&l.name)).collect())
}

/// Samples must have the types that the model takes.
fn check_types(typed: &TypedGraph, samples: &batch::Samples) -> Result<(), Failure> {
    let g = typed.graph();
    for (&id, tensor) in g.inputs().iter().zip(samples.inputs(0)?) {
        let expected = typed.ty(id.output(0));
        if tensor.ty() != expected {
            let name = &g.input(id).name;
            let message = format!("a sample of input `{name}` must be {expected}, the file holds {}", tensor.ty());
            return Err(Failure::input_with_help(message, CONVERT));
        }
    }
    Ok(())
}

/// There must be a label for every row of the first output, of all samples.
fn check_labels(typed: &TypedGraph, labels: usize, samples: usize) -> Result<(), Failure> {
    let ty = typed.output_types()[0];
    let width = ty.shape.last().copied().unwrap_or(1);
    let name = &typed.graph().outputs()[0].0;
    if width < 2 {
        let message = format!("the first output, `{name}`, is {ty}: its rows have no two values to decide between");
        return Err(Failure::input_with_help(
            message,
            "leave out --labels: --max-drop bounds the decisions that change",
        ));
    }
    let rows = ty.elements() / width;
    if labels != rows * samples {
        let message =
            format!("{samples} samples of {rows} rows each in the first output, `{name}`, need {}", samples * rows);
        return Err(Failure::input(format!("{message} labels; the file holds {labels}")));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_use_has_samples_and_none_is_used_twice() {
        for (count, most) in (3..200).flat_map(|count| [(count, HELD_OUT), (count, LABELLED)]) {
            let Split { held_out, checked, others } = split(count, most);
            assert!(!held_out.is_empty() && !checked.is_empty() && !others.is_empty(), "{count} samples");
            let mut all = [held_out, checked, others].concat();
            all.sort_unstable();
            assert!(all.windows(2).all(|w| w[0] < w[1]), "{count} samples: {all:?}");
        }
    }
}
