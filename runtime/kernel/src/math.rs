//! Transcendental functions on F32 lanes, expanded into kernel operations.
//!
//! Interpreter and compiled code run the same operations in the same order, hence agree bit for bit on every CPU.
//! Maximum errors are stated per function and tested against f64.

use crate::builder::KernelBuilder;
use crate::op::{BinOp, UnOp};
use crate::types::{Lane, Value};

/// `e^x`. Error at most 2 ulp; below -87.0 the result is zero, above 88.73 infinite; NaN stays NaN.
///
/// Source: Cody and Waite range reduction with a degree 5 minimax polynomial (Cephes `expf`).
pub fn exp(b: &mut KernelBuilder, x: Value) -> Value {
    let x = clamp(b, x, -87.336_54, 89.0);
    let scaled = times(b, x, std::f32::consts::LOG2_E);
    let n = b.unary(UnOp::Nearest, scaled);
    let high = times(b, n, 0.693_359_4);
    let r = b.binary(BinOp::Sub, x, high);
    let low = times(b, n, -2.121_944_4e-4);
    let r = b.binary(BinOp::Sub, r, low);
    let poly = polynomial(b, r, &[1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5]);
    let r2 = b.binary(BinOp::Mul, r, r);
    let tail = b.binary(BinOp::Mul, poly, r2);
    let tail = b.binary(BinOp::Add, tail, r);
    let one = b.splat_f32(1.0);
    let mantissa = b.binary(BinOp::Add, tail, one);
    // `n` is -126 to 128, and 2^128 is no number: twice the mantissa times 2^(n - 1), which is zero for the lowest `n`.
    let mantissa = b.binary(BinOp::Add, mantissa, mantissa);
    let n = b.unary(UnOp::RoundToI32, n);
    let bias = b.splat_i32(126);
    let biased = b.binary(BinOp::Add, n, bias);
    let power = b.shl(biased, 23);
    let power = b.unary(UnOp::Bitcast(Lane::F32), power);
    b.binary(BinOp::Mul, mantissa, power)
}

/// `1 / (1 + e^-x)`. Absolute error at most 2e-7.
pub fn sigmoid(b: &mut KernelBuilder, x: Value) -> Value {
    let minus = b.unary(UnOp::Neg, x);
    let e = exp(b, minus);
    let one = b.splat_f32(1.0);
    let below = b.binary(BinOp::Add, e, one);
    b.binary(BinOp::Div, one, below)
}

/// `tanh x`. Absolute error at most 3e-7; a polynomial near zero keeps the relative error below 4 ulp there.
pub fn tanh(b: &mut KernelBuilder, x: Value) -> Value {
    let magnitude = b.unary(UnOp::Abs, x);
    // Far from zero: 1 - 2 / (e^2x + 1).
    let double = b.binary(BinOp::Add, magnitude, magnitude);
    let e = exp(b, double);
    let one = b.splat_f32(1.0);
    let below = b.binary(BinOp::Add, e, one);
    let two = b.splat_f32(2.0);
    let ratio = b.binary(BinOp::Div, two, below);
    let far = b.binary(BinOp::Sub, one, ratio);
    let far = copy_sign(b, far, x);
    // Near zero (below 0.625): Cephes `tanhf`.
    let x2 = b.binary(BinOp::Mul, x, x);
    let poly = polynomial(b, x2, &[-5.704_988_7e-3, 2.063_909e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1]);
    let poly = b.binary(BinOp::Mul, poly, x2);
    let poly = b.binary(BinOp::Mul, poly, x);
    let near = b.binary(BinOp::Add, poly, x);
    let border = b.splat_f32(0.625);
    let is_far = b.binary(BinOp::Ge, magnitude, border);
    b.select(is_far, far, near)
}

/// `erf x`. Error at most 2 ulp.
///
/// Source: minimax polynomials of degrees 5 and 6 for `erf(x) / x` over `x^2` and for `-log(1 - erf(x)) / x`, split where
/// N. Juffa's `erff` is.
pub fn erf(b: &mut KernelBuilder, x: Value) -> Value {
    let magnitude = b.unary(UnOp::Abs, x);
    // Far from zero: 1 - e^-(x + x P(x)); beyond 4 it is one.
    let four = b.splat_f32(4.0);
    let within = b.binary(BinOp::Min, four, magnitude);
    let far =
        [1.130_382_1e-5, -3.235_293e-4, 3.645_407e-3, -2.376_829_5e-2, 1.062_441_1e-1, 6.351_47e-1, 1.286_495_6e-1];
    let poly = polynomial(b, within, &far);
    let poly = b.binary(BinOp::Mul, poly, within);
    let exponent = b.binary(BinOp::Add, poly, within);
    let minus = b.unary(UnOp::Neg, exponent);
    let e = exp(b, minus);
    let one = b.splat_f32(1.0);
    let far = b.binary(BinOp::Sub, one, e);
    let far = copy_sign(b, far, x);
    // Near zero: x + x P(x^2).
    let x2 = b.binary(BinOp::Mul, x, x);
    let near = [-6.013_393e-4, 4.998_001e-3, -2.677_023_2e-2, 1.128_192_7e-1, -3.761_250_7e-1, 1.283_791_5e-1];
    let poly = polynomial(b, x2, &near);
    let poly = b.binary(BinOp::Mul, poly, x);
    let near = b.binary(BinOp::Add, poly, x);
    let border = b.splat_f32(0.921_875);
    let is_far = b.binary(BinOp::Ge, magnitude, border);
    b.select(is_far, far, near)
}

fn times(b: &mut KernelBuilder, x: Value, by: f32) -> Value {
    let by = b.splat_f32(by);
    b.binary(BinOp::Mul, x, by)
}

/// `x` within limits; NaN stays NaN, since a comparison with it gives the second operand.
fn clamp(b: &mut KernelBuilder, x: Value, lo: f32, hi: f32) -> Value {
    let lo = b.splat_f32(lo);
    let hi = b.splat_f32(hi);
    let x = b.binary(BinOp::Max, lo, x);
    b.binary(BinOp::Min, hi, x)
}

/// Horner's rule, highest coefficient first.
fn polynomial(b: &mut KernelBuilder, x: Value, coefficients: &[f32]) -> Value {
    let mut sum = b.splat_f32(coefficients[0]);
    for &c in &coefficients[1..] {
        let c = b.splat_f32(c);
        sum = b.binary(BinOp::Mul, sum, x);
        sum = b.binary(BinOp::Add, sum, c);
    }
    sum
}

fn copy_sign(b: &mut KernelBuilder, magnitude: Value, sign: Value) -> Value {
    let bits = b.unary(UnOp::Bitcast(Lane::I32), sign);
    let mask = b.splat_i32(i32::MIN);
    let bits = b.binary(BinOp::And, bits, mask);
    let magnitude = b.unary(UnOp::Bitcast(Lane::I32), magnitude);
    let both = b.binary(BinOp::Or, magnitude, bits);
    b.unary(UnOp::Bitcast(Lane::F32), both)
}
