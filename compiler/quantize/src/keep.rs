//! Changes that are kept only where they help.
//!
//! All of them are tried at once; if that does not help, halves of them are, and halves of those, for a number of trials.

use crate::lanes::{Runtime, Samples};
use crate::{Calibration, Expected, Loss, Precision, QuantizeError};

/// What tells whether a change helped.
pub struct Judge<'a> {
    /// How layers compute.
    pub precisions: &'a [Precision],
    /// The float model's outputs on samples held out.
    pub expected: &'a Expected,
    /// All samples.
    pub data: &'a dyn Samples,
    /// How graphs run.
    pub runtime: &'a Runtime<'a>,
}

impl Judge<'_> {
    /// How far a calibrated model is from the float model as it is now.
    ///
    /// # Errors
    /// Samples that cannot be run.
    pub fn loss(&self, calibration: &Calibration) -> Result<Loss, QuantizeError> {
        let graph = calibration.with_logits(self.precisions);
        self.expected.loss(&graph, self.data, self.runtime)
    }
}

/// Trials of one set of changes: each is a run over the samples held out.
const TRIALS: usize = 10;

/// Which of `count` changes are kept. `try_with` applies those it is given and says whether they helped; if not, it must have
/// taken them back.
///
/// # Errors
/// Those of a trial.
pub fn kept(
    count: usize,
    try_with: &mut dyn FnMut(&[usize]) -> Result<bool, QuantizeError>,
) -> Result<Vec<usize>, QuantizeError> {
    let mut kept = Vec::new();
    let mut left: std::collections::VecDeque<Vec<usize>> = [(0..count).collect()].into();
    for _ in 0..TRIALS {
        let Some(part) = left.pop_front().filter(|part| !part.is_empty()) else { break };
        if try_with(&part)? {
            kept.extend(part);
        } else if part.len() > 1 {
            let (a, b) = part.split_at(part.len() / 2);
            left.extend([a.to_vec(), b.to_vec()]);
        }
    }
    kept.sort_unstable();
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_harm_is_left_out_and_the_rest_is_kept() {
        let kept = kept(8, &mut |part| Ok(!part.contains(&5))).expect("no trial fails");
        assert_eq!(kept, [0, 1, 2, 3, 4, 6, 7]);
    }

    #[test]
    fn trials_are_limited() {
        let mut trials = 0;
        let kept = kept(1000, &mut |_| {
            trials += 1;
            Ok(false)
        });
        assert_eq!((kept.expect("no trial fails"), trials), (Vec::new(), TRIALS));
    }
}
