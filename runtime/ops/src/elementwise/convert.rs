//! Conversion between element types.

use crate::OpError;
use crate::numeric::dispatch;
use qcc_tensor::small::{E2M1, E4M3FN, E4M3FNUZ, E5M2, E5M2FNUZ, Overflow};
use qcc_tensor::{DType, F4E2M1, F8E4M3, F8E4M3Uz, F8E5M2, F8E5M2Uz, F8E8M0, I2, I4, Tensor, U2, U4};

/// How a power of two near a number is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// The one above.
    Up,
    /// The one below.
    Down,
    /// The nearest one, ties upwards.
    Nearest,
}

/// The elements as `to`: floats round to nearest even, float to integer truncates (and saturates where the standard leaves
/// it open), integers wrap, zero is false.
pub(crate) fn convert(x: &Tensor, to: DType, overflow: Overflow, rounding: Rounding) -> Result<Tensor, OpError> {
    if to == x.dtype() {
        return Ok(x.clone());
    }
    if x.dtype().is_int() && to.is_int() {
        return narrowed(to, x.shape(), &widened(x)?);
    }
    let shape = || x.shape().iter().copied();
    let values = x.to_f64_vec();
    macro_rules! encode {
        ($t:ident, $format:expr) => {
            Tensor::new(shape(), values.iter().map(|&v| $t($format.encode(v, overflow))).collect())
        };
    }
    Ok(match to {
        DType::F8E4M3 => encode!(F8E4M3, E4M3FN),
        DType::F8E4M3Uz => encode!(F8E4M3Uz, E4M3FNUZ),
        DType::F8E5M2 => encode!(F8E5M2, E5M2),
        DType::F8E5M2Uz => encode!(F8E5M2Uz, E5M2FNUZ),
        DType::F4E2M1 => encode!(F4E2M1, E2M1),
        DType::F8E8M0 => Tensor::new(shape(), values.iter().map(|&v| power_of_two(v, overflow, rounding)).collect()),
        // Conversion to a narrow integer goes through a wide one, whose lowest bits stay.
        to if to.is_small_int() => narrowed(to, x.shape(), &values.iter().map(|&v| v as i128).collect::<Vec<i128>>())?,
        to => Tensor::from_f64(to, shape(), &values),
    })
}

/// Integers of any type.
fn widened(x: &Tensor) -> Result<Vec<i128>, OpError> {
    match x.dtype() {
        DType::I4 | DType::I2 => Ok(x.bytes().iter().map(|&b| i128::from(b as i8)).collect()),
        DType::U4 | DType::U2 => Ok(x.bytes().iter().map(|&b| i128::from(b)).collect()),
        _ => dispatch!(ints x.dtype(), T => Ok(x.slice::<T>().iter().map(|&v| v as i128).collect()), "Cast"),
    }
}

fn narrowed(to: DType, shape: &[usize], values: &[i128]) -> Result<Tensor, OpError> {
    let shape = shape.iter().copied();
    match to {
        DType::I4 => Ok(Tensor::new(shape, values.iter().map(|&v| I4::wrapped(v)).collect())),
        DType::U4 => Ok(Tensor::new(shape, values.iter().map(|&v| U4::wrapped(v)).collect())),
        DType::I2 => Ok(Tensor::new(shape, values.iter().map(|&v| I2::wrapped(v)).collect())),
        DType::U2 => Ok(Tensor::new(shape, values.iter().map(|&v| U2::wrapped(v)).collect())),
        _ => dispatch!(ints to, T => Ok(Tensor::new(shape, values.iter().map(|&v| v as T).collect())), "Cast"),
    }
}

/// The magnitude as a power of two. Zero becomes the smallest one.
fn power_of_two(x: f64, overflow: Overflow, rounding: Rounding) -> F8E8M0 {
    const NAN: F8E8M0 = F8E8M0(255);
    if x.is_nan() {
        return NAN;
    }
    let x = x.abs();
    if x.is_infinite() {
        return if overflow == Overflow::Saturate { F8E8M0(254) } else { NAN };
    }
    let floor = if x == 0.0 { -1075.0 } else { x.log2().floor() };
    let below = floor.exp2();
    let up = match rounding {
        Rounding::Up => x > below,
        Rounding::Down => false,
        Rounding::Nearest => x >= 1.5 * below,
    };
    let code = floor + 127.0 + f64::from(u8::from(up));
    match overflow {
        Overflow::Leave if code > 254.0 => NAN,
        _ => F8E8M0(code.clamp(0.0, 254.0) as u8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_round_as_asked() {
        let code = |x, rounding| power_of_two(x, Overflow::Saturate, rounding).0;
        for (x, up, down, nearest) in
            [(1.0, 127, 127, 127), (1.2, 128, 127, 127), (1.5, 128, 127, 128), (-3.0, 129, 128, 129)]
        {
            assert_eq!(
                [code(x, Rounding::Up), code(x, Rounding::Down), code(x, Rounding::Nearest)],
                [up, down, nearest]
            );
        }
        assert_eq!(power_of_two(f64::INFINITY, Overflow::Leave, Rounding::Up).0, 255);
    }
}
