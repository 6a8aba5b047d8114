//! The range of every tensor by its expected error at those who read it.
//!
//! A layer multiplies the error of an input channel with the weights of that channel, so the squared error of a channel counts
//! as much as the sum of the squares of its weights in all layers that read it. Every method proposes a range, and the
//! proposals are compared on the samples themselves.

use crate::columns::tiles;
use crate::lanes::{self, Runtime, Samples, Sessions};
use crate::{Grid, Layer, Method, QuantizeError};
use qcc_ir::{TypedGraph, ValueId};

/// A value and the grids that are proposed for it.
pub type Tried = (ValueId, Vec<(Method, Grid)>);

/// The best candidate of every value. The first outputs of `sessions` are the values, the channels of each last.
///
/// # Errors
/// Samples that cannot be run.
pub fn best(
    graph: &TypedGraph,
    layers: &[Layer],
    tried: &[Tried],
    sessions: &Sessions,
    data: &dyn Samples,
    samples: &[usize],
    runtime: &Runtime<'_>,
) -> Result<Vec<(Method, Grid)>, QuantizeError> {
    let weights: Vec<Vec<f32>> = tried.iter().map(|(v, _)| weights_of(graph, layers, *v)).collect();
    let start = || -> Vec<Vec<f64>> { tried.iter().map(|(_, grids)| vec![0.0; grids.len()]).collect() };
    let lanes = lanes::fold_floats(sessions, data, samples, runtime.progress, start, |errors, _, at, values| {
        let Some((_, grids)) = tried.get(at) else { return Ok(()) };
        let sums = &mut errors[at];
        for (i, (_, grid)) in grids.iter().enumerate() {
            // Methods often agree.
            sums[i] += match grids[..i].iter().position(|(_, g)| g == grid) {
                Some(same) => sums[same] - sums[i],
                None => error(values, &weights[at], grid),
            };
        }
        Ok(())
    })?;
    let mut total = start();
    for lane in &lanes {
        total.iter_mut().flatten().zip(lane.iter().flatten()).for_each(|(t, l)| *t += l);
    }
    let best = |(errors, (_, grids)): (&Vec<f64>, &Tried)| {
        let least = errors.iter().copied().fold(f64::INFINITY, f64::min);
        let at = errors.iter().position(|e| *e == least).unwrap_or(0);
        grids[at]
    };
    Ok(total.iter().zip(tried).map(best).collect())
}

/// The squared error of a grid on values, channels last, each channel counting as much as its weight says.
fn error(values: &[f32], weights: &[f32], grid: &Grid) -> f64 {
    let inverse = 1.0 / grid.scale;
    let (lo, hi) = ((grid.codes.lowest - grid.zero_point) as f32, (grid.codes.highest - grid.zero_point) as f32);
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let mut total = 0.0;
    tiles(values, weights.len(), |tile| {
        let squares = tile.fold(0.0, |sum, v| {
            let scaled = v * inverse;
            let above = if scaled > lo { scaled } else { lo };
            let clipped = if above < hi { above } else { hi };
            let d = ((clipped + ROUND) - ROUND) * grid.scale - v;
            sum + d * d
        });
        let weighed = |lane: usize| f64::from(squares[lane] * weights[(tile.first + lane) % weights.len()]);
        total += (0..tile.lanes).map(weighed).sum::<f64>();
    });
    total
}

/// How much the error of each channel of a value counts.
fn weights_of(graph: &TypedGraph, layers: &[Layer], value: ValueId) -> Vec<f32> {
    let mut readers = layers.iter().filter(|l| l.input == value).peekable();
    let Some(first) = readers.peek() else { return vec![1.0] };
    let axis = first.input_axis;
    let mut by_channel = vec![0.0f64; graph.ty(value).shape[axis]];
    for layer in readers.filter(|l| l.input_axis == axis) {
        for (output, row) in layer.rows().iter().enumerate() {
            for (&w, channel) in row.iter().zip(layer.channels(output)) {
                by_channel[channel] += f64::from(w) * f64::from(w);
            }
        }
    }
    let mean = by_channel.iter().sum::<f64>() / by_channel.len().max(1) as f64;
    let relative = |w: &f64| if mean > 0.0 { (w / mean) as f32 } else { 1.0 };
    by_channel.iter().map(relative).collect()
}
