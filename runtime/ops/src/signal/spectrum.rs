//! Discrete Fourier transforms in f64, by definition.

/// A complex number.
pub(crate) type Complex = (f64, f64);

/// `X[k] = sum x[n] exp(-2 pi i k n / N)` for the first `bins` frequencies; with the opposite sign and divided by `N` if
/// `inverse`. Missing samples are zero, what is too much is cut off.
pub(crate) fn transform(x: &[Complex], length: usize, bins: usize, inverse: bool) -> Vec<Complex> {
    let turn = if inverse { std::f64::consts::TAU } else { -std::f64::consts::TAU };
    let table: Vec<Complex> = (0..length)
        .map(|i| {
            let angle = turn * i as f64 / length as f64;
            (angle.cos(), angle.sin())
        })
        .collect();
    let scale = if inverse { 1.0 / length as f64 } else { 1.0 };
    let x = &x[..x.len().min(length)];
    (0..bins)
        .map(|k| {
            let (re, im) = x.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, &(a, b))| {
                let (c, s) = table[k * n % length];
                (re + a * c - b * s, im + a * s + b * c)
            });
            (re * scale, im * scale)
        })
        .collect()
}

/// The real signal of which `half` are the frequencies up to the highest.
pub(crate) fn real_inverse(half: &[Complex], length: usize) -> Vec<f64> {
    let at = |k: usize| half.get(k).copied().unwrap_or((0.0, 0.0));
    let whole: Vec<Complex> = (0..length)
        .map(|k| match k {
            0 => (at(0).0, 0.0),
            k if 2 * k == length => (at(k).0, 0.0),
            k if 2 * k < length => at(k),
            k => (at(length - k).0, -at(length - k).1),
        })
        .collect();
    transform(&whole, length, length, true).into_iter().map(|c| c.0).collect()
}

#[cfg(test)]
mod tests {
    use super::{real_inverse, transform};

    #[test]
    fn the_inverse_gives_the_signal_again() {
        let signal = [1.0, -2.0, 0.5, 4.0, 3.0];
        for length in [1, 2, 4, 5] {
            let x: Vec<_> = signal[..length].iter().map(|&v| (v, 0.0)).collect();
            let spectrum = transform(&x, length, length / 2 + 1, false);
            let again = real_inverse(&spectrum, length);
            assert!(again.iter().zip(&signal).all(|(a, b)| (a - b).abs() < 1e-12), "{length}: {again:?}");
        }
    }

    #[test]
    fn a_turning_pointer_has_one_frequency() {
        let x = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)];
        let got = transform(&x, 4, 4, false);
        let expected = [0.0, 4.0, 0.0, 0.0];
        assert!(got.iter().zip(expected).all(|(g, e)| (g.0 - e).abs() < 1e-12 && g.1.abs() < 1e-12), "{got:?}");
    }
}
