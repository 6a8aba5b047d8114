//! The error of every layer: of its own, and with that of the layers in front of it.

use crate::insert::side_by_side;
use crate::lanes::{self, Runtime, Samples};
use crate::{Calibration, Grid, Plan, QuantizeError};
use qcc_tensor::Tensor;

/// Distance of values from what they should be.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Distance {
    signal: f64,
    noise: f64,
    dot: f64,
    power: f64,
    /// Largest difference.
    pub largest: f64,
}

impl Distance {
    fn add(&mut self, expected: &Tensor, got: &Tensor) {
        for (&e, &g) in expected.slice::<f32>().iter().zip(got.slice::<f32>()) {
            let (e, g) = (f64::from(e), f64::from(g));
            self.signal += e * e;
            self.noise += (e - g) * (e - g);
            self.dot += e * g;
            self.power += g * g;
            self.largest = self.largest.max((e - g).abs());
        }
    }

    fn merge(&mut self, other: &Distance) {
        self.signal += other.signal;
        self.noise += other.noise;
        self.dot += other.dot;
        self.power += other.power;
        self.largest = self.largest.max(other.largest);
    }

    /// Signal over noise in decibels.
    pub fn sqnr_db(&self) -> f64 {
        if self.noise == 0.0 { f64::INFINITY } else { 10.0 * (self.signal / self.noise).log10() }
    }

    /// Cosine of the angle between the two.
    pub fn cosine(&self) -> f64 {
        let lengths = (self.signal * self.power).sqrt();
        if lengths == 0.0 { 1.0 } else { self.dot / lengths }
    }
}

/// The error of a layer that runs on integers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerError {
    /// Which layer of the plan.
    pub layer: usize,
    /// Computed from the float model's values.
    pub local: Distance,
    /// In the quantized model.
    pub whole: Distance,
    /// Share of the values it reads that lie outside of their grid.
    pub clipped: f64,
}

/// Measures every layer that runs on integers on the samples of `indices`.
///
/// # Errors
/// Samples that cannot be run.
pub fn layer_errors(
    calibration: &Calibration,
    plan: &Plan,
    data: &dyn Samples,
    indices: &[usize],
    runtime: &Runtime<'_>,
) -> Result<Vec<LayerError>, QuantizeError> {
    let precisions = plan.precisions();
    let layers: Vec<usize> = (0..precisions.len()).filter(|&i| precisions[i].is_quantized()).collect();
    if layers.is_empty() {
        return Ok(Vec::new());
    }
    let sessions = (runtime.compile)(&side_by_side(&calibration.graph, plan, &layers))?;
    let start = || vec![(Distance::default(), Distance::default()); layers.len()];
    let lanes = lanes::fold(&sessions, data, indices, runtime.progress, start, |all, _, outputs| {
        for ((local, whole), values) in all.iter_mut().zip(outputs.chunks_exact(3)) {
            local.add(&values[0], &values[1]);
            whole.add(&values[0], &values[2]);
        }
        Ok(())
    })?;
    let mut total = start();
    for lane in &lanes {
        for (t, l) in total.iter_mut().zip(lane) {
            t.0.merge(&l.0);
            t.1.merge(&l.1);
        }
    }
    let error = |(&layer, (local, whole)): (&usize, (Distance, Distance))| {
        let own = plan.choices[layer].integer().and_then(|integer| integer.input);
        let (input, grid) = (plan.layers[layer].input, own.or(plan.input_grid(&plan.layers[layer])));
        // Ranges of values divided by factors leave nothing out.
        let divided = plan.factors.contains_key(&input);
        let outside = |grid: Grid| calibration.moments[&input].histogram.share_outside(grid.limits());
        let clipped = grid.filter(|_| !divided).map_or(0.0, outside);
        LayerError { layer, local, whole, clipped }
    };
    Ok(layers.iter().zip(total).map(error).collect())
}
