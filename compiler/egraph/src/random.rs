//! Reproducible numbers for the graphs of rule tests.

use qcc_tensor::{DType, Tensor, TensorType};

/// Wide integers stay within this bound: they are shapes, axes, biases.
const WIDE: u64 = 1000;

/// Distance of the states of a generator.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads the bits of a number (the finaliser of splitmix64).
pub(crate) fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A generator of numbers (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    /// A generator for a seed. The state walks in steps of one constant, so a seed must not be a step itself: it is mixed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    fn next(&mut self) -> u64 {
        let next = mix(self.0);
        self.0 = self.0.wrapping_add(STEP);
        next
    }

    /// In [0, 1).
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Floats in [-1, 1), integers of up to 16 bits over their whole range, wider ones up to 1000, bool as a coin.
    pub(crate) fn any(&mut self, ty: &TensorType) -> Tensor {
        self.fill(ty, |r, dtype| match dtype.int_range() {
            Some((lo, hi)) if dtype.size() <= 2 => lo as f64 + (r.next() % (hi - lo + 1) as u64) as f64,
            Some((0, _)) => (r.next() % (WIDE + 1)) as f64,
            Some(_) => (r.next() % (2 * WIDE + 1)) as f64 - WIDE as f64,
            None if dtype == DType::Bool => (r.next() % 2) as f64,
            None => r.unit() * 2.0 - 1.0,
        })
    }

    /// Floats in [0.1, 1.1), integers from 1 to 127 or the largest of their type.
    pub(crate) fn positive(&mut self, ty: &TensorType) -> Tensor {
        self.fill(ty, |r, dtype| match dtype.int_range() {
            _ if dtype == DType::Bool => 1.0,
            Some((_, hi)) => 1.0 + (r.next() % hi.min(127) as u64) as f64,
            None => 0.1 + r.unit(),
        })
    }

    fn fill(&mut self, ty: &TensorType, one: impl Fn(&mut Self, DType) -> f64) -> Tensor {
        let data: Vec<f64> = (0..ty.elements()).map(|_| one(self, ty.dtype)).collect();
        Tensor::from_f64(ty.dtype, ty.shape.iter().copied(), &data)
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn no_seed_repeats_the_numbers_of_another_one() {
        let first = |seed: u64| -> Vec<u64> {
            let mut random = Random::new(seed);
            (0..64).map(|_| random.next()).collect()
        };
        let mut all: Vec<u64> = (0..64).flat_map(first).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 64 * 64);
    }
}
