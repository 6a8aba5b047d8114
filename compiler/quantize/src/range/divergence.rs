//! Ranges by the loss of information.
//!
//! For every candidate the counts inside the range, with those outside added to the ends, are compared with the counts that
//! the codes can tell apart: each code spreads its counts evenly over the bins it covers that are not empty. The candidate
//! with the smallest Kullback-Leibler divergence wins. Source: S. Migacz, "8-bit inference with TensorRT", GTC 2017.

use super::middles;
use crate::{Codes, Histogram};

/// Ranges that are tried: shares of the whole range.
const CANDIDATES: usize = 100;

/// The range with the smallest divergence; both ends shrink together, a side without values stays at zero.
pub(super) fn range(histogram: &Histogram, extremes: (f64, f64), codes: Codes) -> (f64, f64) {
    let (bins, width) = settled(without_zeros(middles(histogram)), histogram.width());
    let steps = (codes.highest - codes.lowest + 1) as usize;
    let mut best = (f64::INFINITY, extremes);
    for i in (1..=CANDIDATES).rev() {
        let share = i as f64 / CANDIDATES as f64;
        let ends = (extremes.0.min(0.0) * share, extremes.1.max(0.0) * share);
        // Fewer bins than codes lose nothing and prove nothing.
        if width <= 0.0 || (ends.1 - ends.0) / width < steps as f64 {
            break;
        }
        let divergence = divergence(&bins, ends, steps);
        if divergence < best.0 {
            best = (divergence, ends);
        }
    }
    best.1
}

/// Zero is a value of every grid, so the bin of zero counts no more than the one behind it. Half of what a rectifier gives
/// are zeros; spread over the bins of a code they would be all that counts.
fn without_zeros(mut bins: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let at = bins.partition_point(|b| b.0 < 0.0);
    if let [zero, next, ..] = &mut bins[at..] {
        zero.1 = zero.1.min(next.1);
    }
    bins
}

/// Values that a bin must hold on average: counts of fewer are noise, which codes seem to lose.
const SETTLED: f64 = 16.0;

/// Bins merged in pairs until they hold enough, and their width.
fn settled(mut bins: Vec<(f64, f64)>, mut width: f64) -> (Vec<(f64, f64)>, f64) {
    let total: f64 = bins.iter().map(|b| b.1).sum();
    while bins.len() > 1 && total / (bins.len() as f64) < SETTLED {
        width *= 2.0;
        let mut merged: Vec<(f64, f64)> = Vec::new();
        for (x, n) in bins {
            let middle = ((x / width).floor() + 0.5) * width;
            match merged.last_mut() {
                Some(last) if last.0 == middle => last.1 += n,
                _ => merged.push((middle, n)),
            }
        }
        bins = merged;
    }
    (bins, width)
}

fn divergence(bins: &[(f64, f64)], (low, high): (f64, f64), steps: usize) -> f64 {
    let step = (high - low) / steps as f64;
    let code = |x: f64| (((x - low) / step) as usize).min(steps - 1);
    let first = bins.partition_point(|b| b.0 < low);
    let last = bins.partition_point(|b| b.0 <= high);
    let inside = &bins[first..last];
    if inside.is_empty() {
        return f64::INFINITY;
    }
    let (below, above): (f64, f64) = (bins[..first].iter().map(|b| b.1).sum(), bins[last..].iter().map(|b| b.1).sum());
    let total: f64 = bins.iter().map(|b| b.1).sum();
    let kept: f64 = inside.iter().map(|b| b.1).sum();
    let mut sums = vec![(0.0, 0.0); steps];
    for &(x, n) in inside {
        let slot = &mut sums[code(x)];
        *slot = (slot.0 + n, slot.1 + 1.0);
    }
    let mut divergence = 0.0;
    for (i, &(x, n)) in inside.iter().enumerate() {
        let outliers = if i == 0 { below } else { 0.0 } + if i + 1 == inside.len() { above } else { 0.0 };
        let p = (n + outliers) / total;
        let (sum, used) = sums[code(x)];
        divergence += p * (p / (sum / used / kept)).ln();
    }
    divergence
}
