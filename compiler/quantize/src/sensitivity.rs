//! How much each layer costs the model's accuracy, and which layers stay floats to keep it within a budget.
//!
//! The noise of a layer is the distance of the model's outputs from the float model's when this layer alone runs on integers.
//! Noises of independent roundings add up, so the sum over layers predicts the noise of a plan; whether it holds is measured.

use crate::lanes::{Runtime, Samples};
use crate::{Calibration, Expected, Loss, QuantizeError, insert};
use rayon::prelude::*;

/// What a layer costs in accuracy and brings in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sensitivity {
    /// Noise at the model's outputs, over signal, if only this layer runs on integers.
    pub noise: f64,
    /// Multiply-accumulates that integers speed up.
    pub macs: u64,
}

/// Measures every layer for which `int8` says so; the others have no noise.
///
/// # Errors
/// Samples that cannot be run.
pub fn sensitivities(
    calibration: &Calibration,
    int8: &[bool],
    expected: &Expected,
    data: &dyn Samples,
    runtime: &Runtime<'_>,
) -> Result<Vec<Sensitivity>, QuantizeError> {
    (0..int8.len())
        .into_par_iter()
        .map(|i| {
            let macs = calibration.macs(i);
            if !int8[i] {
                return Ok(Sensitivity { noise: 0.0, macs });
            }
            let only: Vec<bool> = (0..int8.len()).map(|j| j == i).collect();
            let graph = insert(&calibration.graph, &calibration.plan(&only), &[]);
            let Loss { noise, .. } = expected.loss(&graph, data, runtime)?;
            Ok(Sensitivity { noise, macs })
        })
        .collect()
}

/// Chooses layers to stay floats until the noise that is predicted is `budget` at most: those first that bring the least time
/// for their noise. `scale` corrects the prediction by what was measured. Layers that are floats already stay so, and layers
/// without noise stay on integers.
pub fn within_budget(sensitivities: &[Sensitivity], int8: &[bool], budget: f64, scale: f64) -> Vec<bool> {
    let mut chosen = int8.to_vec();
    let mut order: Vec<usize> = (0..chosen.len()).filter(|&i| chosen[i] && sensitivities[i].noise > 0.0).collect();
    let rate = |i: usize| sensitivities[i].noise / (sensitivities[i].macs as f64 + MACS_OF_A_KERNEL);
    order.sort_by(|&a, &b| rate(b).total_cmp(&rate(a)).then(a.cmp(&b)));
    let mut predicted: f64 = order.iter().map(|&i| sensitivities[i].noise).sum();
    for i in order {
        if predicted * scale <= budget {
            break;
        }
        chosen[i] = false;
        predicted -= sensitivities[i].noise;
    }
    chosen
}

/// What starting a kernel costs in multiply-accumulates: so much a layer brings at least.
const MACS_OF_A_KERNEL: f64 = 20_000.0;

/// Attempts to meet a budget: a prediction is wrong by a factor that settles soon.
const ATTEMPTS: usize = 6;

/// Keeps layers in floats until the measured noise is within `budget`.
///
/// # Errors
/// Samples that cannot be run.
pub fn meet(
    calibration: &Calibration,
    sensitivities: &[Sensitivity],
    int8: &[bool],
    budget: f64,
    expected: &Expected,
    data: &dyn Samples,
    runtime: &Runtime<'_>,
) -> Result<(Vec<bool>, Loss), QuantizeError> {
    let sum =
        |int8: &[bool]| -> f64 { int8.iter().zip(sensitivities).filter(|(on, _)| **on).map(|(_, s)| s.noise).sum() };
    let mut scale = 1.0;
    let mut chosen = int8.to_vec();
    for attempt in 0..ATTEMPTS {
        let next = within_budget(sensitivities, &chosen, budget, scale);
        // A prediction that is met and a measurement that is not: one layer more.
        chosen = if next == chosen && attempt > 0 { without_worst(sensitivities, &chosen) } else { next };
        let graph = insert(&calibration.graph, &calibration.plan(&chosen), &[]);
        let loss = expected.loss(&graph, data, runtime)?;
        if loss.noise <= budget || chosen.iter().all(|on| !on) {
            return Ok((chosen, loss));
        }
        let predicted = sum(&chosen);
        if predicted > 0.0 {
            scale = (loss.noise / predicted).max(1.0);
        }
    }
    let none = vec![false; int8.len()];
    Ok((none, Loss { noise: 0.0, agreement: 1.0 }))
}

fn without_worst(sensitivities: &[Sensitivity], int8: &[bool]) -> Vec<bool> {
    let on = (0..int8.len()).filter(|&i| int8[i] && sensitivities[i].noise > 0.0);
    let worst = on.max_by(|&a, &b| sensitivities[a].noise.total_cmp(&sensitivities[b].noise));
    (0..int8.len()).map(|i| int8[i] && Some(i) != worst).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_with_the_most_noise_for_their_time_stay_floats() {
        let s = |noise, macs| Sensitivity { noise, macs };
        let all = [s(0.01, 1_000_000), s(0.02, 1_000_000_000), s(0.001, 1_000_000), s(0.0, 5)];
        assert_eq!(within_budget(&all, &[true; 4], 0.022, 1.0), [false, true, true, true]);
        assert_eq!(within_budget(&all, &[true; 4], 0.1, 1.0), [true; 4]);
        assert_eq!(within_budget(&all, &[true; 4], 0.205, 10.0), [false, true, false, true]);
    }
}
