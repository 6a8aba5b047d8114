//! `qcc run`.

use super::{EngineName, Most, RuleFiles, Sizes, progress};
use qcc::failure::Failure;
use qcc::model::Model;
use qcc::{arrays, batch, pipeline};
use qcc_tensor::Tensor;
use std::path::{Path, PathBuf};

/// Run a model once, or over every sample of a file
///
/// Examples:
///   qcc run model.onnx --input x=x.npy --output-dir out
///   qcc run model.qcc --batch samples.npz --output results.npz
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Run {
    /// The model, an .onnx or .qcc file
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
    /// How kernels are executed
    #[arg(long, value_enum, default_value = "jit")]
    engine: EngineName,
    /// Threads per run; with --batch samples run side by side instead
    #[arg(long, default_value_t = 1)]
    threads: usize,
    #[command(flatten)]
    sizes: Sizes,
    #[command(flatten)]
    rules: RuleFiles,
    #[command(flatten)]
    most: Most,
}

impl Run {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        match (&self.batch, &self.output) {
            (Some(samples), Some(results)) => self.batched(samples, results),
            _ => self.once(),
        }
    }

    fn batched(&self, samples: &Path, results: &Path) -> Result<(), Failure> {
        let model = Model::open_with(&self.model, &self.rules.selection(), &self.most.limits())?;
        let samples = batch::Samples::new(model.matched(arrays::read_npz(samples)?)?, model.input_ranks())?;
        let bindings = model.bindings(self.sizes.bindings(), &samples.inputs(0)?);
        let program = model.program(&bindings, &self.rules.selection())?;
        let bar = progress::samples(samples.count());
        let limits = self.most.limits();
        let session = || pipeline::session_within(&program, self.threads, self.engine.into(), &limits);
        let outputs = batch::run(&samples, session, || bar.inc(1))?;
        bar.finish_and_clear();
        arrays::write_npz(results, &outputs)
    }

    fn once(&self) -> Result<(), Failure> {
        let model = Model::open_with(&self.model, &self.rules.selection(), &self.most.limits())?;
        let names = model.input_names();
        let mut named = Vec::new();
        for (i, text) in self.input.iter().enumerate() {
            let (name, file) = match text.rsplit_once('=') {
                Some((name, file)) => (name.to_string(), file),
                None => (names.get(i).cloned().unwrap_or_default(), text.as_str()),
            };
            if names.len() <= i {
                let message = format!("the model has {} inputs, `{text}` is one more", names.len());
                let help = format!("give one array for each input: {}", names.join(", "));
                return Err(Failure::input_with_help(message, help));
            }
            named.push((name, arrays::read_npy(file.as_ref())?));
        }
        let inputs: Vec<Tensor> = model.matched(named)?;
        let bindings = model.bindings(self.sizes.bindings(), &inputs);
        let program = model.program(&bindings, &self.rules.selection())?;
        let limits = self.most.limits();
        let mut session = pipeline::session_within(&program, self.threads, self.engine.into(), &limits)?;
        let outputs = session.run(&inputs)?;
        std::fs::create_dir_all(&self.output_dir).map_err(|e| {
            let message = format!("cannot create `{}`: {e}", self.output_dir.display());
            Failure::input_with_help(message, "--output-dir names a folder that is there or can be made")
        })?;
        for (i, tensor) in outputs.iter().enumerate() {
            arrays::write_array(&self.output_dir.join(format!("output_{i}")), tensor)?;
        }
        Ok(())
    }
}
