//! `qcc quantize`.

use super::calibrate::{self, Calibrate};
use super::{RuleFiles, Sizes};
use qcc::failure::Failure;
use qcc::{pipeline, standard_rules};
use qcc_lower::Target;
use std::path::PathBuf;

/// Quantize a float model and write it as an ONNX file with QuantizeLinear and DequantizeLinear, which other runtimes read
///
/// Examples:
///   qcc quantize model.onnx --calibrate samples.npz -o model_int8.onnx
///   qcc quantize model.onnx --dynamic -o model_dynamic.onnx
///   qcc quantize model.onnx --weight-only --weight-only-bits 4 -o model_int4.onnx
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Quantize {
    /// The model, an .onnx file
    model: PathBuf,
    /// Samples: one array per model input, samples along axis 0
    #[arg(long, value_name = "DATA.npz", required_unless_present_any = ["dynamic", "weight_only"])]
    calibrate: Option<PathBuf>,
    /// Where the quantized model goes
    #[arg(short, long, value_name = "OUT.onnx")]
    output: PathBuf,
    #[command(flatten)]
    options: Calibrate,
    #[command(flatten)]
    sizes: Sizes,
    #[command(flatten)]
    rules: RuleFiles,
}

impl Quantize {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let (rules, _) = standard_rules::compile(&self.rules.selection())?;
        let graph = pipeline::import_with(&self.model, &rules.defs)?;
        let bindings = self.sizes.bindings();
        println!("{}\n", self.model.display());
        let graph = match &self.calibrate {
            Some(samples) => {
                let quantized = self.options.quantize(&graph, &bindings, &rules, samples, Target::host())?;
                calibrate::print(&quantized);
                quantized.graph
            }
            None => {
                let unmeasured = self.options.without_samples(&graph, &bindings, &rules)?;
                calibrate::print_unmeasured(&unmeasured);
                unmeasured.graph
            }
        };
        let typed = pipeline::typed(&graph, &qcc_ir::Bindings::default())?;
        let bytes = qcc_onnx::export(&typed).map_err(Failure::Diagnostics)?;
        std::fs::write(&self.output, bytes)
            .map_err(|e| Failure::input(format!("cannot write `{}`: {e}", self.output.display())))?;
        println!("written to {}", self.output.display());
        Ok(())
    }
}
