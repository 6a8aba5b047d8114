//! The options of quantization, and what is printed of it.

use super::progress;
use qcc::arrays::read_npy;
use qcc::failure::Failure;
use qcc::quantize::{self, Options, Products, Quantized, Step, Unmeasured, Watch};
use qcc::{report, stored};
use qcc_dsl::RuleSet;
use qcc_ir::{Bindings, Graph};
use qcc_lower::Target;
use qcc_quantize::{GridKind, Grids, LayerError, Method, Precision, Rounding};
use std::path::{Path, PathBuf};

/// How a float model is quantized.
#[derive(Debug, clap::Args)]
pub struct Calibrate {
    /// How ranges are chosen; by default for every tensor by the error at those who read it
    #[arg(long, value_enum, value_name = "METHOD")]
    ranges: Option<MethodName>,
    /// Where the codes of values lie
    #[arg(long, value_enum, default_value = "asymmetric")]
    grid: GridName,
    /// Leave a layer in floats, by the name of its node
    #[arg(long, value_name = "NODE")]
    keep_float: Vec<String>,
    /// Run a layer on integers, whatever it costs
    #[arg(long, value_name = "NODE")]
    int8: Vec<String>,
    /// Run a layer on codes of 16 bits with weights of 8 bits, whatever it costs
    #[arg(long, value_name = "NODE")]
    int16: Vec<String>,
    /// Find the range of what a matrix product multiplies at run time, by the name of its node, or of all of them. This needs
    /// no samples; without any, all else stays floats
    #[arg(long, value_name = "NODE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    dynamic: Vec<String>,
    /// Quantize only the weights of a matrix product, by the name of its node, or of all of them: what is multiplied stays
    /// floats. This needs no samples; without any, all else stays floats
    #[arg(long, value_name = "NODE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    weight_only: Vec<String>,
    /// Bits of weights that alone are quantized: 8, a scale for every column, or 4, a scale for every 32 rows of it. By default
    /// whatever is faster within the budget; 8 without samples
    #[arg(long, value_name = "BITS", value_parser = ["4", "8"])]
    weight_only_bits: Option<String>,
    /// Bits of the codes of weights; by default 7 where they are faster, which is on CPUs without dot products of bytes, and
    /// accurate enough
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(7..=8))]
    weight_bits: Option<u8>,
    /// How much is tried: 1 chooses ranges and scales, 2 does all that `--skip` can leave out, 3 searches better codes of weights
    /// than those that rounding one after the other finds
    #[arg(short = 'O', value_name = "LEVEL", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=3))]
    effort: u8,
    /// Leave a step out
    #[arg(long, value_enum, value_name = "STEP", value_delimiter = ',')]
    skip: Vec<StepName>,
    /// Leave layers in floats until the signal over noise (dB) at the outputs is so high; the default is 20
    #[arg(long, value_name = "DB")]
    min_sqnr: Option<f64>,
    /// Leave layers in floats until so many of 100 decisions are those of the float model
    #[arg(long, value_name = "PERCENT")]
    min_agreement: Option<f64>,
    /// Leave layers in floats until the accuracy drops by no more points, on samples held out. Without labels, only so many of
    /// 100 decisions may change: the accuracy cannot drop by more
    #[arg(long, value_name = "PERCENT")]
    max_drop: Option<f64>,
    /// What is right: for each sample, and each row of the first output, which value is to be the largest (integers from 0)
    #[arg(long, value_name = "LABELS.npy", requires = "max_drop")]
    labels: Option<PathBuf>,
    /// Write a page with what was decided, ranges and errors by layer
    #[arg(long, value_name = "OUT.html")]
    report: Option<PathBuf>,
}

/// Methods to choose ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum MethodName {
    /// Smallest and largest value
    #[value(name = "minmax")]
    MinMax,
    /// Means over samples of the smallest and the largest value
    MovingAverage,
    /// All but one of 10,000 values
    Percentile,
    /// Least loss of information
    Kl,
    /// Least squared error
    Mse,
}

/// Where codes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum GridName {
    /// Zero anywhere among the codes
    Asymmetric,
    /// Zero in the middle, or at the end of tensors without negative values
    Symmetric,
    /// Symmetric, scales are powers of two
    Pow2,
}

/// Steps after ranges and scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum StepName {
    /// Channels are brought to a common range
    Equalisation,
    /// Weights are rounded so that their errors cancel each other
    Rounding,
    /// Biases make up for the shift of means
    BiasCorrection,
    /// Every layer gets the fastest precision that the budget allows
    MixedPrecision,
}

impl Calibrate {
    fn options(&self, target: Target) -> Result<Options, Failure> {
        let method = self.ranges.map(|name| match name {
            MethodName::MinMax => Method::MinMax,
            MethodName::MovingAverage => Method::MovingAverage,
            MethodName::Percentile => Method::Percentile(100),
            MethodName::Kl => Method::Divergence,
            MethodName::Mse => Method::SquaredError,
        });
        let kind = match self.grid {
            GridName::Asymmetric => GridKind::Asymmetric,
            GridName::Symmetric => GridKind::Symmetric,
            GridName::Pow2 => GridKind::PowerOfTwo,
        };
        let step = |name: &StepName| match name {
            StepName::Equalisation => Step::Equalise,
            StepName::Rounding => Step::Round,
            StepName::BiasCorrection => Step::Correct,
            StepName::MixedPrecision => Step::Precisions,
        };
        Ok(Options {
            grids: Grids { method, kind, ..Grids::default() },
            keep_float: self.keep_float.clone(),
            int8: self.int8.clone(),
            int16: self.int16.clone(),
            dynamic: products(&self.dynamic),
            weight_only: products(&self.weight_only),
            weight_only_bits: self.weight_only_bits.as_deref().map(|bits| if bits == "4" { 4 } else { 8 }),
            rounding: if self.effort < 3 { Rounding::NearestPlane } else { Rounding::Searched },
            skip: if self.effort < 2 { Step::ALL.to_vec() } else { self.skip.iter().map(step).collect() },
            weight_bits: self.weight_bits,
            target,
            curve: self.report.is_some(),
            min_sqnr_db: self.min_sqnr,
            min_agreement: self.min_agreement.map(|percent| percent / 100.0),
            max_drop: self.max_drop.map(|points| points / 100.0),
            labels: self.labels.as_deref().map(labels).transpose()?,
        })
    }

    /// Whether something is asked for that needs no samples.
    pub fn needs_no_samples(&self) -> bool {
        !self.dynamic.is_empty() || !self.weight_only.is_empty()
    }

    /// Quantizes matrix products of a graph without samples.
    ///
    /// # Errors
    /// As [`quantize::without_samples`]; options that need samples.
    pub fn without_samples(&self, graph: &Graph, bindings: &Bindings, rules: &RuleSet) -> Result<Unmeasured, Failure> {
        let needs = [
            ("--int8", !self.int8.is_empty()),
            ("--int16", !self.int16.is_empty()),
            ("--min-sqnr", self.min_sqnr.is_some()),
            ("--min-agreement", self.min_agreement.is_some()),
            ("--max-drop", self.max_drop.is_some()),
            ("--report", self.report.is_some()),
        ];
        if let Some((option, _)) = needs.iter().find(|(_, given)| *given) {
            return Err(Failure::input(format!("{option} needs samples; give them with --calibrate DATA.npz")));
        }
        quantize::without_samples(graph, bindings, rules, &self.options(Target::host())?)
    }

    /// Quantizes a graph with the samples of a file.
    ///
    /// # Errors
    /// As [`quantize::quantize`]; a file that cannot be read.
    pub fn quantize(
        &self,
        graph: &Graph,
        bindings: &Bindings,
        rules: &RuleSet,
        samples: &Path,
        target: Target,
    ) -> Result<Quantized, Failure> {
        let bar = progress::samples(0);
        let stage = |name: &str, count: usize| {
            bar.reset();
            bar.set_length(count as u64);
            bar.set_message(name.to_string());
        };
        let watch = Watch { stage: &stage, sample: &|| bar.inc(1) };
        let quantized =
            quantize::quantize(graph, bindings, rules, stored::open(samples)?, &self.options(target)?, &watch)?;
        if let Some(path) = &self.report {
            let errors = quantize::layer_errors(&quantized, rules, stored::open(samples)?, &watch)?;
            std::fs::write(path, report::page(&quantized, &errors))
                .map_err(|e| Failure::input(format!("cannot write `{}`: {e}", path.display())))?;
        }
        bar.finish_and_clear();
        Ok(quantized)
    }
}

/// The integers of a file.
fn labels(path: &Path) -> Result<Vec<i64>, Failure> {
    let tensor = read_npy(path)?;
    if !tensor.dtype().is_int() {
        let message = format!("labels must be integers, `{}` holds {}", path.display(), tensor.ty());
        return Err(Failure::input_with_help(message, "say for each sample which value is to be the largest, from 0"));
    }
    Ok(tensor.to_f64_vec().into_iter().map(|v| v as i64).collect())
}

/// The matrix products that an option names: an empty name stands for all.
fn products(names: &[String]) -> Products {
    match names {
        [] => Products::Chosen,
        names if names.iter().any(String::is_empty) => Products::All,
        names => Products::Named(names.to_vec()),
    }
}

/// Prints what was decided.
pub fn print(quantized: &Quantized) {
    let plan = &quantized.plan;
    let precisions = plan.precisions();
    let of = |wanted: Precision| precisions.iter().filter(|p| **p == wanted).count();
    let seven = match of(Precision::Int7) {
        0 => String::new(),
        n => format!(", {n} of them with weights of 7 bits"),
    };
    let fine = match of(Precision::Int16) {
        0 => String::new(),
        n => format!(", {n} with values of 16 bits"),
    };
    let at_run_time = match of(Precision::Dynamic) {
        0 => String::new(),
        n => format!(", {n} with ranges found at run time"),
    };
    let alone = match precisions.iter().filter(|p| p.is_weight_only()).count() {
        0 => String::new(),
        n => format!(", {n} only in their weights"),
    };
    println!(
        "quantized {} of {} layers{seven}{fine}{at_run_time}{alone}, {:.1} % of their multiply-accumulates, {} grids of values",
        plan.layers.len() - of(Precision::Float),
        plan.layers.len(),
        100.0 * quantized.integer_share(),
        plan.grids.len()
    );
    println!("  {:<36} {:>12} {:>5} {:>12} {:>12}  range by", "value", "scale", "zero", "lowest", "highest");
    for (class, chosen) in plan.flow.classes.iter().zip(&plan.grids) {
        let (low, high) = chosen.grid.limits();
        let mut method = chosen.method.map_or("its operator".to_string(), |m| m.to_string());
        if plan.factors.contains_key(&class.root) {
            method += ", channels divided";
        }
        println!(
            "  {:<36} {:>12.4e} {:>5} {:>12.4} {:>12.4}  {method}",
            super::compile::shortened(&class.name, 36),
            chosen.grid.scale,
            chosen.grid.zero_point,
            low,
            high
        );
    }
    println!("\nagainst the float model, on calibration samples held out");
    for (step, loss) in &quantized.steps {
        let logits = loss.logits_db().map_or(String::new(), |db| format!(", {db:.2} dB in front of probabilities"));
        let agree = 100.0 * loss.agreement;
        println!("  {step:<20} {:>7.2} dB, {agree:>6.2} % of decisions agree{logits}", loss.sqnr_db());
    }
    if let Some(speed) = &quantized.speed {
        println!("\n{speed} (one thread of this CPU)");
        if speed.is_lost() {
            println!(
                "note: the float model is faster here; compile it without samples, or allow more error with --min-sqnr, \
                 --min-agreement or --max-drop"
            );
        }
    }
    println!("\n  {:<36} {:>7} {:>9}  next choice", "layer", "runs on", "alone dB");
    for (i, (layer, precision)) in plan.layers.iter().zip(&precisions).enumerate() {
        let int8 = if precision.is_quantized() { *precision } else { Precision::Int8 };
        let noise = quantized.sensitivities.get(i).map_or(0.0, |s| s.noise(int8));
        let alone = if noise > 0.0 { format!("{:.2}", -10.0 * noise.log10()) } else { "–".to_string() };
        let next = quantized.next.get(i).copied().flatten().map_or("–".to_string(), |next| next.to_string());
        println!(
            "  {:<36} {:>7} {alone:>9}  {next}",
            super::compile::shortened(&layer.name, 36),
            precision.to_string()
        );
    }
    println!();
}

/// Prints what was decided without samples.
pub fn print_unmeasured(unmeasured: &Unmeasured) {
    let precisions = unmeasured.plan.precisions();
    let dynamic = precisions.iter().filter(|p| **p == Precision::Dynamic).count();
    let alone = precisions.iter().filter(|p| p.is_weight_only()).count();
    let part = |n: usize, what: &str| if n == 0 { String::new() } else { format!(", {n} {what}") };
    println!(
        "quantized {} of {} layers{}{}; the others stay floats\n",
        dynamic + alone,
        precisions.len(),
        part(dynamic, "with ranges found at run time"),
        part(alone, "only in their weights")
    );
}

/// Prints the error of every layer, and names the first whose values have less signal over noise than `diverged_db`.
pub fn print_layers(quantized: &Quantized, errors: &[LayerError], diverged_db: f64) {
    println!("{:<40} {:>9} {:>9} {:>8} {:>9} {:>10}", "layer", "alone dB", "here dB", "cosine", "clipped %", "largest");
    for error in errors {
        println!(
            "{:<40} {:>9.2} {:>9.2} {:>8.5} {:>9.4} {:>10.3e}",
            super::compile::shortened(&quantized.plan.layers[error.layer].name, 40),
            error.local.sqnr_db(),
            error.whole.sqnr_db(),
            error.whole.cosine(),
            100.0 * error.clipped,
            error.whole.largest
        );
    }
    match errors.iter().find(|e| e.whole.sqnr_db() < diverged_db) {
        Some(first) => {
            println!("the first layer below {diverged_db} dB is {}", quantized.plan.layers[first.layer].name)
        }
        None => println!("no layer is below {diverged_db} dB"),
    }
}
