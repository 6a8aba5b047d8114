//! A quantized model beside the float model, timed in turns on this machine.

use crate::failure::Failure;
use crate::measure;
use qcc_session::Session;
use qcc_tensor::Tensor;
use std::time::Duration;

/// Times of one run of both, on one thread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Of the float model (ms).
    pub float_ms: f64,
    /// Of the quantized model (ms).
    pub quantized_ms: f64,
    /// How many times as fast the quantized model is.
    pub ratio: f64,
}

/// How often each is measured: whatever else the machine does meets both.
const ROUNDS: usize = 5;

/// How long each is measured in a round.
const ROUND: Duration = Duration::from_millis(10);

/// Share by which a ratio may be off.
const NOISE: f64 = 0.03;

impl Speed {
    /// Measures both.
    ///
    /// # Errors
    /// As the sessions.
    pub fn measure(float: &mut Session, quantized: &mut Session, inputs: &[Tensor]) -> Result<Self, Failure> {
        let mut rounds = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let ms = |session: &mut Session| measure::times(session, inputs, ROUND).map(|times| times.median_ms);
            rounds.push((ms(float)?, ms(quantized)?));
        }
        Ok(Self::of(&rounds))
    }

    /// The middle of some rounds: the float model's time and that of the quantized one.
    fn of(rounds: &[(f64, f64)]) -> Self {
        let middle = |of: &dyn Fn(&(f64, f64)) -> f64| {
            let mut all: Vec<f64> = rounds.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        Self { float_ms: middle(&|r| r.0), quantized_ms: middle(&|r| r.1), ratio: middle(&|r| r.0 / r.1) }
    }

    /// Whether the float model is faster.
    pub fn is_lost(&self) -> bool {
        self.ratio < 1.0 - NOISE
    }
}

impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { float_ms, quantized_ms, ratio } = self;
        write!(f, "{ratio:.2} times as fast as in floats: {quantized_ms:.3} ms, {float_ms:.3} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::Speed;

    #[test]
    fn a_disturbed_round_changes_nothing() {
        let speed = Speed::of(&[(2.0, 1.0), (9.0, 1.0), (2.2, 1.1), (2.0, 8.0), (2.0, 1.0)]);
        assert_eq!((speed.ratio, speed.is_lost()), (2.0, false));
        assert_eq!(speed.to_string(), "2.00 times as fast as in floats: 1.000 ms, 2.000 ms");
        assert!(Speed::of(&[(1.0, 1.1)]).is_lost());
        assert!(!Speed::of(&[(1.0, 1.02)]).is_lost(), "within what times differ by themselves");
    }
}
