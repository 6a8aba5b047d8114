//! Quotients by a constant that are rounded to codes, without a division.
//!
//! A product with the reciprocal is within two units in the last place of the quotient, and one step of correction,
//! `q + (x - q * scale) / scale` with fused products, nearly always rounds like it. Nearly is not enough: for the scale at
//! hand, all floats near all borders between codes are tried. Elsewhere an error of a few units in the last place rounds
//! to the same code. (P. Markstein, *Computation of elementary functions on the IBM RISC System/6000 processor*, 1990.)

use std::ops::RangeInclusive;

/// Most codes whose borders are tried.
const CODES: i32 = 256;

/// Floats on each side of a border that are tried; the error is below three.
const NEAR: u32 = 4;

/// Scales whose remainders stay far from underflow.
const SCALES: RangeInclusive<f32> = 1e-25..=1e25;

/// The reciprocal by which [`corrected`] gives, rounded to an integer with ties to even and limited to `codes`, what
/// `x / scale` gives, for every finite `x`; `None` if it does not, or if `codes` are too many to say.
pub fn reciprocal(scale: f32, codes: RangeInclusive<i32>) -> Option<f32> {
    let (lowest, highest) = (*codes.start(), *codes.end());
    if !SCALES.contains(&scale)
        || highest.checked_sub(lowest)? >= CODES
        || lowest.unsigned_abs().max(highest.unsigned_abs()) > 1 << 16
    {
        return None;
    }
    let reciprocal = 1.0 / scale;
    let agrees = |x: f32| (x / scale).round_ties_even() == corrected(x, scale, reciprocal).round_ties_even();
    let agrees_near = |code: i32| {
        let border = (f64::from(code) + 0.5) * f64::from(scale);
        let mut x = border as f32;
        (0..NEAR).for_each(|_| x = x.next_down());
        (0..=2 * NEAR).all(|_| {
            let agrees = agrees(x);
            x = x.next_up();
            agrees
        })
    };
    (lowest..highest).all(agrees_near).then_some(reciprocal)
}

/// `x / scale` by its reciprocal, with one step of correction.
fn corrected(x: f32, scale: f32, reciprocal: f32) -> f32 {
    let quotient = x * reciprocal;
    let rest = quotient.mul_add(-scale, x);
    rest.mul_add(reciprocal, quotient)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scales of all sizes with mantissas that follow no pattern.
    fn scales() -> impl Iterator<Item = f32> {
        (0..400u32).map(|i| f32::from_bits((i * 157 % 140 + 57) << 23 | i.wrapping_mul(0x9e37_79b9) >> 9))
    }

    #[test]
    fn most_scales_need_no_division() {
        let with = scales().filter(|&scale| reciprocal(scale, -128..=127).is_some()).count();
        assert!(with >= 390, "{with} of 400");
    }

    #[test]
    fn codes_are_those_of_the_division() {
        for scale in scales() {
            let Some(reciprocal) = reciprocal(scale, -128..=127) else { continue };
            for i in 0..4000u32 {
                // Sixteenths of codes and beyond, and neighbours of them.
                let x = (i as f32 - 2000.0) / 15.9 * scale;
                for x in [x, x.next_up(), -x.next_down(), x * 1e-20] {
                    let code = |quotient: f32| quotient.round_ties_even().clamp(-128.0, 127.0);
                    assert_eq!(code(x / scale), code(corrected(x, scale, reciprocal)), "{x} / {scale}");
                }
            }
        }
    }

    #[test]
    fn what_might_underflow_is_divided() {
        assert_eq!(reciprocal(1e-30, 0..=255), None);
        assert_eq!(reciprocal(f32::NAN, 0..=255), None);
        assert_eq!(reciprocal(-0.1, 0..=255), None);
        assert_eq!(reciprocal(0.1, -32768..=32767), None);
    }
}
