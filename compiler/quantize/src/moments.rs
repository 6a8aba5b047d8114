//! What one pass over the samples keeps of a tensor: per channel extremes, mean and second moment of all values; a histogram
//! of some of them.

use crate::columns::{LANES, Tile, greatest_divisor, tiles};
use crate::{Histogram, QuantizeError};

/// What is kept of one channel.
#[derive(Debug, Clone, Copy)]
pub struct Channel {
    /// Smallest value.
    pub min: f32,
    /// Largest value.
    pub max: f32,
    /// Sum of all values.
    pub sum: f64,
    /// Sum of their squares.
    pub squares: f64,
}

/// What is kept of a tensor.
#[derive(Debug, Clone)]
pub struct Moments {
    /// By channel.
    pub channels: Vec<Channel>,
    /// Sums over samples of the smallest and the largest value.
    ends: (f64, f64),
    /// How many samples.
    samples: u64,
    /// How many values of each channel.
    per_channel: u64,
    /// How many values of a sample the histogram counts, about.
    counted: usize,
    /// Counts of values that are evenly spread over every sample.
    pub histogram: Histogram,
}

impl Moments {
    /// Of no sample of a tensor with so many channels; about `counted` values of each sample will be in the histogram.
    pub fn new(channels: usize, counted: usize) -> Self {
        let none = Channel { min: f32::INFINITY, max: f32::NEG_INFINITY, sum: 0.0, squares: 0.0 };
        let channels = vec![none; channels];
        Self { channels, ends: (0.0, 0.0), samples: 0, per_channel: 0, counted, histogram: Histogram::new() }
    }

    /// Adds one sample, its channels along the last axis.
    ///
    /// # Errors
    /// A value that is NaN or infinite; `what` names the tensor.
    pub fn add(&mut self, values: &[f32], what: &dyn Fn() -> String) -> Result<(), QuantizeError> {
        if values.is_empty() {
            return Ok(());
        }
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        let count = self.channels.len();
        let mut broken = false;
        tiles(values, count, |tile| {
            let [min, max, sum, squares] = pulp::Arch::new().dispatch(OfLanes(tile));
            for lane in 0..tile.lanes {
                let channel = &mut self.channels[(tile.first + lane) % count];
                channel.min = channel.min.min(min[lane]);
                channel.max = channel.max.max(max[lane]);
                channel.sum += f64::from(sum[lane]);
                channel.squares += f64::from(squares[lane]);
                (low, high) = (low.min(min[lane]), high.max(max[lane]));
                broken |= !sum[lane].is_finite();
            }
        });
        if broken {
            let kind = if values.iter().any(|v| v.is_nan()) { "NaN" } else { "an infinite value" };
            return Err(QuantizeError::Input(format!("{} holds {kind}", what())));
        }
        self.ends.0 += f64::from(low);
        self.ends.1 += f64::from(high);
        self.samples += 1;
        self.per_channel += (values.len() / count) as u64;
        if self.counted > 0 {
            self.histogram.add(values.iter().step_by(stride(values.len(), self.counted)), low.abs().max(high.abs()));
        }
        Ok(())
    }

    /// Adds the samples of another.
    pub fn merge(&mut self, other: &Moments) {
        for (a, b) in self.channels.iter_mut().zip(&other.channels) {
            a.min = a.min.min(b.min);
            a.max = a.max.max(b.max);
            a.sum += b.sum;
            a.squares += b.squares;
        }
        self.ends.0 += other.ends.0;
        self.ends.1 += other.ends.1;
        self.samples += other.samples;
        self.per_channel += other.per_channel;
        self.histogram.merge(&other.histogram);
    }

    /// Smallest and largest value of all.
    pub fn extremes(&self) -> (f64, f64) {
        let low = self.channels.iter().fold(f32::INFINITY, |m, c| m.min(c.min));
        let high = self.channels.iter().fold(f32::NEG_INFINITY, |m, c| m.max(c.max));
        if low > high { (0.0, 0.0) } else { (f64::from(low), f64::from(high)) }
    }

    /// Means over samples of the smallest and the largest value.
    pub fn mean_extremes(&self) -> (f64, f64) {
        let n = self.samples.max(1) as f64;
        (self.ends.0 / n, self.ends.1 / n)
    }

    /// Mean of each channel.
    pub fn means(&self) -> Vec<f64> {
        let n = self.per_channel.max(1) as f64;
        self.channels.iter().map(|c| c.sum / n).collect()
    }

    /// Variance of each channel.
    pub fn variances(&self) -> Vec<f64> {
        self.mean_squares().iter().zip(self.means()).map(|(square, mean)| (square - mean * mean).max(0.0)).collect()
    }

    /// Mean square of each channel.
    pub fn mean_squares(&self) -> Vec<f64> {
        let n = self.per_channel.max(1) as f64;
        self.channels.iter().map(|c| c.squares / n).collect()
    }
}

/// Of each lane the smallest value, the largest, the sum, the sum of squares.
struct OfLanes<'a>(&'a Tile<'a>);

impl pulp::WithSimd for OfLanes<'_> {
    type Output = [[f32; LANES]; 4];

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Self::Output {
        let (mut min, mut max) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
        let (mut sum, mut squares) = ([0.0; LANES], [0.0; LANES]);
        for row in self.0.rows() {
            min.iter_mut().zip(row).for_each(|(m, &v)| *m = if v < *m { v } else { *m });
            max.iter_mut().zip(row).for_each(|(m, &v)| *m = if v > *m { v } else { *m });
            sum.iter_mut().zip(row).for_each(|(s, &v)| *s += v);
            squares.iter_mut().zip(row).for_each(|(s, &v)| *s += v * v);
        }
        [min, max, sum, squares]
    }
}

/// The step that spreads about `counted` values over `len`: one that no extent of a tensor shares a factor with, so that every
/// row and every column is met.
fn stride(len: usize, counted: usize) -> usize {
    match len / counted {
        0 | 1 => 1,
        least => (least..).find(|step| greatest_divisor(len, *step) == 1).unwrap_or(least),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_values_are_spread_over_rows_and_columns() {
        assert_eq!(stride(1000, 1000), 1);
        assert_eq!(stride(1000, 4000), 1);
        // 7 and 8 share a factor with 112.
        assert_eq!(stride(112 * 112, 112 * 16), 9);
        let mut m = Moments::new(16, 64);
        let values: Vec<f32> = (0..2048).map(|i| (i % 16) as f32).collect();
        m.add(&values, &String::new).expect("finite values");
        let columns: Vec<f64> = m.histogram.bins().map(|(low, _)| low).collect();
        assert_eq!(columns, (0..16).map(f64::from).collect::<Vec<_>>());
        assert_eq!(m.histogram.total(), 63);
        assert_eq!(m.extremes(), (0.0, 15.0));
    }
}
