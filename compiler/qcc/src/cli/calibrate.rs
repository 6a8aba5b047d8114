//! The options of quantization, and what is printed of it.

use super::progress;
use qcc::arrays;
use qcc::failure::Failure;
use qcc::quantize::{self, Effort, Options, Quantized, Watch};
use qcc_dsl::RuleSet;
use qcc_ir::{Bindings, Graph};
use qcc_quantize::{Choice, GridKind, Grids, Method};
use std::path::Path;

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
    /// How much is tried: 1 chooses ranges and scales, 2 corrects biases and leaves layers in floats that cost too much
    #[arg(short = 'O', value_name = "LEVEL", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    effort: u8,
    /// Leave layers in floats until the signal over noise (dB) at the outputs is so high; the default is 20
    #[arg(long, value_name = "DB")]
    min_sqnr: Option<f64>,
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

impl Calibrate {
    fn options(&self) -> Options {
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
        Options {
            grids: Grids { method, kind, ..Grids::default() },
            keep_float: self.keep_float.clone(),
            effort: if self.effort < 2 { Effort::Ranges } else { Effort::Corrected },
            min_sqnr_db: self.min_sqnr,
        }
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
    ) -> Result<Quantized, Failure> {
        let bar = progress::samples(0);
        let stage = |name: &str, count: usize| {
            bar.reset();
            bar.set_length(count as u64);
            bar.set_message(name.to_string());
        };
        let watch = Watch { stage: &stage, sample: &|| bar.inc(1) };
        let arrays = arrays::read_npz(samples)?;
        let quantized = quantize::quantize(graph, bindings, rules, arrays, &self.options(), &watch);
        bar.finish_and_clear();
        quantized
    }
}

/// Prints what was decided.
pub fn report(quantized: &Quantized) {
    let plan = &quantized.plan;
    let int8 = plan.choices.iter().filter(|c| matches!(c, Choice::Int8(_))).count();
    println!("quantized {int8} of {} layers, {} grids of values", plan.layers.len(), plan.grids.len());
    println!("  {:<36} {:>12} {:>5} {:>12} {:>12}  range by", "value", "scale", "zero", "lowest", "highest");
    for (class, chosen) in plan.flow.classes.iter().zip(&plan.grids) {
        let (low, high) = chosen.grid.limits();
        let method = chosen.method.map_or("its operator".to_string(), |m| m.to_string());
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
        println!("  {step:<20} {:>7.2} dB, {:>6.2} % of decisions agree", loss.sqnr_db(), 100.0 * loss.agreement);
    }
    let floats = plan.layers.iter().zip(&plan.choices).enumerate().filter(|(_, (_, c))| **c == Choice::Float);
    for (i, (layer, _)) in floats {
        let why = quantized.sensitivities.get(i).filter(|s| s.noise > 0.0);
        let why = why.map_or("as asked".to_string(), |s| format!("alone {:.2} dB", -10.0 * s.noise.log10()));
        println!("  in floats: {} ({why})", layer.name);
    }
    println!();
}
