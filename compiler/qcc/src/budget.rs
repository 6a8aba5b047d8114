//! The fastest precisions whose measured error is within a budget.
//!
//! Extraction predicts: noises of layers are measured one by one and added up. What it chooses is measured on samples held out,
//! and the ratio of the two corrects the next prediction.

use crate::batch;
use crate::failure::Failure;
use crate::precision::Chooser;
use crate::quantize::{Options, Step};
use qcc_quantize::{Calibration, Expected, Judge, Loss, Noise, Precision, Runtime, Sensitivity};

/// Signal over noise (dB) at the outputs below which layers stay floats.
pub const DEFAULT_SQNR_DB: f64 = 20.0;

/// How far the outputs may be from the float model's.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Noise over signal at the outputs.
    pub outputs: Limit,
    /// The same with logits in place of probabilities.
    pub logits: Limit,
    /// Share of decisions that must agree.
    pub agreement: f64,
    /// Share of right decisions that may be lost.
    pub drop: f64,
    /// Whether anything is to be held.
    pub asked: bool,
}

impl Budget {
    /// What is asked for. If nothing is, a model within [`DEFAULT_SQNR_DB`] may lose 1 dB for speed, and one that is not is
    /// brought there.
    pub fn of(options: &Options, now: Loss) -> Budget {
        let noise = |db: f64| 10f64.powf(-db / 10.0);
        let mut agreement = options.min_agreement.unwrap_or(0.0);
        let mut drop = options.max_drop.unwrap_or(f64::INFINITY);
        if options.labels.is_none() {
            // An accuracy drops by no more than the decisions that change.
            agreement = agreement.max(1.0 - drop);
            drop = f64::INFINITY;
        }
        let limited = options.min_sqnr_db.is_some() || options.min_agreement.is_some() || options.max_drop.is_some();
        let asked = options.does(Step::Precisions) || limited;
        let default = noise(DEFAULT_SQNR_DB);
        let kept = |now: Noise| match now.beyond(LIKELY) {
            now if now < default => Limit { noise: (GIVEN_UP * now).min(default), errors: LIKELY },
            _ => Limit { noise: default, errors: SURE },
        };
        let (outputs, logits) = match options.min_sqnr_db {
            Some(db) => (Limit { noise: noise(db), errors: SURE }, Limit { noise: f64::INFINITY, errors: SURE }),
            None => (kept(now.outputs), kept(now.logits)),
        };
        Budget { outputs, logits, agreement, drop, asked }
    }

    /// Whether a loss is within it.
    pub fn holds(&self, loss: Loss) -> bool {
        self.excess(loss) <= 1.0 && loss.agreement >= self.agreement && loss.drop <= self.drop
    }

    /// Noise over what is allowed, where that is most.
    fn excess(&self, loss: Loss) -> f64 {
        self.outputs.excess(loss.outputs).max(self.logits.excess(loss.logits))
    }

    /// The same without what it may be more on other samples.
    fn measured(&self, loss: Loss) -> f64 {
        (loss.outputs.mean / self.outputs.noise).max(loss.logits.mean / self.logits.noise)
    }
}

/// Noise that is allowed.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Over signal.
    pub noise: f64,
    /// Standard errors that are added to noise that was measured.
    pub errors: f64,
}

impl Limit {
    /// Noise over what is allowed.
    fn excess(&self, noise: Noise) -> f64 {
        noise.beyond(self.errors) / self.noise
    }
}

/// How much noisier a model may become by default where that makes it faster: 1 dB.
const GIVEN_UP: f64 = 1.26;

/// Standard errors that noise is not beyond on other samples in 98 of 100 cases.
const LIKELY: f64 = 2.0;

/// The same where a promise is to be kept by what was chosen among a dozen candidates on one set of samples: the luckiest of them.
const SURE: f64 = 3.0;

/// Noise over the budget beyond which corrected biases do not bring a model within it.
const CORRECTABLE: f64 = 1.5;

/// Attempts to meet a budget: a prediction is wrong by a factor that settles soon.
const ATTEMPTS: usize = 12;

/// Between which factors the prediction has to be corrected to just meet the budget: what was measured, of what is allowed, over the
/// predicted noise.
#[derive(Debug, Default)]
struct Bracket {
    /// The largest by which what was chosen did not hold.
    too_little: Option<f64>,
    /// The least by which it did.
    enough: Option<f64>,
}

impl Bracket {
    /// Factors that are as good as one: half a decibel apart.
    const CLOSE: f64 = 1.12;

    /// The factor to try next, if `measured` is that of what was tried last; none if the ends are close.
    fn next(&self, measured: f64) -> Option<f64> {
        match (self.too_little, self.enough) {
            (Some(low), Some(high)) => (high > Self::CLOSE * low).then(|| (low * high).sqrt()),
            // Where only decisions are wrong, noise has to fall further than what is measured says.
            (Some(low), None) => Some(measured.max(1.25 * low)),
            (None, Some(high)) => (high > Self::CLOSE * measured).then_some(measured),
            (None, None) => Some(measured),
        }
    }
}

/// A search for the fastest precisions within a budget.
pub struct Search<'a> {
    /// Chooses by prediction.
    pub chooser: Chooser,
    /// What each layer may compute on; the first is what it falls back to.
    pub allowed: &'a [Vec<Precision>],
    /// What each layer costs in accuracy.
    pub sensitivities: &'a [Sensitivity],
    /// What is to be held.
    pub budget: Budget,
    /// Whether biases are corrected for what is chosen.
    pub correct: bool,
    /// Biases without corrections. What was corrected for quantized layers in front is wrong where these are floats.
    pub uncorrected: Vec<Vec<f32>>,
    /// The float model's outputs on the samples that corrections are judged by.
    pub expected: &'a Expected,
    /// The same on those that the budget is checked with.
    pub check: &'a Expected,
    /// All samples.
    pub samples: &'a batch::Samples,
    /// Those that corrections are measured on.
    pub others: &'a [usize],
    /// How graphs run.
    pub runtime: &'a Runtime<'a>,
}

/// What a search found.
pub struct Outcome {
    /// How every layer computes.
    pub precisions: Vec<Precision>,
    /// The measured loss.
    pub loss: Loss,
}

/// A point of the curve of time over error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Signal over noise that is expected (dB).
    pub sqnr_db: f64,
    /// Time that is expected (ns).
    pub cost_ns: f64,
    /// Layers on integers.
    pub integer: usize,
}

/// What a layer would cost in the next more accurate precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Next {
    /// The precision.
    pub precision: Precision,
    /// Time more that is expected (ns); none if the same program is chosen.
    pub cost_ns: f64,
    /// Signal over noise at the outputs that is expected then (dB).
    pub sqnr_db: f64,
}

impl std::fmt::Display for Next {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:.1} µs more, outputs at {:.2} dB", self.precision, self.cost_ns / 1e3, self.sqnr_db)
    }
}

/// Budgets of the curve (dB).
const CURVE: [f64; 9] = [10.0, 14.0, 18.0, 22.0, 26.0, 30.0, 35.0, 40.0, 50.0];

/// Precisions that were measured.
struct Candidate {
    precisions: Vec<Precision>,
    biases: Vec<Vec<f32>>,
    loss: Loss,
    /// Time that is expected (ns).
    cost: f64,
}

impl Search<'_> {
    /// Chooses, measures, and corrects the prediction until the measurement is just within the budget. `start` with its loss is
    /// what the model computes on so far. The calibration's biases become those of what is chosen.
    ///
    /// # Errors
    /// Samples that cannot be run.
    pub fn run(&self, calibration: &mut Calibration, start: &[Precision], now: Loss) -> Result<Outcome, Failure> {
        let before = calibration.biases.clone();
        let mut best = None;
        if self.budget.holds(now) {
            let (precisions, biases) = (start.to_vec(), before.clone());
            best = Some(Candidate { precisions, biases, loss: now, cost: self.chooser.cost(start)? });
        }
        let mut bracket = Bracket::default();
        let mut refused = Vec::new();
        let wrong = |loss: Loss, predicted: f64| self.budget.excess(loss) / predicted.max(f64::MIN_POSITIVE);
        let mut scale = wrong(now, self.predicted(start)).max(f64::MIN_POSITIVE);
        for _ in 0..ATTEMPTS {
            let chosen = self.chooser.within(1.0 / scale)?;
            let measured = if best.as_ref().is_some_and(|best| best.cost <= chosen.cost_ns) {
                // Less noise only costs more.
                bracket.enough = Some(scale);
                scale
            } else if refused.contains(&chosen.precisions) {
                bracket.too_little = Some(scale);
                scale
            } else {
                calibration.biases.clone_from(&before);
                let loss = self.measured(calibration, &chosen.precisions)?;
                if self.budget.holds(loss) {
                    let biases = calibration.biases.clone();
                    best = Some(Candidate { precisions: chosen.precisions, biases, loss, cost: chosen.cost_ns });
                    bracket.enough = Some(scale);
                } else {
                    refused.push(chosen.precisions);
                    bracket.too_little = Some(scale);
                }
                wrong(loss, chosen.noise)
            };
            match bracket.next(measured) {
                Some(next) => scale = next,
                None => break,
            }
        }
        if let Some(Candidate { precisions, biases, loss, .. }) = best {
            calibration.biases = biases;
            return Ok(Outcome { precisions, loss });
        }
        calibration.biases = before;
        let precisions: Vec<Precision> = self.allowed.iter().map(|allowed| allowed[0]).collect();
        let loss = self.loss(calibration, &precisions)?;
        Ok(Outcome { precisions, loss })
    }

    /// The fastest that is expected within each of some budgets (dB), by a prediction that is as wrong as it was for `found`.
    ///
    /// # Errors
    /// A graph that cannot be chosen.
    pub fn curve(&self, found: &Outcome) -> Result<Vec<Point>, Failure> {
        let predicted = self.predicted(&found.precisions);
        let scale = if predicted > 0.0 { found.loss.outputs.beyond(LIKELY) / predicted } else { 1.0 };
        let point = |db: f64| {
            let chosen = self.chooser.within(10f64.powf(-db / 10.0) / scale)?;
            let integer = chosen.precisions.iter().filter(|p| p.is_integer()).count();
            Ok(Point { sqnr_db: -10.0 * (chosen.noise * scale).log10(), cost_ns: chosen.cost_ns, integer })
        };
        CURVE.map(point).into_iter().collect()
    }

    /// The next more accurate choice of every layer that has one, the others as they were found.
    ///
    /// # Errors
    /// A graph that cannot be chosen.
    pub fn next(&self, found: &Outcome) -> Result<Vec<Option<Next>>, Failure> {
        let Outcome { precisions, loss } = found;
        let now = self.chooser.cost(precisions)?;
        let predicted = self.predicted(precisions).max(f64::MIN_POSITIVE);
        let of = |layer: usize| -> Result<Option<Next>, Failure> {
            let of = |p: Precision| self.sensitivities[layer].noise(p);
            let mut sorted = self.allowed[layer].clone();
            sorted.sort_by(|a, b| of(*a).total_cmp(&of(*b)));
            let at = sorted.iter().position(|p| *p == precisions[layer]);
            let Some(precision) = at.and_then(|at| at.checked_sub(1)).map(|at| sorted[at]) else {
                return Ok(None);
            };
            let mut then = precisions.clone();
            then[layer] = precision;
            let less = (of(precisions[layer]) - of(precision)) / predicted;
            let cost_ns = (self.chooser.cost(&then)? - now).max(0.0);
            let sqnr_db = loss.sqnr_db() - 10.0 * (1.0 - less).max(0.01).log10();
            Ok(Some(Next { precision, cost_ns, sqnr_db }))
        };
        (0..precisions.len()).map(of).collect()
    }

    fn predicted(&self, precisions: &[Precision]) -> f64 {
        precisions.iter().zip(self.sensitivities).map(|(p, s)| s.noise(*p)).sum()
    }

    /// What judges precisions by some samples.
    fn judge<'a>(&'a self, precisions: &'a [Precision], expected: &'a Expected) -> Judge<'a> {
        Judge { precisions, expected, data: self.samples, runtime: self.runtime }
    }

    fn loss(&self, calibration: &Calibration, precisions: &[Precision]) -> Result<Loss, Failure> {
        Ok(self.judge(precisions, self.check).loss(calibration)?)
    }

    /// The loss of precisions with the biases as they are, with uncorrected ones, or with those corrected for them: the first that
    /// is within the budget, if one may be.
    fn measured(&self, calibration: &mut Calibration, precisions: &[Precision]) -> Result<Loss, Failure> {
        let mut loss = self.loss(calibration, precisions)?;
        if !self.budget.holds(loss) && calibration.biases != self.uncorrected {
            let corrected = std::mem::replace(&mut calibration.biases, self.uncorrected.clone());
            let without = self.loss(calibration, precisions)?;
            if self.budget.excess(without) < self.budget.excess(loss) {
                loss = without;
            } else {
                calibration.biases = corrected;
            }
        }
        if self.correct && !self.budget.holds(loss) && self.budget.measured(loss) <= CORRECTABLE {
            let judge = self.judge(precisions, self.expected);
            let mut before = judge.loss(calibration)?;
            qcc_quantize::correct_biases(calibration, &judge, self.others, &mut before)?;
            return self.loss(calibration, precisions);
        }
        Ok(loss)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bracket, Budget};
    use crate::quantize::Options;
    use qcc_quantize::{Loss, Noise};

    fn loss(outputs: f64, logits: f64, error: f64) -> Loss {
        let noise = |mean: f64| Noise { mean, error: error * mean };
        Loss { outputs: noise(outputs), logits: noise(logits), agreement: 0.9, drop: 0.01 }
    }

    #[test]
    fn one_decibel_may_be_lost_at_the_outputs_and_in_front_of_them() {
        let budget = Budget::of(&Options::default(), loss(1e-3, 1e-4, 0.0));
        assert!(budget.holds(loss(1.25e-3, 1.25e-4, 0.0)));
        assert!(!budget.holds(loss(1.3e-3, 1e-4, 0.0)));
        assert!(!budget.holds(loss(1e-3, 1.3e-4, 0.0)), "probabilities hide it");
    }

    #[test]
    fn what_is_asked_for_is_held_at_the_outputs_with_three_standard_errors() {
        let asked = Options { min_sqnr_db: Some(20.0), ..Options::default() };
        let budget = Budget::of(&asked, loss(1e-3, 1e-4, 0.0));
        assert!(budget.holds(loss(0.9e-2, 1.0, 0.03)));
        assert!(!budget.holds(loss(0.9e-2, 1e-4, 0.04)), "1.008 % with three of them");
        let brought = Budget::of(&Options::default(), loss(2e-2, 1e-4, 0.0));
        assert!(!brought.holds(loss(0.9e-2, 1e-4, 0.04)), "as is the default where a model has to be brought there");
    }

    #[test]
    fn without_labels_a_drop_bounds_the_decisions_that_change() {
        let drop = |max_drop, labels| Options { max_drop: Some(max_drop), labels, ..Options::default() };
        let holds = |options: &Options| Budget::of(options, loss(1e-3, 1e-4, 0.0)).holds(loss(1e-3, 1e-4, 0.0));
        assert!(holds(&drop(0.11, None)) && !holds(&drop(0.09, None)), "one of ten changed");
        assert!(holds(&drop(0.02, Some(Vec::new()))) && !holds(&drop(0.005, Some(Vec::new()))), "one of 100 was lost");
    }

    #[test]
    fn a_bracket_closes_from_both_sides() {
        let mut bracket = Bracket { too_little: Some(2.0), enough: None };
        assert_eq!(bracket.next(8.0), Some(8.0), "what is measured corrects the prediction");
        assert_eq!(bracket.next(1.0), Some(2.5), "a correction that was not enough grows");
        bracket.enough = Some(8.0);
        assert_eq!(bracket.next(1.0), Some(4.0), "between both");
        bracket.too_little = Some(7.9);
        assert_eq!(bracket.next(1.0), None, "close enough");
        let bracket = Bracket { too_little: None, enough: Some(4.0) };
        assert_eq!(bracket.next(1.0), Some(1.0), "what holds with room to spare is tried with less");
        assert_eq!(bracket.next(3.9), None, "no room to spare");
    }
}
