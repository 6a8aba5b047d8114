//! Ranges that leave out a share of the values.

use crate::Histogram;

/// The range without a share of `out` of all values on each side.
pub(super) fn range(histogram: &Histogram, out: f64) -> (f64, f64) {
    let allowed = (histogram.total() as f64 * out).floor() as u64;
    let width = histogram.width();
    let low = end(histogram.bins(), allowed).unwrap_or(0.0);
    let high = end(histogram.bins().rev(), allowed).map_or(0.0, |low| low + width);
    (low, high)
}

/// The first bin that has more than `allowed` values with those before it.
fn end(mut bins: impl Iterator<Item = (f64, u64)>, allowed: u64) -> Option<f64> {
    let mut left_out = 0;
    let found = bins.find(|&(_, count)| {
        left_out += count;
        left_out > allowed
    });
    found.map(|(low, _)| low)
}
