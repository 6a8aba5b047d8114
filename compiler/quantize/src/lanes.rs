//! Runs a graph over many samples: in parallel, with constant memory, and with the same result at every number of threads.
//!
//! Sums of floats depend on their order. Samples are therefore dealt to a fixed number of lanes; a lane is worked on by one
//! thread from its first sample to its last, and lanes are joined in order.

use crate::QuantizeError;
use qcc_ir::Graph;
use qcc_session::Session;
use qcc_tensor::Tensor;
use rayon::prelude::*;
use std::sync::Mutex;

/// Lanes that samples are dealt to: more than the cores that calibrations are run on, few enough to join for nothing.
const LANES: usize = 8;

/// Samples to calibrate with.
pub trait Samples: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// The model's inputs of one sample.
    ///
    /// # Errors
    /// Data that cannot be read.
    fn inputs(&self, index: usize) -> Result<Vec<Tensor>, QuantizeError>;
}

/// Starts sessions of one compiled graph.
pub type Sessions = Box<dyn Fn() -> Result<Session, QuantizeError> + Send + Sync>;

/// How graphs are compiled, and who hears of progress.
pub struct Runtime<'a> {
    /// Compiles a graph for execution on this machine.
    pub compile: &'a (dyn Fn(&Graph) -> Result<Sessions, QuantizeError> + Sync),
    /// Called after each sample.
    pub progress: &'a (dyn Fn() + Sync),
}

/// Folds `step` over the outputs of the samples of `indices`, lane by lane. The result is one accumulator per lane, in order.
///
/// # Errors
/// Samples that cannot be read or run; errors of `step`.
pub fn fold<A: Send>(
    sessions: &Sessions,
    samples: &dyn Samples,
    indices: &[usize],
    progress: &(dyn Fn() + Sync),
    start: impl Fn() -> A + Sync,
    step: impl Fn(&mut A, usize, &[Tensor]) -> Result<(), QuantizeError> + Sync,
) -> Result<Vec<A>, QuantizeError> {
    each(sessions, samples, indices, progress, start, |all, sample, session, inputs| {
        let outputs = session.run(inputs).map_err(|error| QuantizeError::Run { sample, error })?;
        step(all, sample, &outputs)
    })
}

/// As [`fold`], over large outputs, those that are floats: each is read where it was computed, as soon as it is. `step` hears of
/// the sample and of the output's position.
///
/// # Errors
/// As [`fold`].
pub fn fold_floats<A: Send>(
    sessions: &Sessions,
    samples: &dyn Samples,
    indices: &[usize],
    progress: &(dyn Fn() + Sync),
    start: impl Fn() -> A + Sync,
    step: impl Fn(&mut A, usize, usize, &[f32]) -> Result<(), QuantizeError> + Sync,
) -> Result<Vec<A>, QuantizeError> {
    each(sessions, samples, indices, progress, start, |all, sample, session, inputs| {
        let failed = |error| QuantizeError::Run { sample, error };
        let mut result = Ok(());
        let mut seen = |at: usize, values: &[f32]| {
            if result.is_ok() {
                result = step(all, sample, at, values);
            }
        };
        match session.tail() {
            None => session.watch(inputs, &mut seen).map_err(failed)?,
            Some(_) => {
                let outputs = session.run(inputs).map_err(failed)?;
                for (at, output) in outputs.iter().enumerate() {
                    output.as_slice().into_iter().for_each(|values| seen(at, values));
                }
            }
        }
        result
    })
}

fn each<A: Send>(
    sessions: &Sessions,
    samples: &dyn Samples,
    indices: &[usize],
    progress: &(dyn Fn() + Sync),
    start: impl Fn() -> A + Sync,
    step: impl Fn(&mut A, usize, &mut Session, &[Tensor]) -> Result<(), QuantizeError> + Sync,
) -> Result<Vec<A>, QuantizeError> {
    let idle: Mutex<Vec<Session>> = Mutex::new(Vec::new());
    let take = || idle.lock().unwrap_or_else(|e| e.into_inner()).pop();
    (0..LANES.min(indices.len()))
        .into_par_iter()
        .map(|lane| {
            let mut session = match take() {
                Some(session) => session,
                None => sessions()?,
            };
            let mut result = start();
            for &sample in indices.iter().skip(lane).step_by(LANES) {
                step(&mut result, sample, &mut session, &samples.inputs(sample)?)?;
                progress();
            }
            idle.lock().unwrap_or_else(|e| e.into_inner()).push(session);
            Ok(result)
        })
        .collect()
}
