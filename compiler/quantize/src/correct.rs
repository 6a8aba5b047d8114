//! Biases that make up for the shift of means.
//!
//! Rounding weights and clipping values moves the mean of a layer's outputs. The difference to the float layer's mean, measured
//! with everything in front of the layer quantized, is subtracted from its bias. A correction changes what the layers behind
//! it see, so the measurement is repeated; each round is kept only if the outputs of the model come nearer to those of the
//! float model on samples held out.

use crate::lanes::{self, Runtime, Samples};
use crate::plan::Choice;
use crate::{Calibration, Expected, Loss, Moments, QuantizeError, insert};
use qcc_ir::ValueId;

/// Rounds of measuring and correcting.
const ROUNDS: usize = 3;

/// Corrects the biases of the layers that run on integers; true if a round was kept. `loss` becomes that of the corrected
/// model.
///
/// # Errors
/// Samples that cannot be run.
pub fn correct_biases(
    calibration: &mut Calibration,
    int8: &[bool],
    samples: &[usize],
    expected: &Expected,
    loss: &mut Loss,
    data: &dyn Samples,
    runtime: &Runtime<'_>,
) -> Result<bool, QuantizeError> {
    let mut kept = false;
    for _ in 0..ROUNDS {
        let before = calibration.biases.clone();
        round(calibration, int8, samples, data, runtime)?;
        let plan = calibration.plan(int8);
        let now = expected.loss(&insert(&calibration.graph, &plan, &[]), data, runtime)?;
        if now.noise >= loss.noise {
            calibration.biases = before;
            break;
        }
        *loss = now;
        kept = true;
    }
    Ok(kept)
}

fn round(
    calibration: &mut Calibration,
    int8: &[bool],
    samples: &[usize],
    data: &dyn Samples,
    runtime: &Runtime<'_>,
) -> Result<(), QuantizeError> {
    let plan = calibration.plan(int8);
    let chosen: Vec<usize> = (0..plan.layers.len()).filter(|&i| matches!(plan.choices[i], Choice::Int8(_))).collect();
    let watched: Vec<ValueId> = chosen.iter().map(|&i| plan.layers[i].output).collect();
    if watched.is_empty() {
        return Ok(());
    }
    let outputs = calibration.graph.graph().outputs().len();
    let sessions = (runtime.compile)(&insert(&calibration.graph, &plan, &watched))?;
    let start = || -> Vec<Moments> {
        let of = |&i: &usize| {
            let layer = &plan.layers[i];
            let rank = calibration.graph.ty(layer.output).rank();
            Moments::new(if layer.op == "Conv" { 1 } else { rank - 1 }, layer.outputs())
        };
        chosen.iter().map(of).collect()
    };
    let lanes = lanes::fold(&sessions, data, samples, runtime.progress, start, |all, sample, values| {
        for (moments, value) in all.iter_mut().zip(&values[outputs..]) {
            moments.add(value, &|| format!("sample {sample}: a quantized layer"))?;
        }
        Ok(())
    })?;
    let mut total = start();
    for lane in &lanes {
        total.iter_mut().zip(lane).for_each(|(t, l)| t.merge(l));
    }
    for (&i, measured) in chosen.iter().zip(&total) {
        let wanted = calibration.moments[&plan.layers[i].output].means();
        let bias = &mut calibration.biases[i];
        bias.resize(wanted.len(), 0.0);
        for ((b, w), m) in bias.iter_mut().zip(wanted).zip(measured.means()) {
            *b += (w - m) as f32;
        }
    }
    Ok(())
}
