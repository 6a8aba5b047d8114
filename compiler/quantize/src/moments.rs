//! What one pass over the samples keeps of a tensor: per channel extremes, mean and second moment; over all values a
//! histogram.

use crate::{Histogram, QuantizeError};
use qcc_tensor::Tensor;

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
    axis: usize,
    /// By channel.
    pub channels: Vec<Channel>,
    /// Sums over samples of the smallest and the largest value.
    ends: (f64, f64),
    /// How many samples.
    samples: u64,
    /// How many values of each channel.
    per_channel: u64,
    /// Counts of all values.
    pub histogram: Histogram,
}

impl Moments {
    /// Of no sample. Channels lie along `axis` of the tensor, which has `channels` of them.
    pub fn new(axis: usize, channels: usize) -> Self {
        let none = Channel { min: f32::INFINITY, max: f32::NEG_INFINITY, sum: 0.0, squares: 0.0 };
        let channels = vec![none; channels];
        Self { axis, channels, ends: (0.0, 0.0), samples: 0, per_channel: 0, histogram: Histogram::new() }
    }

    /// Adds one sample of type f32.
    ///
    /// # Errors
    /// A value that is NaN or infinite; `what` names the tensor.
    pub fn add(&mut self, tensor: &Tensor, what: &dyn Fn() -> String) -> Result<(), QuantizeError> {
        let values = tensor.slice::<f32>();
        if values.is_empty() {
            return Ok(());
        }
        let inner: usize = tensor.shape()[self.axis + 1..].iter().product();
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        let count = self.channels.len();
        let mut broken = false;
        let mut take = |channel: &mut Channel, min: f32, max: f32, sum: f64, squares: f64| {
            channel.min = channel.min.min(min);
            channel.max = channel.max.max(max);
            channel.sum += sum;
            channel.squares += squares;
            (low, high) = (low.min(min), high.max(max));
            broken |= !sum.is_finite();
        };
        if inner == 1 {
            for row in values.chunks_exact(count) {
                for (channel, &v) in self.channels.iter_mut().zip(row) {
                    let wide = f64::from(v);
                    take(channel, v, v, wide, wide * wide);
                }
            }
        } else {
            for (i, run) in values.chunks_exact(inner).enumerate() {
                let (min, max, sum, squares) = run_of(run);
                take(&mut self.channels[i % count], min, max, sum, squares);
            }
        }
        if broken {
            let kind = if values.iter().any(|v| v.is_nan()) { "NaN" } else { "an infinite value" };
            return Err(QuantizeError::Input(format!("{} holds {kind}", what())));
        }
        self.ends.0 += f64::from(low);
        self.ends.1 += f64::from(high);
        self.samples += 1;
        self.per_channel += (values.len() / count) as u64;
        self.histogram.add(values, low.abs().max(high.abs()));
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

/// Values added one after the other before a sum becomes f64: eight lanes of a block lose no more than 2^-20 of it.
const BLOCK: usize = 256;

/// Minimum, maximum, sum and sum of squares.
fn run_of(values: &[f32]) -> (f32, f32, f64, f64) {
    const LANES: usize = 8;
    let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
    let (mut sum, mut squares) = (0.0f64, 0.0f64);
    for block in values.chunks(BLOCK) {
        let mut s = [0.0f32; LANES];
        let mut q = [0.0f32; LANES];
        let mut lo = [f32::INFINITY; LANES];
        let mut hi = [f32::NEG_INFINITY; LANES];
        let chunks = block.chunks_exact(LANES);
        for &v in chunks.remainder() {
            s[0] += v;
            q[0] += v * v;
            lo[0] = lo[0].min(v);
            hi[0] = hi[0].max(v);
        }
        for chunk in chunks {
            for i in 0..LANES {
                let v = chunk[i];
                s[i] += v;
                q[i] += v * v;
                lo[i] = if v < lo[i] { v } else { lo[i] };
                hi[i] = if v > hi[i] { v } else { hi[i] };
            }
        }
        for i in 0..LANES {
            sum += f64::from(s[i]);
            squares += f64::from(q[i]);
            min = min.min(lo[i]);
            max = max.max(hi[i]);
        }
    }
    (min, max, sum, squares)
}
