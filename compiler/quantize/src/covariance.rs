//! How the inputs of a layer's products vary together.
//!
//! A product is a row of weights times a row of inputs: the window of a convolution, the last axis of a matrix product. Errors
//! of weights cancel each other as far as their inputs vary together, which is what the covariance of the rows tells.

use crate::calibration::watching;
use crate::lanes::{Runtime, Samples};
use crate::{Calibration, Layer, QuantizeError};
use ndarray::{Array2, Axis};
use qcc_ir::{Node, ValueId};
use qcc_ops::Window;
use qcc_tensor::Tensor;
use rayon::prelude::*;

/// Rows that are taken of one sample: neighbours are much alike.
const ROWS: usize = 256;

/// Longest row: time and memory grow with the square of its length and more.
const LONGEST: usize = 2048;

/// Mean and covariance of the rows that one group of a layer multiplies.
#[derive(Debug, Clone)]
pub struct Covariance {
    /// Mean of every element of a row.
    pub mean: Vec<f64>,
    /// Covariance of elements.
    pub matrix: Array2<f32>,
    /// Samples that it was measured on: rows of one sample are much alike.
    pub samples: usize,
}

/// For every layer that `wanted` names, the covariance of each of its groups in the float model; nothing for other layers and
/// for rows longer than [`LONGEST`].
///
/// # Errors
/// Samples that cannot be run.
pub fn covariances(
    calibration: &Calibration,
    wanted: &[bool],
    samples: &[usize],
    data: &dyn Samples,
    runtime: &Runtime<'_>,
) -> Result<Vec<Vec<Covariance>>, QuantizeError> {
    let mut sums: Vec<Option<Sums>> =
        wanted.iter().zip(&calibration.layers).map(|(w, layer)| w.then(|| Sums::new(calibration, layer))?).collect();
    let mut values: Vec<ValueId> =
        sums.iter().zip(&calibration.layers).filter(|(s, _)| s.is_some()).map(|(_, l)| l.input).collect();
    values.sort_unstable_by_key(|v| (v.node, v.output));
    values.dedup();
    if !values.is_empty() {
        let as_they_are: Vec<(ValueId, usize)> =
            values.iter().map(|v| (*v, calibration.graph.ty(*v).rank().saturating_sub(1))).collect();
        let mut session = (runtime.compile)(&watching(&calibration.graph, &as_they_are))?()?;
        for &sample in samples {
            let outputs = session.run(&data.inputs(sample)?).map_err(|error| QuantizeError::Run { sample, error })?;
            // Samples come one after the other, so sums do not depend on the number of threads.
            sums.par_iter_mut().zip(&calibration.layers).for_each(|(sums, layer)| {
                let at = values.iter().position(|v| *v == layer.input);
                if let (Some(sums), Some(at)) = (sums, at) {
                    sums.add(sample, &outputs[at]);
                }
            });
            (runtime.progress)();
        }
    }
    Ok(sums.into_iter().map(|sums| sums.map_or(Vec::new(), Sums::finish)).collect())
}

/// Sums over rows, of differences to a guess of their mean.
struct Sums {
    /// Geometry of a convolution; `None` for matrix products.
    window: Option<Window>,
    /// Guesses of the means of the channels.
    guess: Vec<f32>,
    groups: Vec<(Vec<f64>, Array2<f32>)>,
    rows: usize,
    samples: usize,
}

impl Sums {
    /// Nothing if the rows are too long.
    fn new(calibration: &Calibration, layer: &Layer) -> Option<Self> {
        let length = layer.weights.elements() / layer.outputs();
        let Node::Op(node) = calibration.graph.graph().node(layer.node) else { return None };
        let window = match layer.op {
            "Conv" => Some(Window::read(&node.attrs, layer.weights.shape()[2..].to_vec()).ok()?),
            _ => None,
        };
        let guess: Vec<f32> = calibration.moments[&layer.input].means().iter().map(|m| *m as f32).collect();
        if guess.len() != calibration.graph.ty(layer.input).shape[layer.input_axis] {
            return None;
        }
        let group = || (vec![0.0; length], Array2::zeros((length, length)));
        let groups = (length <= LONGEST).then(|| (0..layer.groups).map(|_| group()).collect())?;
        Some(Self { window, guess, groups, rows: 0, samples: 0 })
    }

    fn add(&mut self, sample: usize, input: &Tensor) {
        let rows = match &self.window {
            Some(window) => windows(window, &self.guess, self.groups.len(), sample, input),
            None => vec![last_axis(&self.guess, sample, input)],
        };
        self.samples += 1;
        self.rows += rows.first().map_or(0, Array2::nrows);
        for ((sum, product), rows) in self.groups.iter_mut().zip(rows) {
            sum.iter_mut().zip(rows.sum_axis(Axis(0))).for_each(|(s, r)| *s += f64::from(r));
            *product += &rows.t().dot(&rows);
        }
    }

    fn finish(self) -> Vec<Covariance> {
        let n = self.rows.max(1) as f64;
        let per_group = self.guess.len() / self.groups.len();
        let of = |(group, (sum, mut matrix)): (usize, (Vec<f64>, Array2<f32>))| {
            let taps = sum.len() / per_group;
            let offset: Vec<f64> = sum.iter().map(|s| s / n).collect();
            for ((i, j), v) in matrix.indexed_iter_mut() {
                *v = (f64::from(*v) / n - offset[i] * offset[j]) as f32;
            }
            let guess = |k: usize| f64::from(self.guess[group * per_group + k / taps]);
            let mean = offset.iter().enumerate().map(|(k, o)| o + guess(k)).collect();
            Covariance { mean, matrix, samples: self.samples }
        };
        self.groups.into_iter().enumerate().map(of).collect()
    }
}

/// Some of `count` positions, other ones for every sample.
fn some(count: usize, sample: usize) -> impl Iterator<Item = usize> {
    let taken = count.min(ROWS);
    let first = (sample * 7919) % count.max(1);
    (0..taken).map(move |i| (i * count / taken + first) % count)
}

/// Windows of an image, less the guess; a matrix for every group, with one row a window and padding as zeros.
fn windows(window: &Window, guess: &[f32], groups: usize, sample: usize, input: &Tensor) -> Vec<Array2<f32>> {
    let (shape, values) = (input.shape(), input.slice::<f32>());
    let (channels, spatial) = (shape[1], &shape[2..]);
    let Ok(outputs) = window.outputs(spatial, false) else { return Vec::new() };
    let (area, taps): (usize, usize) = (spatial.iter().product(), window.kernel.iter().product());
    let positions: usize = outputs.iter().product();
    let per_group = channels / groups;
    let chosen: Vec<usize> = some(shape[0] * positions, sample).collect();
    let start = |group: usize| {
        let padding = |(_, k): (usize, usize)| -guess[group * per_group + k / taps];
        Array2::from_shape_fn((chosen.len(), per_group * taps), padding)
    };
    let mut rows: Vec<Array2<f32>> = (0..groups).map(start).collect();
    for (row, at) in chosen.into_iter().enumerate() {
        let (image, mut rest) = (at / positions, at % positions);
        let mut place = vec![0; outputs.len()];
        for (p, size) in place.iter_mut().zip(&outputs).rev() {
            (*p, rest) = (rest % size, rest / size);
        }
        let image = &values[image * channels * area..][..channels * area];
        window.each_tap(&place, spatial, &mut |position, tap| {
            for channel in 0..channels {
                let (group, c) = (channel / per_group, channel % per_group);
                rows[group][(row, c * taps + tap)] += image[channel * area + position];
            }
        });
    }
    rows
}

/// Rows along the last axis, less the guess.
fn last_axis(guess: &[f32], sample: usize, input: &Tensor) -> Array2<f32> {
    let length = guess.len();
    let values = input.slice::<f32>();
    let chosen: Vec<usize> = some(values.len() / length, sample).collect();
    Array2::from_shape_fn((chosen.len(), length), |(row, k)| values[chosen[row] * length + k] - guess[k])
}
