//! Ways to choose the range of a tensor's grid.
//!
//! All but `minmax` and `moving-average` work on the histogram, in which a bin is its middle. One-sided tensors keep zero as
//! an end of their range.

mod divergence;
mod percentile;
mod squared_error;

use crate::{Codes, GridKind, Histogram, Moments};

/// A way to choose a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Smallest and largest value.
    MinMax,
    /// Means over samples of the smallest and the largest value.
    MovingAverage,
    /// Ends that leave out so many of a million values on each side that has any.
    Percentile(u32),
    /// The smallest loss of information (Kullback-Leibler divergence) over ranges that clip.
    Divergence,
    /// The smallest squared error of the grid.
    SquaredError,
}

impl Method {
    /// All methods, the candidates of the default.
    pub const ALL: [Method; 7] = [
        Method::MinMax,
        Method::MovingAverage,
        Method::Percentile(1_000),
        Method::Percentile(100),
        Method::Percentile(10),
        Method::Divergence,
        Method::SquaredError,
    ];
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Method::MinMax => f.write_str("minmax"),
            Method::MovingAverage => f.write_str("moving-average"),
            Method::Percentile(out) => write!(f, "percentile {}", 100.0 - f64::from(*out) / 1e4),
            Method::Divergence => f.write_str("kl"),
            Method::SquaredError => f.write_str("mse"),
        }
    }
}

/// The range of a tensor by one method: `low <= 0 <= high`.
pub fn range(moments: &Moments, method: Method, codes: Codes, kind: GridKind) -> (f64, f64) {
    let extremes = moments.extremes();
    let (low, high) = match method {
        Method::MinMax => extremes,
        Method::MovingAverage => moments.mean_extremes(),
        Method::Percentile(out) => percentile::range(&moments.histogram, f64::from(out) / 1e6),
        Method::Divergence => divergence::range(&moments.histogram, extremes, codes),
        Method::SquaredError => squared_error::range(&moments.histogram, extremes, codes, kind),
    };
    (low.max(extremes.0).min(0.0), high.min(extremes.1).max(0.0))
}

/// Middles of the bins and their counts.
fn middles(histogram: &Histogram) -> Vec<(f64, f64)> {
    let half = histogram.width() / 2.0;
    histogram.bins().map(|(low, count)| (low + half, count as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(samples: &[Vec<f32>]) -> Moments {
        let mut m = Moments::new(1, usize::MAX);
        for sample in samples {
            m.add(sample, &|| String::new()).expect("finite");
        }
        m
    }

    /// Values like those of a normal distribution (sums of twelve uniform ones), by a fixed rule.
    fn bell(count: usize) -> Vec<f32> {
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u32 << 24) as f32
        };
        (0..count).map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0).collect()
    }

    /// A bell with a few far outliers.
    fn heavy_tail() -> Moments {
        let mut values = bell(500_000);
        values[17] = 12.0;
        values[4_711] = -12.0;
        moments(&[values])
    }

    fn error(m: &Moments, (low, high): (f64, f64)) -> f64 {
        let grid = crate::Grid::covering(low, high, Codes::U8, GridKind::Asymmetric);
        middles(&m.histogram).iter().map(|&(x, n)| n * (f64::from(grid.nearest(x as f32)) - x).powi(2)).sum()
    }

    #[test]
    fn methods_that_clip_cut_a_heavy_tail_and_lower_the_error() {
        let m = heavy_tail();
        let all = range(&m, Method::MinMax, Codes::U8, GridKind::Asymmetric);
        assert_eq!(all, (-12.0, 12.0));
        for method in [Method::Divergence, Method::Percentile(100), Method::SquaredError] {
            let (low, high) = range(&m, method, Codes::U8, GridKind::Asymmetric);
            assert!(high < 8.0 && low > -8.0, "{method}: {low} to {high}");
            assert!(high > 2.0 && low < -2.0, "{method}: {low} to {high}");
            assert!(error(&m, (low, high)) < 0.9 * error(&m, all), "{method}: {low} to {high}");
        }
    }

    #[test]
    fn squared_error_finds_the_best_range() {
        let m = heavy_tail();
        let best = error(&m, range(&m, Method::SquaredError, Codes::U8, GridKind::Asymmetric));
        for quarters in 4..=48 {
            let high = f64::from(quarters) / 4.0;
            let tried = error(&m, (-high, high));
            assert!(best <= tried * 1.02, "{high}: {tried} is better than {best}");
        }
    }

    #[test]
    fn a_percentile_leaves_out_its_share() {
        let m = moments(&[(0..10_000).map(|i| i as f32 / 10_000.0).collect()]);
        let (low, high) = range(&m, Method::Percentile(1_000), Codes::U8, GridKind::Asymmetric);
        assert_eq!(low, 0.0);
        assert!((high - 0.999).abs() < 0.001, "{high}");
    }

    #[test]
    fn a_moving_average_is_between_the_extremes_of_samples() {
        let m = moments(&[vec![0.0, 1.0], vec![-2.0, 3.0]]);
        assert_eq!(range(&m, Method::MovingAverage, Codes::U8, GridKind::Asymmetric), (-1.0, 2.0));
    }

    #[test]
    fn every_method_keeps_one_sided_tensors_one_sided() {
        let m = moments(&[bell(10_000).iter().map(|v| v.max(0.0)).collect()]);
        for method in Method::ALL {
            let (low, high) = range(&m, method, Codes::U8, GridKind::Asymmetric);
            assert!(low == 0.0 && high > 1.0, "{method}: {low} to {high}");
        }
    }

    #[test]
    fn every_method_takes_a_constant_tensor() {
        for value in [0.0, 3.0, -2.5] {
            let m = moments(&[vec![value; 64]]);
            for method in Method::ALL {
                let (low, high) = range(&m, method, Codes::U8, GridKind::Asymmetric);
                let grid = crate::Grid::covering(low, high, Codes::U8, GridKind::Asymmetric);
                assert!((grid.nearest(value) - value).abs() < 0.01, "{method}: {value} is {}", grid.nearest(value));
            }
        }
    }
}
