//! How far the outputs of a quantized model are from those of the float model.

use crate::QuantizeError;
use crate::lanes::{self, Runtime, Samples, Sessions};
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
    /// Share of samples in which the largest element of every row of every output is the same one.
    pub agreement: f64,
}

impl Loss {
    /// Signal over noise in decibels.
    pub fn sqnr_db(&self) -> f64 {
        -10.0 * self.noise.log10()
    }
}

/// Power of the signal and of the noise of each output, rows that agree, rows.
type Sums = (Vec<(f64, f64)>, u64, u64);

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
        let start = || -> Sums { (Vec::new(), 0, 0) };
        let step = |sums: &mut Sums, sample: usize, outputs: &[Tensor]| {
            let expected = &self.outputs[&sample];
            sums.0.resize(expected.len(), (0.0, 0.0));
            for (i, (e, got)) in expected.iter().zip(outputs).enumerate() {
                compare(e, got, &mut sums.0[i], &mut sums.1, &mut sums.2);
            }
            Ok(())
        };
        let lanes = lanes::fold(&sessions, data, &self.samples, runtime.progress, start, step)?;
        let count = self.outputs.values().next().map_or(0, Vec::len);
        let mut total = vec![(0.0, 0.0); count];
        let (mut same, mut rows) = (0, 0);
        for (powers, s, r) in lanes {
            total.iter_mut().zip(powers).for_each(|(t, p)| *t = (t.0 + p.0, t.1 + p.1));
            same += s;
            rows += r;
        }
        let noise = total.iter().map(|(signal, noise)| if *noise == 0.0 { 0.0 } else { noise / signal.max(1e-30) });
        let noise = noise.sum::<f64>() / count.max(1) as f64;
        Ok(Loss { noise, agreement: if rows == 0 { 1.0 } else { same as f64 / rows as f64 } })
    }
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
