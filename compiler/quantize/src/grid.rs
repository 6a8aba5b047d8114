//! Codes and the values they stand for.

use qcc_tensor::{DType, Tensor};

/// Where a grid may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GridKind {
    /// Zero is anywhere among the codes.
    #[default]
    Asymmetric,
    /// Zero is in the middle, unless no value is negative.
    Symmetric,
    /// As symmetric, and the scale is a power of two.
    PowerOfTwo,
}

/// Codes `lowest..=highest` of an element type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Codes {
    /// Element type.
    pub dtype: DType,
    /// Lowest code in use.
    pub lowest: i32,
    /// Highest code in use.
    pub highest: i32,
}

impl Codes {
    /// 0 to 255.
    pub const U8: Codes = Codes { dtype: DType::U8, lowest: 0, highest: 255 };
    /// -127 to 127: of equal length on both sides.
    pub const I8: Codes = Codes { dtype: DType::I8, lowest: -127, highest: 127 };
    /// -32767 to 32767.
    pub const I16: Codes = Codes { dtype: DType::I16, lowest: -32767, highest: 32767 };
    /// -8 to 7: all codes, since there are few.
    pub const I4: Codes = Codes { dtype: DType::I4, lowest: -8, highest: 7 };
    /// -63 to 63 in bytes.
    pub const I7: Codes = Codes { dtype: DType::I8, lowest: -63, highest: 63 };

    fn steps(self) -> f64 {
        f64::from(self.highest - self.lowest)
    }
}

/// A uniform grid: code `q` stands for `(q - zero_point) * scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// Distance of two values.
    pub scale: f32,
    /// The code of zero.
    pub zero_point: i32,
    /// The codes.
    pub codes: Codes,
}

impl Grid {
    /// A grid of `codes` that covers `low..=high` as well as its kind allows. Zero is always a value of the grid; a range
    /// of nothing but zero gets the scale 1.
    pub fn covering(low: f64, high: f64, codes: Codes, kind: GridKind) -> Grid {
        let (low, high) = (low.min(0.0), high.max(0.0));
        if kind == GridKind::Asymmetric {
            let scale = scale_of((high - low) / codes.steps());
            let zero_point = (f64::from(codes.lowest) - low / f64::from(scale)).round_ties_even() as i32;
            return Grid { scale, zero_point: zero_point.clamp(codes.lowest, codes.highest), codes };
        }
        let middle = (codes.lowest + codes.highest + 1).div_euclid(2);
        let (reach, zero_point, steps) = if low >= 0.0 {
            (high, codes.lowest, codes.steps())
        } else {
            let steps = f64::from((codes.highest - middle).min(middle - codes.lowest));
            (high.max(-low), middle, steps)
        };
        let scale = match kind {
            GridKind::PowerOfTwo if reach > 0.0 => scale_of((reach / steps).log2().ceil().exp2()),
            _ => scale_of(reach / steps),
        };
        Grid { scale, zero_point, codes }
    }

    /// A grid of codes of 16 bits with zero in the middle. Steps are so fine that it reaches twice as far as `low..=high`.
    pub fn fine(low: f64, high: f64) -> Grid {
        let reach = 2.0 * high.max(-low).max(0.0);
        Grid { scale: scale_of(reach / f64::from(Codes::I16.highest)), zero_point: 0, codes: Codes::I16 }
    }

    /// The code of a value.
    pub fn code(&self, x: f32) -> i32 {
        let (lo, hi) = ((self.codes.lowest - self.zero_point) as f32, (self.codes.highest - self.zero_point) as f32);
        (x / self.scale).clamp(lo, hi).round_ties_even() as i32 + self.zero_point
    }

    /// The value that stands for `x`.
    pub fn nearest(&self, x: f32) -> f32 {
        let (lo, hi) = ((self.codes.lowest - self.zero_point) as f32, (self.codes.highest - self.zero_point) as f32);
        (x / self.scale).clamp(lo, hi).round_ties_even() * self.scale
    }

    /// Lowest and highest value of the grid.
    pub fn limits(&self) -> (f64, f64) {
        let value = |q: i32| f64::from(q - self.zero_point) * f64::from(self.scale);
        (value(self.codes.lowest), value(self.codes.highest))
    }

    /// The scale as a scalar tensor.
    pub fn scale_tensor(&self) -> Tensor {
        Tensor::scalar(self.scale)
    }

    /// The zero-point as a scalar tensor of the codes' type.
    pub fn zero_tensor(&self) -> Tensor {
        Tensor::from_f64(self.codes.dtype, [], &[f64::from(self.zero_point)])
    }
}

/// A scale as it is stored. One that is zero or nearly so (no values, or only zeros) becomes 1: its reciprocal must be finite.
fn scale_of(exact: f64) -> f32 {
    let scale = exact as f32;
    if scale > f32::MIN_POSITIVE { scale } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_a_value_of_every_grid() {
        for kind in [GridKind::Asymmetric, GridKind::Symmetric, GridKind::PowerOfTwo] {
            for codes in [Codes::U8, Codes::I8, Codes::I7] {
                for (low, high) in [(0.0, 0.0), (0.3, 6.0), (-5.0, -1.0), (-0.1, 0.7), (-1e-30, 1e30)] {
                    let grid = Grid::covering(low, high, codes, kind);
                    assert_eq!(grid.nearest(0.0), 0.0, "{kind:?} {codes:?} {low} {high}");
                    assert!((codes.lowest..=codes.highest).contains(&grid.code(1e38)));
                }
            }
        }
    }

    #[test]
    fn symmetric_codes_reach_as_far_on_both_sides() {
        let grid = Grid::covering(-0.5, 1.0, Codes::U8, GridKind::Symmetric);
        assert_eq!((grid.zero_point, grid.code(1.0), grid.code(-1.0)), (128, 255, 1));
        let grid = Grid::covering(0.0, 1.0, Codes::U8, GridKind::Symmetric);
        assert_eq!((grid.zero_point, grid.code(1.0)), (0, 255));
    }

    #[test]
    fn codes_of_16_bits_reach_twice_as_far_as_values() {
        let grid = Grid::fine(-1.0, 0.5);
        assert_eq!((grid.zero_point, grid.code(2.0), grid.code(-2.0), grid.code(9.0)), (0, 32767, -32767, 32767));
        assert_eq!(Grid::fine(0.0, 0.0).scale, 1.0);
    }

    #[test]
    fn power_of_two_scales_cover_the_range() {
        let grid = Grid::covering(-3.0, 1.0, Codes::I8, GridKind::PowerOfTwo);
        assert_eq!(grid.scale, 1.0 / 32.0);
        assert!(grid.limits().0 <= -3.0);
    }

    #[test]
    fn a_range_of_zero_has_a_scale() {
        let grid = Grid::covering(0.0, 0.0, Codes::U8, GridKind::Asymmetric);
        assert_eq!((grid.scale, grid.nearest(0.0)), (1.0, 0.0));
    }
}
