//! Ranges by the squared error of the grid: a search over both ends.

use super::middles;
use crate::{Codes, Grid, GridKind, Histogram};

/// Positions of an end that a round tries.
const STEPS: usize = 24;

/// Rounds, each around the best of the one before.
const ROUNDS: usize = 4;

/// The range whose grid has the smallest squared error.
pub(super) fn range(histogram: &Histogram, extremes: (f64, f64), codes: Codes, kind: GridKind) -> (f64, f64) {
    let bins = middles(histogram);
    let error = |low: f64, high: f64| -> f64 {
        let grid = Grid::covering(low, high, codes, kind);
        let (inverse, scale) = (1.0 / f64::from(grid.scale), f64::from(grid.scale));
        let (lo, hi) = (f64::from(codes.lowest - grid.zero_point), f64::from(codes.highest - grid.zero_point));
        let distance = |x: f64| (x * inverse).clamp(lo, hi).round_ties_even() * scale - x;
        bins.iter().map(|&(x, n)| n * distance(x) * distance(x)).sum()
    };
    let (low, high) = (extremes.0.min(0.0), extremes.1.max(0.0));
    let mut best = (error(low, high), low, high);
    // Both ends together first, then each on its own, nearer and nearer around the best.
    let mut window = (0.0, 1.0);
    for round in 0..ROUNDS {
        let shares = (1..=STEPS).map(|i| window.0 + (window.1 - window.0) * i as f64 / STEPS as f64);
        let from = best;
        for share in shares {
            let candidates: &[(f64, f64)] = if round == 0 {
                &[(low * share, high * share)]
            } else {
                &[(from.1 * share, from.2), (from.1, from.2 * share), (from.1 * share, from.2 * share)]
            };
            for &(l, h) in candidates.iter().filter(|(l, h)| *l >= low && *h <= high) {
                let e = error(l, h);
                if e < best.0 {
                    best = (e, l, h);
                }
            }
        }
        let reach = [0.5, 0.15, 0.04, 0.04][round];
        window = (1.0 - reach, 1.0 + reach);
    }
    (best.1, best.2)
}
