//! Biases that make up for the shift of means.
//!
//! Rounding weights and clipping values moves the mean of a layer's outputs. The difference to the float layer's mean, measured
//! with everything in front of the layer quantized, is subtracted from its bias. A correction changes what the layers behind
//! it see, so the measurement is repeated; corrections are kept only where the outputs of the model come nearer to those of the
//! float model on samples held out.

use crate::calibration::watching;
use crate::keep::{self, Judge};
use crate::lanes;
use crate::plan::Choice;
use crate::{Calibration, Loss, Moments, QuantizeError, insert};
use qcc_ir::{Graph, ValueId};

/// Rounds of measuring and correcting.
const ROUNDS: usize = 2;

/// Corrects the biases of the layers that run on integers by means over `samples`. `loss` becomes that of the corrected model.
///
/// # Errors
/// Samples that cannot be run.
pub fn correct_biases(
    calibration: &mut Calibration,
    judge: &Judge<'_>,
    samples: &[usize],
    loss: &mut Loss,
) -> Result<(), QuantizeError> {
    for _ in 0..ROUNDS {
        let shifts = shifts(calibration, judge, samples)?;
        let kept = keep::kept(shifts.len(), &mut |part| {
            let before: Vec<Vec<f32>> = part.iter().map(|&i| calibration.biases[shifts[i].0].clone()).collect();
            for &i in part {
                let (layer, shift) = &shifts[i];
                let bias = &mut calibration.biases[*layer];
                bias.resize(shift.len(), 0.0);
                bias.iter_mut().zip(shift).for_each(|(b, s)| *b += s);
            }
            let now = judge.loss(calibration)?;
            let better = now.logits.mean < loss.logits.mean;
            if better {
                *loss = now;
            } else {
                for (&i, bias) in part.iter().zip(before) {
                    calibration.biases[shifts[i].0] = bias;
                }
            }
            Ok(better)
        })?;
        // A part of the corrections is measured again only if all of them helped.
        if kept.len() < shifts.len() || kept.is_empty() {
            break;
        }
    }
    Ok(())
}

/// What is missing in the mean of every output of the layers that run on integers, on the same samples in both models.
fn shifts(
    calibration: &Calibration,
    judge: &Judge<'_>,
    samples: &[usize],
) -> Result<Vec<(usize, Vec<f32>)>, QuantizeError> {
    let Judge { precisions, data, runtime, .. } = judge;
    let plan = calibration.plan(precisions);
    let chosen: Vec<usize> =
        (0..plan.layers.len()).filter(|&i| matches!(plan.choices[i], Choice::Integer(..))).collect();
    let output = |&i: &usize| {
        let layer = &plan.layers[i];
        (layer.output, if layer.op == "Conv" { 1 } else { calibration.graph.ty(layer.output).rank() - 1 })
    };
    let watched: Vec<(ValueId, usize)> = chosen.iter().map(output).collect();
    if watched.is_empty() {
        return Ok(Vec::new());
    }
    let outputs = calibration.graph.graph().outputs().len();
    let means = |graph: &Graph, skip: usize| -> Result<Vec<Vec<f64>>, QuantizeError> {
        let sessions = (runtime.compile)(graph)?;
        let start = || -> Vec<Moments> { chosen.iter().map(|&i| Moments::new(plan.layers[i].outputs(), 0)).collect() };
        let lanes =
            lanes::fold_floats(&sessions, *data, samples, runtime.progress, start, |all, sample, at, values| {
                let Some(at) = at.checked_sub(skip) else { return Ok(()) };
                all[at].add(values, &|| format!("sample {sample}: a quantized layer"))
            })?;
        let mut total = start();
        for lane in &lanes {
            total.iter_mut().zip(lane).for_each(|(t, l)| t.merge(l));
        }
        Ok(total.iter().map(Moments::means).collect())
    };
    let wanted = means(&watching(&calibration.graph, &watched), 0)?;
    let measured = means(&insert(&calibration.graph, &plan, &watched), outputs)?;
    let shift = |((&i, wanted), measured): ((&usize, &Vec<f64>), &Vec<f64>)| {
        (i, wanted.iter().zip(measured).map(|(w, m)| (w - m) as f32).collect())
    };
    Ok(chosen.iter().zip(&wanted).zip(&measured).map(shift).collect())
}
