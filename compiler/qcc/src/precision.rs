//! How every layer computes, chosen by extraction: the fastest program whose noise is within a budget.
//!
//! The float graph with every alternative is saturated once with the lossy rules. What a choice costs in time is the cost of
//! the whole graph it leads to, fusion and layout included; what it costs in accuracy was measured layer by layer.

use crate::failure::Failure;
use crate::pipeline;
use qcc_dsl::RuleSet;
use qcc_egraph::{CostModel, Frontier, Noisy, Saturated};
use qcc_lower::Target;
use qcc_quantize::{Alternatives, Calibration, Precision, Sensitivity};
use std::cell::RefCell;

/// Every way to compute the layers of a model.
pub struct Chooser {
    saturated: Saturated,
    model: CostModel,
    codes: Vec<(Noisy, usize, Precision)>,
    frontier: RefCell<Frontier>,
    /// What a layer is if no codes are chosen for it.
    layers: usize,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// How every layer computes.
    pub precisions: Vec<Precision>,
    /// Noise that is expected at the outputs, over signal.
    pub noise: f64,
    /// Time that is expected (ns).
    pub cost_ns: f64,
}

impl Chooser {
    /// Saturates the alternatives of a calibrated model.
    ///
    /// # Errors
    /// Rules that contradict each other.
    pub fn new(
        calibration: &Calibration,
        allowed: &[Vec<Precision>],
        sensitivities: &[Sensitivity],
        rules: &RuleSet,
        target: Target,
    ) -> Result<Self, Failure> {
        let Alternatives { graph, codes } = qcc_quantize::alternatives(calibration, allowed);
        let typed = qcc_ir::infer(&graph).map_err(Failure::Diagnostics)?;
        // Two precisions may have the same codes, and differ in what they are multiplied with.
        let apart = codes.iter().map(|(constant, ..)| *constant).collect();
        let options = qcc_egraph::Options { lossy: true, apart, ..qcc_egraph::Options::default() };
        let saturated = qcc_egraph::saturate(&typed, rules, &options).map_err(|e| Failure::Bug(e.to_string()))?;
        let noisy = |(constant, layer, precision): (_, usize, Precision)| {
            let noise = sensitivities[layer].noise(precision);
            (Noisy { constant, noise }, layer, precision)
        };
        let codes: Vec<_> = codes.into_iter().map(noisy).collect();
        let frontier = RefCell::new(Frontier::new(codes.iter().map(|(noisy, ..)| *noisy).collect()));
        Ok(Self { saturated, model: pipeline::costs(target, rules)?, codes, frontier, layers: allowed.len() })
    }

    /// Time that is expected of given precisions (ns).
    ///
    /// # Errors
    /// A graph that cannot be chosen.
    pub fn cost(&self, precisions: &[Precision]) -> Result<f64, Failure> {
        let noise = |wrong: bool| f64::from(u8::from(wrong));
        let given = self
            .codes
            .iter()
            .map(|(noisy, layer, precision)| Noisy { noise: noise(precisions[*layer] != *precision), ..*noisy });
        let noisy: Vec<Noisy> = given.collect();
        Ok(qcc_egraph::avoiding(&self.saturated, &self.model, &noisy)?.cost_ns)
    }

    /// The fastest way whose noise is expected within a budget.
    ///
    /// # Errors
    /// A graph that cannot be chosen.
    pub fn within(&self, budget: f64) -> Result<Chosen, Failure> {
        let found = self.frontier.borrow_mut().within(&self.saturated, &self.model, budget)?;
        let mut precisions = vec![Precision::Float; self.layers];
        for (used, (_, layer, precision)) in found.used.iter().zip(&self.codes) {
            if *used {
                precisions[*layer] = *precision;
            }
        }
        Ok(Chosen { precisions, noise: found.noise, cost_ns: found.cost_ns })
    }
}
