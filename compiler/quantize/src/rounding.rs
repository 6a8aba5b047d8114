//! Codes of weights whose errors cancel each other.
//!
//! The nearest code is best for a weight alone. What a layer's outputs are off by is the sum of all errors times their inputs,
//! and inputs vary together: the error of one weight can be taken back by those that are rounded after it. Weights are rounded
//! one by one, each to the code nearest to where it belongs given the errors so far: the nearest plane algorithm (L. Babai,
//! 1986), which is GPTQ (E. Frantar et al., 2022) seen from the other end. What is left of the mean error goes to the bias.
//!
//! The nearest plane is near the best codes, seldom at them. From there [`Rounding::Searched`] moves codes by one, alone or two
//! that make up for each other, while that lessens the expected error: the objective of AdaRound (M. Nagel et al., 2020) by steps
//! among codes instead of a relaxation.

use crate::covariance::Covariance;
use crate::plan::IntegerLayer;
use crate::{Codes, Layer};
use ndarray::{Array1, Array2, Axis, s};

/// How far variances may be off, relative to their mean, and means, relative to themselves and squared: this over the number of
/// samples. It keeps weights of inputs that hardly vary where they are, and more so the less is known of how inputs vary. With
/// 128 samples it is the hundredth part that GPTQ adds to variances.
const UNKNOWN: f64 = 1.28;

/// How codes are found whose errors cancel each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rounding {
    /// One after the other, each nearest to where it belongs given the errors so far.
    #[default]
    NearestPlane,
    /// The same, and then moved while that lessens the error.
    Searched,
}

/// Codes of a layer's weights.
#[derive(Debug, Clone)]
pub struct Rounded {
    /// Scale of each output that the codes are meant for.
    scales: Vec<f32>,
    /// Codes of each output.
    rows: Vec<Vec<i8>>,
    /// What each output's bias is to be corrected by.
    shifts: Vec<f32>,
    /// Expected square of the error that the codes leave in each output.
    noise: Vec<f64>,
}

impl Rounded {
    /// Rounds the weights of a layer again, for every one of `nearest`: their scales and the codes that are allowed. `factors`
    /// are what the input's channels are divided by, the weights multiplied with already.
    pub fn all(
        layer: &Layer,
        factors: Option<&[f32]>,
        covariances: &[Covariance],
        nearest: &[(&IntegerLayer, Codes)],
        rounding: Rounding,
    ) -> Vec<Self> {
        let weights = layer.rows();
        let per_group = layer.outputs() / layer.groups;
        let empty = |(nearest, _): &(&IntegerLayer, Codes)| Self {
            scales: nearest.scales.clone(),
            rows: Vec::new(),
            shifts: Vec::new(),
            noise: Vec::new(),
        };
        let mut all: Vec<Self> = nearest.iter().map(empty).collect();
        for (group, covariance) in covariances.iter().enumerate() {
            let outputs = group * per_group..(group + 1) * per_group;
            let inverse = |channel: usize| factors.map_or(1.0, |f| 1.0 / f64::from(f[channel]));
            let inverse: Vec<f64> = layer.channels(outputs.start).map(inverse).collect();
            let plane = Plane::new(covariance, &inverse);
            for (rounded, (nearest, codes)) in all.iter_mut().zip(nearest) {
                let scales = &nearest.scales[outputs.clone()];
                let (mut rows, mut errors) = plane.round(&weights[outputs.clone()], scales, *codes);
                if rounding == Rounding::Searched {
                    plane.search(&mut rows, &mut errors, scales, *codes);
                }
                rounded
                    .noise
                    .extend((&errors * &plane.matrix.dot(&errors)).sum_axis(Axis(0)).iter().map(|v| v.max(0.0)));
                let mean: Array1<f64> = covariance.mean.iter().zip(&inverse).map(|(m, i)| m * i).collect();
                rounded.shifts.extend(mean.dot(&errors).iter().map(|v| *v as f32));
                rounded.rows.extend(rows);
            }
        }
        all
    }

    /// What is meant for an output's weights with a scale: codes, shift of the bias, noise.
    pub fn of(&self, output: usize, scale: f32) -> Option<(&[i8], f32, f64)> {
        (self.scales[output] == scale).then(|| (&*self.rows[output], self.shifts[output], self.noise[output]))
    }
}

/// Times that a search goes through a row.
const SWEEPS: usize = 8;

/// What errors of weights amount to in the outputs.
struct Plane {
    /// Covariance of the inputs, and how far their means may be off.
    matrix: Array2<f64>,
    /// What is added to its diagonal.
    damping: f64,
    /// Weights from the first to the last: the last is rounded first and has all others to make up for it.
    order: Vec<usize>,
    /// `R` with `R^T R` equal to the damped covariance, in order.
    upper: Array2<f64>,
}

impl Plane {
    /// Of inputs that are multiplied by `inverse` first.
    fn new(covariance: &Covariance, inverse: &[f64]) -> Self {
        let n = inverse.len();
        let Covariance { mean, matrix, samples } = covariance;
        let unknown = UNKNOWN / (*samples).max(1) as f64;
        let of = |(i, j): (usize, usize)| {
            (f64::from(matrix[(i, j)]) + unknown * mean[i] * mean[j]) * inverse[i] * inverse[j]
        };
        let matrix = Array2::from_shape_fn((n, n), of);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| matrix[(a, a)].total_cmp(&matrix[(b, b)]));
        let damping = unknown * matrix.diag().sum() / n.max(1) as f64 + f64::MIN_POSITIVE;
        let damped = |(i, j): (usize, usize)| matrix[(order[i], order[j])] + if i == j { damping } else { 0.0 };
        let upper = cholesky(Array2::from_shape_fn((n, n), damped));
        Self { matrix, damping, order, upper }
    }

    /// Codes of every row of weights, one row an output, and the errors that are left, one column an output.
    fn round(&self, weights: &[Vec<f32>], scales: &[f32], codes: Codes) -> (Vec<Vec<i8>>, Array2<f64>) {
        let (length, outputs) = (self.order.len(), weights.len());
        let mut rows = vec![vec![0i8; length]; outputs];
        let mut errors = Array2::<f64>::zeros((length, outputs));
        for at in (0..length).rev() {
            let k = self.order[at];
            let mut wanted: Vec<f64> = weights.iter().map(|row| f64::from(row[k])).collect();
            for behind in at + 1..length {
                let share = self.upper[(at, behind)] / self.upper[(at, at)];
                let made = errors.row(self.order[behind]);
                wanted.iter_mut().zip(made).for_each(|(w, e)| *w += share * e);
            }
            for (o, wanted) in wanted.into_iter().enumerate() {
                let scale = f64::from(scales[o]);
                let code = (wanted / scale).round_ties_even().clamp(f64::from(codes.lowest), f64::from(codes.highest));
                rows[o][k] = code as i8;
                errors[(k, o)] = f64::from(weights[o][k]) - code * scale;
            }
        }
        (rows, errors)
    }

    /// Moves codes by one, alone or two at a time, where that lessens the damped error of their row; `errors` follow.
    fn search(&self, rows: &mut [Vec<i8>], errors: &mut Array2<f64>, scales: &[f32], codes: Codes) {
        let bends: Vec<f64> = self.matrix.diag().iter().map(|m| m + self.damping).collect();
        for ((row, mut error), &scale) in rows.iter_mut().zip(errors.axis_iter_mut(Axis(1))).zip(scales) {
            let mut slopes = self.matrix.dot(&error);
            slopes.scaled_add(self.damping, &error);
            let mut search = Search { plane: self, bends: &bends, scale: f64::from(scale), codes, row, slopes };
            for _ in 0..SWEEPS {
                let steps = (0..bends.len()).flat_map(|k| [(k, 1i8), (k, -1)]);
                let moved: Vec<(usize, i8)> = steps.flat_map(|(k, step)| search.moved(k, step)).collect();
                moved.iter().for_each(|&(k, step)| error[k] -= f64::from(step) * search.scale);
                if moved.is_empty() {
                    break;
                }
            }
        }
    }
}

/// A search for better codes of a row.
struct Search<'a> {
    plane: &'a Plane,
    /// The diagonal of the damped matrix.
    bends: &'a [f64],
    scale: f64,
    codes: Codes,
    row: &'a mut Vec<i8>,
    /// The damped matrix times the errors.
    slopes: Array1<f64>,
}

impl Search<'_> {
    /// Moves a code, and the one that is best moved with it, if that lessens the error.
    fn moved(&mut self, k: usize, step: i8) -> Vec<(usize, i8)> {
        if !self.is_code(k, step) {
            return Vec::new();
        }
        let less = f64::from(step) * self.scale;
        let alone = less * (2.0 * self.slopes[k] - less * self.bends[k]);
        let (mut with, mut other) = (0.0, None);
        for (j, (slope, shared)) in self.slopes.iter().zip(self.plane.matrix.row(k)).enumerate() {
            let slope = slope - less * shared;
            let gain = self.scale * (2.0 * slope.abs() - self.scale * self.bends[j]);
            let step = if slope < 0.0 { -1 } else { 1 };
            if gain > with && j != k && self.is_code(j, step) {
                (with, other) = (gain, Some((j, step)));
            }
        }
        // Less is the rounding of the sums.
        if alone + with <= 1e-9 * self.scale * self.scale * self.bends[k] {
            return Vec::new();
        }
        let moves: Vec<(usize, i8)> = [(k, step)].into_iter().chain(other).collect();
        for &(k, step) in &moves {
            let less = f64::from(step) * self.scale;
            self.row[k] += step;
            self.slopes.scaled_add(-less, &self.plane.matrix.row(k));
            self.slopes[k] -= less * self.plane.damping;
        }
        moves
    }

    /// Whether a code may be moved.
    fn is_code(&self, k: usize, step: i8) -> bool {
        (self.codes.lowest..=self.codes.highest).contains(&(i32::from(self.row[k]) + i32::from(step)))
    }
}

/// The upper triangular `R` with `R^T R` equal to a positive definite matrix, of which the upper triangle is read; what is
/// below the diagonal means nothing.
fn cholesky(mut matrix: Array2<f64>) -> Array2<f64> {
    for k in 0..matrix.nrows() {
        let pivot = matrix[(k, k)].max(f64::MIN_POSITIVE).sqrt();
        let (mut row, mut below) = matrix.view_mut().split_at(Axis(0), k + 1);
        let mut row = row.row_mut(k);
        row.slice_mut(s![k..]).mapv_inplace(|v| v / pivot);
        for (i, mut target) in below.rows_mut().into_iter().enumerate() {
            let i = k + 1 + i;
            let factor = row[i];
            target.slice_mut(s![i..]).zip_mut_with(&row.slice(s![i..]), |t, r| *t -= factor * r);
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::code;

    /// Inputs of which neighbours are much alike.
    fn alike(length: usize) -> Array2<f64> {
        Array2::from_shape_fn((length, length), |(i, j)| {
            0.9f64.powi((i as i32 - j as i32).abs()) * (1.0 + i as f64 / 8.0)
        })
        .to_owned()
    }

    fn symmetric(m: &Array2<f64>) -> Array2<f64> {
        (m + &m.t()) / 2.0
    }

    fn weights(rows: usize, length: usize) -> Vec<Vec<f32>> {
        (0..rows)
            .map(|o| (0..length).map(|k| (((o * length + k) * 7919 % 1009) as f32 / 504.5) - 1.0).collect())
            .collect()
    }

    fn error(covariance: &Array2<f64>, weights: &[f32], codes: &[i8], scale: f32) -> f64 {
        let e: Array1<f64> = weights.iter().zip(codes).map(|(w, q)| f64::from(w - f32::from(*q) * scale)).collect();
        e.dot(&covariance.dot(&e))
    }

    fn nearest_plane(covariance: &Array2<f64>, weights: &[Vec<f32>], scales: &[f32], codes: Codes) -> Vec<Vec<i8>> {
        let (mean, matrix) = (vec![0.0; covariance.nrows()], covariance.mapv(|v| v as f32));
        planned(&Covariance { mean, matrix, samples: 128 }, weights, scales, codes)
    }

    fn planned(covariance: &Covariance, weights: &[Vec<f32>], scales: &[f32], codes: Codes) -> Vec<Vec<i8>> {
        let inverse = vec![1.0; covariance.mean.len()];
        Plane::new(covariance, &inverse).round(weights, scales, codes).0
    }

    #[test]
    fn a_cholesky_factor_times_itself_is_the_matrix() {
        let matrix = symmetric(&alike(24));
        let r = cholesky(matrix.clone());
        let upper = Array2::from_shape_fn((24, 24), |(i, j)| if i <= j { r[(i, j)] } else { 0.0 });
        let difference = (upper.t().dot(&upper) - matrix).mapv(f64::abs).sum();
        assert!(difference < 1e-9, "{difference}");
    }

    #[test]
    fn errors_cancel_where_inputs_vary_together() {
        let covariance = symmetric(&alike(32));
        let (weights, scale) = (weights(8, 32), 0.05f32);
        let rounded = nearest_plane(&covariance, &weights, &[scale; 8], Codes::I8);
        let (mut nearest, mut planned) = (0.0, 0.0);
        for (row, codes) in weights.iter().zip(&rounded) {
            let simple: Vec<i8> = row.iter().map(|&w| code(w, scale, Codes::I8)).collect();
            nearest += error(&covariance, row, &simple, scale);
            planned += error(&covariance, row, codes, scale);
        }
        assert!(planned < 0.4 * nearest, "{planned} beside {nearest}");
    }

    #[test]
    fn a_search_ends_where_no_pair_of_moves_helps() {
        let matrix = symmetric(&alike(32)).mapv(|v| v as f32);
        let covariance = Covariance { mean: vec![0.0; 32], matrix, samples: 1 << 40 };
        let (weights, scales) = (weights(8, 32), [0.05f32; 8]);
        let plane = Plane::new(&covariance, &[1.0; 32]);
        let (mut rows, mut errors) = plane.round(&weights, &scales, Codes::I8);
        let matrix = plane.matrix.clone();
        let of = |rows: &[Vec<i8>], o: usize| error(&matrix, &weights[o], &rows[o], scales[o]);
        let before: Vec<f64> = (0..8).map(|o| of(&rows, o)).collect();
        plane.search(&mut rows, &mut errors, &scales, Codes::I8);
        let after: Vec<f64> = (0..8).map(|o| of(&rows, o)).collect();
        assert!(after.iter().zip(&before).all(|(a, b)| a <= b), "{after:?} beside {before:?}");
        assert!(after.iter().sum::<f64>() < 0.97 * before.iter().sum::<f64>(), "{after:?} beside {before:?}");
        for (o, &least) in after.iter().enumerate() {
            let left: Vec<f64> =
                (0..32).map(|k| f64::from(weights[o][k] - f32::from(rows[o][k]) * scales[o])).collect();
            assert!(left.iter().zip(errors.column(o)).all(|(l, e)| (l - e).abs() < 1e-6));
            let steps: Vec<(usize, i8)> = (0..32).flat_map(|k| [(k, 1), (k, -1)]).collect();
            for (&(k, step), &(j, other)) in steps.iter().flat_map(|s| steps.iter().map(move |t| (s, t))) {
                let mut moved = rows.clone();
                moved[o][k] += step;
                moved[o][j] += other;
                assert!(of(&moved, o) > least - 1e-7, "row {o}, codes {k} and {j} by {step} and {other}");
            }
        }
    }

    /// The bias makes up for the mean that was measured; inputs of few samples may have another one.
    #[test]
    fn the_fewer_the_samples_the_less_codes_rely_on_their_mean() {
        let (weights, scale) = (weights(8, 32), 0.05f32);
        let off_by = |samples: usize| -> f32 {
            let matrix = Array2::from_diag(&ndarray::Array1::ones(32));
            let covariance = Covariance { mean: vec![4.0; 32], matrix, samples };
            let rounded = planned(&covariance, &weights, &[scale; 8], Codes::I8);
            let of = |(row, codes): (&Vec<f32>, &Vec<i8>)| -> f32 {
                row.iter().zip(codes).map(|(w, q)| w - f32::from(*q) * scale).sum::<f32>().powi(2)
            };
            weights.iter().zip(&rounded).map(of).sum()
        };
        assert!(off_by(2) < 0.7 * off_by(100_000), "{} beside {}", off_by(2), off_by(100_000));
    }

    #[test]
    fn independent_inputs_get_the_nearest_codes() {
        let covariance = Array2::from_diag(&ndarray::Array1::linspace(0.5, 2.0, 16));
        let (weights, scale) = (weights(4, 16), 0.03f32);
        let rounded = nearest_plane(&covariance, &weights, &[scale; 4], Codes::I7);
        for (row, codes) in weights.iter().zip(rounded) {
            let simple: Vec<i8> = row.iter().map(|&w| code(w, scale, Codes::I7)).collect();
            assert_eq!(codes, simple);
        }
    }

    #[test]
    fn inputs_that_never_vary_keep_their_nearest_codes() {
        let (weights, scale) = (weights(2, 9), 0.03f32);
        let rounded = nearest_plane(&Array2::zeros((9, 9)), &weights, &[scale; 2], Codes::I8);
        for (row, codes) in weights.iter().zip(rounded) {
            let simple: Vec<i8> = row.iter().map(|&w| code(w, scale, Codes::I8)).collect();
            assert_eq!(codes, simple);
        }
    }
}
