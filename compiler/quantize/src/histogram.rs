//! A histogram that needs to know nothing in advance.
//!
//! Bins are as wide as a power of two and lie at its multiples, so that two neighbours can be merged when a value beyond the
//! last bin comes. What is counted does not depend on the order in which values come, and one pass over the data is enough.

/// Bins on each side of zero.
const SIDE: i64 = 2048;

/// The narrowest bins are `2^-120` wide: the reciprocal of their width is a number.
const NARROWEST: i32 = -120;

/// Counts of values. A bin is as far from zero as its end that is nearer to zero, on both sides.
#[derive(Debug, Clone)]
pub struct Histogram {
    /// A bin is `2^exponent` wide; `None` before the first value that is not zero.
    exponent: Option<i32>,
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// The exponent whose bins reach up to `magnitude`: `magnitude < SIDE * 2^exponent`.
fn exponent_for(magnitude: f32) -> i32 {
    let mut exponent = NARROWEST;
    while f64::from(magnitude) >= SIDE as f64 * f64::from(exponent).exp2() {
        exponent += 1;
    }
    exponent
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Self {
        Self { exponent: None, counts: vec![0; 2 * SIDE as usize] }
    }

    /// Counts finite values, none larger than `largest`.
    pub fn add<'a>(&mut self, values: impl IntoIterator<Item = &'a f32>, largest: f32) {
        if largest > 0.0 {
            self.widen_to(exponent_for(largest));
        }
        let inverse = self.exponent.map_or(0.0, |e| (-f64::from(e)).exp2() as f32);
        for v in values {
            let distance = (v.abs() * inverse) as i32;
            let bin = distance ^ -i32::from(*v < 0.0);
            self.counts[(bin + SIDE as i32) as usize] += 1;
        }
    }

    /// Adds the counts of another histogram.
    pub fn merge(&mut self, other: &Histogram) {
        let mut other = other.clone();
        if let Some(e) = self.exponent {
            other.widen_to(e);
        }
        if let Some(e) = other.exponent {
            self.widen_to(e);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += b);
    }

    fn widen_to(&mut self, exponent: i32) {
        let Some(now) = self.exponent else {
            self.exponent = Some(exponent);
            return;
        };
        for _ in now..exponent {
            let mut merged = vec![0; self.counts.len()];
            for (i, &count) in self.counts.iter().enumerate() {
                merged[((i as i64 - SIDE).div_euclid(2) + SIDE) as usize] += count;
            }
            self.counts = merged;
        }
        self.exponent = Some(now.max(exponent));
    }

    /// Number of values.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Width of a bin.
    pub fn width(&self) -> f64 {
        self.exponent.map_or(0.0, |e| f64::from(e).exp2())
    }

    /// Share of the values that lie outside of limits, to the width of a bin.
    pub fn share_outside(&self, (low, high): (f64, f64)) -> f64 {
        let width = self.width();
        let outside = self.bins().filter(|(start, _)| *start + width <= low || *start >= high);
        let outside: u64 = outside.map(|(_, count)| count).sum();
        outside as f64 / self.total().max(1) as f64
    }

    /// Bins that hold something, in order: lower end and count.
    pub fn bins(&self) -> impl DoubleEndedIterator<Item = (f64, u64)> + Clone + '_ {
        let width = self.width();
        let bins = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        bins.map(move |(i, &count)| ((i as i64 - SIDE) as f64 * width, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f32]) -> Histogram {
        let mut h = Histogram::new();
        h.add(values, values.iter().fold(0.0, |m, v| v.abs().max(m)));
        h
    }

    #[test]
    fn the_order_of_values_does_not_matter() {
        let parts = [vec![0.5f32, -0.25, 0.0], vec![1e-20, 3.0], vec![-700.0, 12.5], vec![0.0]];
        let mut forward = Histogram::new();
        let mut backward = Histogram::new();
        parts.iter().for_each(|p| forward.add(p, p.iter().fold(0.0, |m, v| v.abs().max(m))));
        parts.iter().rev().for_each(|p| backward.merge(&of(p)));
        assert_eq!(forward.bins().collect::<Vec<_>>(), backward.bins().collect::<Vec<_>>());
        assert_eq!(forward.total(), 8);
    }

    #[test]
    fn values_lie_in_their_bins() {
        let h = of(&[-1.0, 0.999]);
        let bins: Vec<_> = h.bins().collect();
        assert_eq!(h.width(), 1.0 / 1024.0);
        assert_eq!(bins, vec![(-1025.0 / 1024.0, 1), (1022.0 / 1024.0, 1)]);
    }

    #[test]
    fn zeros_alone_are_one_bin() {
        assert_eq!(of(&[0.0, 0.0]).bins().collect::<Vec<_>>(), vec![(0.0, 2)]);
    }
}
