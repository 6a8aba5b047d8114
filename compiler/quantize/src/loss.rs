//! How far the outputs of a quantized model are from those of the float model.

use crate::lanes::{self, Runtime, Samples, Sessions};
use crate::logits::logits;
use crate::{Calibration, QuantizeError, spread};
use qcc_ir::Graph;
use qcc_tensor::Tensor;
use std::collections::BTreeMap;
use std::slice::ChunksExact;

/// The outputs of the float model on samples, to compare with.
pub struct Expected {
    samples: Vec<usize>,
    /// Outputs, and behind them the logits.
    outputs: BTreeMap<usize, Vec<Tensor>>,
    /// The right decision of every row of the first output, by sample; none are known without labels.
    labels: BTreeMap<usize, Vec<i64>>,
    /// Where of every output the values are that decisions are made on: its logits, or itself.
    decided: Vec<usize>,
}

/// Noise power over signal power, the mean over several values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// On the samples that were measured.
    pub mean: f64,
    /// Its standard error: how far it may be from that on other samples.
    pub error: f64,
}

impl Noise {
    /// Noise that is hardly exceeded on other samples: so many standard errors more than was measured.
    pub fn beyond(&self, errors: f64) -> f64 {
        self.mean + errors * self.error
    }
}

/// Distance from the expected outputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// Of the outputs.
    pub outputs: Noise,
    /// The same with logits in place of probabilities.
    pub logits: Noise,
    /// Share of samples in which the largest element of every row of every output is the same one.
    pub agreement: f64,
    /// Share of right decisions that the float model has more, if labels say what is right; 0 if not.
    pub drop: f64,
}

impl Loss {
    /// Signal over noise of the outputs in decibels.
    pub fn sqnr_db(&self) -> f64 {
        -10.0 * self.outputs.mean.log10()
    }

    /// The same with logits in place of probabilities, if there are logits.
    pub fn logits_db(&self) -> Option<f64> {
        (self.logits != self.outputs).then(|| -10.0 * self.logits.mean.log10())
    }
}

/// The comparison of one sample.
#[derive(Debug, Default)]
struct Compared {
    /// Power of the signal and of the noise of each output, and of the logits.
    powers: Vec<(f64, f64)>,
    /// Rows that agree.
    same: u64,
    rows: u64,
    /// Rows that the float model decides right and those that are right now.
    right: (u64, u64),
    labelled: u64,
}

impl Expected {
    /// Runs the float model on the samples of `samples`; `sessions` run [`Calibration::float_with_logits`].
    ///
    /// # Errors
    /// Samples that cannot be run.
    pub fn new(
        calibration: &Calibration,
        sessions: &Sessions,
        data: &dyn Samples,
        samples: &[usize],
        progress: &(dyn Fn() + Sync),
    ) -> Result<Expected, QuantizeError> {
        let step = |all: &mut BTreeMap<usize, Vec<Tensor>>, sample: usize, outputs: &[Tensor]| {
            all.insert(sample, outputs.to_vec());
            Ok(())
        };
        let lanes = lanes::fold(sessions, data, samples, progress, BTreeMap::new, step)?;
        let outputs = calibration.graph.graph().outputs().len();
        let mut decided: Vec<usize> = (0..outputs).collect();
        for (at, (output, _)) in logits(&calibration.graph).into_iter().enumerate() {
            decided[output] = outputs + at;
        }
        let outputs = lanes.into_iter().flatten().collect();
        Ok(Expected { samples: samples.to_vec(), outputs, labels: BTreeMap::new(), decided })
    }

    /// With the right decisions of all samples: for every row of the first output which of its elements is to be the largest.
    pub fn with_labels(mut self, labels: &[i64], rows: usize) -> Expected {
        let of = |&sample: &usize| (sample, labels[sample * rows..(sample + 1) * rows].to_vec());
        self.labels = self.samples.iter().map(of).collect();
        self
    }

    /// The distance of the outputs and logits of another graph.
    ///
    /// # Errors
    /// A graph that cannot be compiled or run.
    pub fn loss(&self, graph: &Graph, data: &dyn Samples, runtime: &Runtime<'_>) -> Result<Loss, QuantizeError> {
        let sessions = (runtime.compile)(graph)?;
        let step = |all: &mut BTreeMap<usize, Compared>, sample: usize, outputs: &[Tensor]| {
            let mut compared = Compared::default();
            for (i, (e, got)) in self.outputs[&sample].iter().zip(outputs).enumerate() {
                let (values, got) = (e.to_f64_vec(), got.to_f64_vec());
                compared.powers.push(powers(&values, &got));
                let width = e.shape().last().copied().unwrap_or(1);
                if i < self.decided.len() && width > 1 {
                    let labels = self.labels.get(&sample).filter(|_| i == 0);
                    let labels = labels.map_or(&[][..], Vec::as_slice);
                    decisions(values.chunks_exact(width), got.chunks_exact(width), labels, &mut compared);
                }
            }
            all.insert(sample, compared);
            Ok(())
        };
        let lanes = lanes::fold(&sessions, data, &self.samples, runtime.progress, BTreeMap::new, step)?;
        let all: BTreeMap<usize, Compared> = lanes.into_iter().flatten().collect();
        let sum = |of: &dyn Fn(&Compared) -> u64| all.values().map(of).sum::<u64>() as f64;
        let (rows, labelled) = (sum(&|c| c.rows), sum(&|c| c.labelled));
        let agreement = if rows == 0.0 { 1.0 } else { sum(&|c| c.same) / rows };
        let drop = (sum(&|c| c.right.0) - sum(&|c| c.right.1)) / labelled.max(1.0);
        let outputs: Vec<usize> = (0..self.decided.len()).collect();
        Ok(Loss { outputs: noise(&all, &outputs), logits: noise(&all, &self.decided), agreement, drop })
    }

    /// At most so many of the samples.
    pub(crate) fn samples(&self, most: usize) -> Vec<usize> {
        spread(self.samples.len(), most).into_iter().map(|i| self.samples[i]).collect()
    }

    /// Adds the powers of signal and noise of other outputs of a sample to those of each; logits take the place of probabilities.
    pub(crate) fn add(&self, sample: usize, outputs: &[Tensor], sums: &mut Vec<(f64, f64)>) {
        let expected = &self.outputs[&sample];
        sums.resize(self.decided.len(), (0.0, 0.0));
        for (sum, &at) in sums.iter_mut().zip(&self.decided) {
            let (signal, noise) = powers(&expected[at].to_f64_vec(), &outputs[at].to_f64_vec());
            *sum = (sum.0 + signal, sum.1 + noise);
        }
    }
}

/// The noise of the values at some places.
fn noise(all: &BTreeMap<usize, Compared>, places: &[usize]) -> Noise {
    let mut total = vec![(0.0, 0.0); places.len()];
    for compared in all.values() {
        let of = places.iter().map(|&at| compared.powers[at]);
        total.iter_mut().zip(of).for_each(|(t, p)| *t = (t.0 + p.0, t.1 + p.1));
    }
    let mean = noise_of(&total);
    let count = all.len() as f64;
    // Noise of each sample over the mean signal.
    let of_sample = |compared: &Compared| {
        let powers = places.iter().zip(&total).map(|(&at, t)| (t.0 / count, compared.powers[at].1));
        noise_of(&powers.collect::<Vec<_>>())
    };
    let deviations = all.values().map(|c| (of_sample(c) - mean).powi(2));
    let error = if all.len() > 1 { (deviations.sum::<f64>() / (count * (count - 1.0))).sqrt() } else { 0.0 };
    Noise { mean, error }
}

/// Noise over signal, the mean over outputs, from the powers of signal and noise of each.
pub(crate) fn noise_of(powers: &[(f64, f64)]) -> f64 {
    let noise = powers.iter().map(|(signal, noise)| if *noise == 0.0 { 0.0 } else { noise / signal.max(1e-30) });
    noise.sum::<f64>() / powers.len().max(1) as f64
}

/// Powers of the signal and of the noise.
fn powers(expected: &[f64], got: &[f64]) -> (f64, f64) {
    let mut powers = (0.0, 0.0);
    for (&e, &g) in expected.iter().zip(got) {
        // Equal values, infinite ones included, are no noise.
        let difference = if e == g { 0.0 } else { e - g };
        if e.is_finite() {
            powers.0 += e * e;
        }
        powers.1 += if difference.is_finite() { difference * difference } else { e * e + 1.0 };
    }
    powers
}

/// Counts the rows whose largest element is the same one, and of those with labels the ones where it is the right one.
fn decisions(expected: ChunksExact<'_, f64>, got: ChunksExact<'_, f64>, labels: &[i64], compared: &mut Compared) {
    let largest = |row: &[f64]| {
        row.iter().enumerate().fold((0, f64::NEG_INFINITY), |m, (i, &v)| if v > m.1 { (i, v) } else { m }).0
    };
    let decided = expected.map(largest).zip(got.map(largest));
    for (row, (e, g)) in decided.enumerate() {
        compared.rows += 1;
        compared.same += u64::from(e == g);
        if let Some(&label) = labels.get(row) {
            compared.labelled += 1;
            compared.right.0 += u64::from(e as i64 == label);
            compared.right.1 += u64::from(g as i64 == label);
        }
    }
}
