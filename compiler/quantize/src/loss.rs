//! How far the outputs of a quantized model are from those of the float model.

use crate::lanes::{self, Runtime, Samples, Sessions};
use crate::{QuantizeError, spread};
use qcc_ir::Graph;
use qcc_tensor::Tensor;
use std::collections::BTreeMap;

/// The outputs of the float model on samples, to compare with.
pub struct Expected {
    samples: Vec<usize>,
    outputs: BTreeMap<usize, Vec<Tensor>>,
}

/// Distance from the expected outputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// Noise power over signal power, the mean over the outputs.
    pub noise: f64,
    /// Standard error of the noise: how far it may be from that on other samples.
    pub error: f64,
    /// Share of samples in which the largest element of every row of every output is the same one.
    pub agreement: f64,
}

impl Loss {
    /// Signal over noise in decibels.
    pub fn sqnr_db(&self) -> f64 {
        -10.0 * self.noise.log10()
    }

    /// Noise that is hardly exceeded on other samples: two standard errors more than was measured.
    pub fn likely_noise(&self) -> f64 {
        self.noise + 2.0 * self.error
    }
}

/// The comparison of one sample.
#[derive(Debug, Default)]
struct Compared {
    /// Power of the signal and of the noise of each output.
    powers: Vec<(f64, f64)>,
    /// Rows that agree.
    same: u64,
    rows: u64,
}

impl Expected {
    /// Runs the float model on the samples of `samples`.
    ///
    /// # Errors
    /// Samples that cannot be run.
    pub fn new(
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
        Ok(Expected { samples: samples.to_vec(), outputs: lanes.into_iter().flatten().collect() })
    }

    /// The distance of another graph's outputs; further outputs of it are ignored.
    ///
    /// # Errors
    /// A graph that cannot be compiled or run.
    pub fn loss(&self, graph: &Graph, data: &dyn Samples, runtime: &Runtime<'_>) -> Result<Loss, QuantizeError> {
        let sessions = (runtime.compile)(graph)?;
        let step = |all: &mut BTreeMap<usize, Compared>, sample: usize, outputs: &[Tensor]| {
            let mut compared = Compared::default();
            for (e, got) in self.outputs[&sample].iter().zip(outputs) {
                let mut powers = (0.0, 0.0);
                compare(e, got, &mut powers, &mut compared.same, &mut compared.rows);
                compared.powers.push(powers);
            }
            all.insert(sample, compared);
            Ok(())
        };
        let lanes = lanes::fold(&sessions, data, &self.samples, runtime.progress, BTreeMap::new, step)?;
        let all: BTreeMap<usize, Compared> = lanes.into_iter().flatten().collect();
        let mut total = vec![(0.0, 0.0); self.outputs.values().next().map_or(0, Vec::len)];
        let (mut same, mut rows) = (0, 0);
        for compared in all.values() {
            total.iter_mut().zip(&compared.powers).for_each(|(t, p)| *t = (t.0 + p.0, t.1 + p.1));
            same += compared.same;
            rows += compared.rows;
        }
        let noise = noise_of(&total);
        // Noise of each sample over the mean signal.
        let of_sample = |compared: &Compared| {
            let powers = compared.powers.iter().zip(&total).map(|(p, t)| (t.0 / all.len() as f64, p.1));
            noise_of(&powers.collect::<Vec<_>>())
        };
        let deviations = all.values().map(|c| (of_sample(c) - noise).powi(2));
        let count = all.len() as f64;
        let error = if all.len() > 1 { (deviations.sum::<f64>() / (count * (count - 1.0))).sqrt() } else { 0.0 };
        let agreement = if rows == 0 { 1.0 } else { same as f64 / rows as f64 };
        Ok(Loss { noise, error, agreement })
    }

    /// At most so many of the samples.
    pub(crate) fn samples(&self, most: usize) -> Vec<usize> {
        spread(self.samples.len(), most).into_iter().map(|i| self.samples[i]).collect()
    }

    /// Adds the powers of signal and noise of other outputs of a sample to those of each output.
    pub(crate) fn add(&self, sample: usize, outputs: &[Tensor], powers: &mut Vec<(f64, f64)>) {
        let expected = &self.outputs[&sample];
        powers.resize(expected.len(), (0.0, 0.0));
        let (mut same, mut rows) = (0, 0);
        for ((e, got), powers) in expected.iter().zip(outputs).zip(powers) {
            compare(e, got, powers, &mut same, &mut rows);
        }
    }
}

/// Noise over signal, the mean over outputs, from the powers of signal and noise of each.
pub(crate) fn noise_of(powers: &[(f64, f64)]) -> f64 {
    let noise = powers.iter().map(|(signal, noise)| if *noise == 0.0 { 0.0 } else { noise / signal.max(1e-30) });
    noise.sum::<f64>() / powers.len().max(1) as f64
}

fn compare(expected: &Tensor, got: &Tensor, powers: &mut (f64, f64), same: &mut u64, rows: &mut u64) {
    let (e, g) = (expected.to_f64_vec(), got.to_f64_vec());
    for (e, g) in e.iter().zip(&g) {
        // Equal values, infinite ones included, are no noise.
        let difference = if e == g { 0.0 } else { e - g };
        if e.is_finite() {
            powers.0 += e * e;
        }
        powers.1 += if difference.is_finite() { difference * difference } else { e * e + 1.0 };
    }
    let width = expected.shape().last().copied().unwrap_or(1);
    if width < 2 {
        return;
    }
    let largest = |row: &[f64]| {
        row.iter().enumerate().fold((0, f64::NEG_INFINITY), |m, (i, &v)| if v > m.1 { (i, v) } else { m }).0
    };
    for (e, g) in e.chunks_exact(width).zip(g.chunks_exact(width)) {
        *rows += 1;
        *same += u64::from(largest(e) == largest(g));
    }
}
