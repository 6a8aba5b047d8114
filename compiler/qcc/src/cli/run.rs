//! `qcc run`.

use super::Sizes;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qcc::failure::Failure;
use qcc::{arrays, batch, pipeline};
use qcc_tensor::Tensor;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Run a model once, or over every sample of a file
///
/// Examples:
///   qcc run model.onnx --input x=x.npy --output-dir out
///   qcc run model.onnx --batch samples.npz --output results.npz
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Run {
    /// The model, an .onnx file
    model: PathBuf,
    /// An input tensor; matched by name, or by position where the name is left out
    #[arg(long, value_name = "[NAME=]FILE.npy", conflicts_with = "batch")]
    input: Vec<String>,
    /// Where output_0.npy, output_1.npy, ... go
    #[arg(long, value_name = "DIR", default_value = ".", conflicts_with = "batch")]
    output_dir: PathBuf,
    /// Samples: one array per model input, samples along axis 0
    #[arg(long, value_name = "IN.npz", requires = "output")]
    batch: Option<PathBuf>,
    /// Results: one array per model output, samples along axis 0
    #[arg(long, value_name = "OUT.npz", requires = "batch")]
    output: Option<PathBuf>,
    #[command(flatten)]
    sizes: Sizes,
}

impl Run {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        match (&self.batch, &self.output) {
            (Some(samples), Some(results)) => self.batched(samples, results),
            _ => self.once(),
        }
    }

    fn batched(&self, samples: &std::path::Path, results: &std::path::Path) -> Result<(), Failure> {
        let graph = pipeline::import(&self.model)?;
        let inputs = batch::matched(&graph, arrays::read_npz(samples)?)?;
        let bar = progress(inputs.first().map_or(0, |a| a.shape().first().copied().unwrap_or(0)));
        let outputs = batch::run(&graph, &inputs, || bar.inc(1))?;
        bar.finish_and_clear();
        arrays::write_npz(results, &outputs)
    }

    fn once(&self) -> Result<(), Failure> {
        let graph = pipeline::import(&self.model)?;
        let mut named = Vec::new();
        for (i, text) in self.input.iter().enumerate() {
            let position = || graph.inputs().get(i).map(|&id| graph.input(id).name.clone()).unwrap_or_default();
            let (name, file) = match text.rsplit_once('=') {
                Some((name, file)) => (name.to_string(), file),
                None => (position(), text.as_str()),
            };
            named.push((name, arrays::read_npy(file.as_ref())?));
        }
        let inputs: Vec<Tensor> = batch::matched(&graph, named)?;
        let mut bindings = self.sizes.bindings();
        if bindings.dims.is_empty() && bindings.shapes.is_empty() {
            bindings = batch::shapes_of(&graph, &inputs);
        }
        let typed = pipeline::typed(&graph, &bindings)?;
        let outputs = qcc_ir::evaluate(&typed, &inputs)?;
        std::fs::create_dir_all(&self.output_dir)
            .map_err(|e| Failure::input(format!("cannot create `{}`: {e}", self.output_dir.display())))?;
        for (i, tensor) in outputs.iter().enumerate() {
            arrays::write_npy(&self.output_dir.join(format!("output_{i}.npy")), tensor)?;
        }
        Ok(())
    }
}

fn progress(samples: usize) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} samples, {eta} left");
    ProgressBar::with_draw_target(Some(samples as u64), target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
