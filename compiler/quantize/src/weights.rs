//! Codes of weights: symmetric, a scale for every output or for every block of its weights.

use crate::plan::IntegerLayer;
use crate::rounding::Rounded;
use crate::{Codes, Layer, Precision};
use qcc_tensor::{Tensor, TensorType};
use rayon::prelude::*;

/// Scales that are tried for an output, evenly from the one that clips nothing down to [`SMALLEST`] of it.
const CANDIDATES: usize = 40;

/// Share of the largest weight below which clipping never paid.
const SMALLEST: f64 = 0.5;

/// Largest bias in units of its scale: half the range of an accumulator, so that the products have the other half.
const BIAS_LIMIT: f64 = 1_073_741_824.0;

/// How far the bias of an output without weights is resolved: its codes have twenty bits.
const BIAS_STEPS: f64 = 1_048_576.0;

/// The scale of every output, or of every block of its weights, with the smallest error of the product, if inputs are
/// independent; none where all weights are zero. `importance` is the mean square of every channel of the input.
pub fn best_scales(layer: &Layer, importance: &[f64], codes: Codes, block: Option<usize>) -> Vec<Option<f64>> {
    let of = |(output, row): (usize, &Vec<f32>)| -> Vec<Option<f64>> {
        let importance = importance_of(layer, output, importance);
        let length = block.unwrap_or(row.len()).max(1);
        row.chunks(length).zip(importance.chunks(length)).map(|(row, i)| best_scale(row, i, codes)).collect()
    };
    layer.rows().par_iter().enumerate().flat_map_iter(of).collect()
}

/// The importance of every weight of an output.
fn importance_of(layer: &Layer, output: usize, importance: &[f64]) -> Vec<f64> {
    layer.channels(output).map(|channel| importance[channel]).collect()
}

/// Quantizes the weights of a layer by its [`best_scales`]. `input_scale` is the scale of the input: a bias must fit into 32
/// bits, so a scale that is too small for it is raised. Codes are the nearest, or those of `rounded`. [`weights_only`] is the
/// same for inputs that stay floats.
pub fn quantize(
    layer: &Layer,
    bias: &[f32],
    importance: &[f64],
    best: &[Option<f64>],
    input_scale: f32,
    codes: Codes,
    rounded: Option<&Rounded>,
) -> IntegerLayer {
    let (mut scales, mut rows, mut noise) = (Vec::new(), Vec::new(), Vec::new());
    let layer_rows = layer.rows();
    let mut bias = bias.to_vec();
    for (output, row) in layer_rows.iter().enumerate() {
        let b = f64::from(bias.get(output).copied().unwrap_or(0.0)).abs();
        let floor = b / (f64::from(input_scale) * BIAS_LIMIT);
        let scale = match best[output] {
            Some(scale) => scale.max(floor),
            None if b > 0.0 => b / (f64::from(input_scale) * BIAS_STEPS),
            None => 1.0,
        };
        let scale = (scale as f32).max(f32::MIN_POSITIVE);
        let (row_codes, of_weights) = match rounded.and_then(|r| r.of(output, scale)) {
            Some((codes, shift, noise)) => {
                bias.resize(layer_rows.len(), 0.0);
                bias[output] += shift;
                (codes.to_vec(), noise)
            }
            None => {
                let nearest: Vec<i8> = row.iter().map(|&w| code(w, scale, codes)).collect();
                let noise = weight_noise(row, &nearest, scale, &importance_of(layer, output, importance));
                (nearest, noise)
            }
        };
        // Values are off by a uniform share of a step.
        let uniform = f64::from(input_scale).powi(2) / 12.0;
        noise.push(of_weights + uniform * row.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>());
        rows.push(row_codes);
        scales.push(scale);
    }
    let codes = Tensor::new(layer.weights.shape().iter().copied(), layer.unrows(&rows));
    IntegerLayer { codes, scales, input: None, bias, noise }
}

/// Quantizes the weights of a matrix product alone, in blocks if its precision has them. Other arguments are as in
/// [`quantize`]; codes in blocks are the nearest.
pub fn weights_only(
    layer: &Layer,
    bias: &[f32],
    importance: &[f64],
    best: &[Option<f64>],
    precision: Precision,
    rounded: Option<&Rounded>,
) -> IntegerLayer {
    let Some(codes) = precision.codes() else { unreachable!("this is a bug in qcc: weights of a float layer") };
    let (mut scales, mut rows, mut noise) = (Vec::new(), Vec::new(), Vec::new());
    let layer_rows = layer.rows();
    let mut bias = bias.to_vec();
    let block = precision.block();
    for (output, row) in layer_rows.iter().enumerate() {
        let (mut row_codes, mut row_noise) = (Vec::new(), 0.0);
        let length = block.unwrap_or(row.len());
        for (weights, importance) in row.chunks(length).zip(importance.chunks(length)) {
            let scale = best[scales.len()].unwrap_or(1.0) as f32;
            let scale = scale.max(f32::MIN_POSITIVE);
            scales.push(scale);
            if let Some((codes, shift, noise)) = rounded.filter(|_| block.is_none()).and_then(|r| r.of(output, scale)) {
                bias.resize(layer_rows.len(), 0.0);
                bias[output] += shift;
                row_codes.extend_from_slice(codes);
                row_noise += noise;
                continue;
            }
            let nearest: Vec<i8> = weights.iter().map(|&w| code(w, scale, codes)).collect();
            row_noise += weight_noise(weights, &nearest, scale, importance);
            row_codes.extend(nearest);
        }
        rows.push(row_codes);
        noise.push(row_noise);
    }
    let bytes: Vec<u8> = layer.unrows(&rows).into_iter().map(|code| code as u8).collect();
    let ty = TensorType::new(codes.dtype, layer.weights.shape().iter().copied());
    let codes = Tensor::from_bytes(ty, bytes.into()).expect("a code is a byte");
    IntegerLayer { codes, scales, input: None, bias, noise }
}

/// Expected square of the error that rounding weights leaves in a product, if inputs are independent.
fn weight_noise(row: &[f32], codes: &[i8], scale: f32, importance: &[f64]) -> f64 {
    let error = |(&w, &q): (&f32, &i8)| f64::from(w) - f64::from(q) * f64::from(scale);
    row.iter().zip(codes).zip(importance).map(|(pair, i)| error(pair).powi(2) * i).sum()
}

/// The code of a weight.
pub fn code(w: f32, scale: f32, codes: Codes) -> i8 {
    rounded(w, scale, (codes.lowest as f32, codes.highest as f32)) as i8
}

/// The same as a number.
#[inline(always)]
fn rounded(w: f32, scale: f32, (lowest, highest): (f32, f32)) -> f32 {
    (w / scale).round_ties_even().clamp(lowest, highest)
}

/// `None` if all weights are zero.
fn best_scale(row: &[f32], importance: &[f64], codes: Codes) -> Option<f64> {
    let largest = row.iter().fold(0.0f32, |m, w| m.max(w.abs()));
    if largest == 0.0 {
        return None;
    }
    let full = f64::from(largest) / f64::from(codes.highest);
    let candidates = (0..CANDIDATES).map(|i| full * (1.0 - (1.0 - SMALLEST) * i as f64 / CANDIDATES as f64));
    let ends = (codes.lowest as f32, codes.highest as f32);
    let error = |scale: f64| pulp::Arch::new().dispatch(Error { row, importance, scale, ends });
    candidates.map(|s| (error(s), s)).reduce(|a, b| if b.0 < a.0 { b } else { a }).map(|(_, s)| s)
}

/// The squared error of weights at a scale, each counting as much as its importance.
struct Error<'a> {
    row: &'a [f32],
    importance: &'a [f64],
    scale: f64,
    /// The lowest and the highest code.
    ends: (f32, f32),
}

/// Weights whose errors are summed side by side.
const LANES: usize = 8;

impl pulp::WithSimd for Error<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> f64 {
        let Self { row, importance, scale, ends } = self;
        let error = |w: f32, importance: f64| {
            let d = f64::from(rounded(w, scale as f32, ends)) * scale - f64::from(w);
            d * d * (importance + f64::MIN_POSITIVE)
        };
        let mut sums = [0.0; LANES];
        let ((rows, rest), (importances, of_rest)) = (row.as_chunks::<LANES>(), importance.as_chunks::<LANES>());
        for (w, i) in rows.iter().zip(importances) {
            for lane in 0..LANES {
                sums[lane] += error(w[lane], i[lane]);
            }
        }
        sums.iter().sum::<f64>() + rest.iter().zip(of_rest).map(|(&w, &i)| error(w, i)).sum::<f64>()
    }
}
