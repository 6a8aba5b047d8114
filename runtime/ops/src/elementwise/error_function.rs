//! The error function in f64.
//!
//! Source: series and continued fraction of Abramowitz & Stegun 7.1.5 and 7.1.14; both converge to f64 precision in
//! their ranges, so the error is a few units in the last place of f64.

use std::f64::consts::PI;

/// `2 / sqrt(pi) * integral of exp(-t^2) from 0 to x`.
pub(crate) fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let a = x.abs();
    let value = if a < 2.5 {
        series(a)
    } else if a < 6.0 {
        1.0 - complement(a)
    } else {
        1.0
    };
    value.copysign(x)
}

fn series(x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > 1e-18 * sum.abs() {
        n += 1.0;
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    2.0 / PI.sqrt() * sum
}

fn complement(x: f64) -> f64 {
    let mut fraction = 0.0;
    for k in (1..=60).rev() {
        fraction = f64::from(k) / 2.0 / (x + fraction);
    }
    (-x * x).exp() / PI.sqrt() / (x + fraction)
}
