//! The cheapest graph whose error is within a budget.
//!
//! Lossy rules put alternatives of different errors into one class. What tells them apart are their constants, the codes of
//! weights: a kernel that reads them adds their noise to the outputs, wherever else the codes were moved, transposed or
//! folded. Extraction minimises time plus noise times a price, and the price is raised until the noise is within the budget.
//! What is found this way lies on the lower hull of all pairs of time and noise. Between two neighbours on it lies what uses
//! some of the constants of both: of those that the noisier one adds, as many as the budget has room for.

use super::choice::{self, Choice, Form};
use super::{ExtractError, problem};
use crate::language::{Node, OpId};
use crate::saturate::Saturated;
use egg::Id;
use qcc_cost::CostModel;
use qcc_ir::ValueId;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A constant whose use costs accuracy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noisy {
    /// The constant, a value of the graph that was saturated.
    pub constant: ValueId,
    /// Noise it leaves at the outputs, over signal.
    pub noise: f64,
}

/// What the cheapest graph within a budget uses.
#[derive(Debug, Clone, PartialEq)]
pub struct Within {
    /// Which of the constants.
    pub used: Vec<bool>,
    /// Their noise.
    pub noise: f64,
    /// Cost of the graph (ns).
    pub cost_ns: f64,
}

/// The pairs of time and noise on the lower hull, as far as they were asked for: extraction minimises time plus noise times a
/// price, and what a price leads to is found once.
#[derive(Debug)]
pub struct Frontier {
    noisy: Vec<Noisy>,
    /// What is chosen if noise costs nothing.
    free: Option<Within>,
    /// What is chosen at a price: the time of the free choice times a power of [`STEP`] for all of the signal.
    found: BTreeMap<i32, Within>,
}

/// From one price of noise to the next.
const STEP: f64 = 1.05;

/// Least and largest price: the time of the whole graph for so much noise, relative to the budget.
const PRICES: (f64, f64) = (1e-3, 1e3);

/// Noise that no model is without: a price for less would not be a number.
const LEAST: f64 = 1e-30;

impl Frontier {
    /// Of graphs that read some of these constants.
    pub fn new(noisy: Vec<Noisy>) -> Self {
        Self { noisy, free: None, found: BTreeMap::new() }
    }

    /// The cheapest graph in which the noise of the constants that kernels read is `budget` at most. If there is none, the one
    /// with the least noise that is found. Always of the same saturated graph and the same costs.
    ///
    /// # Errors
    /// As [`extract`](super::extract).
    pub fn within(&mut self, saturated: &Saturated, model: &CostModel, budget: f64) -> Result<Within, ExtractError> {
        let mut sources = Sources::new(saturated, &self.noisy);
        let free = match &self.free {
            Some(free) => free,
            None => self.free.insert(sources.choose(model, &vec![0.0; self.noisy.len()])?),
        };
        if free.noise <= budget {
            return Ok(free.clone());
        }
        let power = |price: f64| (price / budget.max(LEAST)).log(STEP).round() as i32;
        let (mut low, mut high) = (power(PRICES.0), power(PRICES.1));
        for (&at, known) in self.found.range(low..=high) {
            match known.noise > budget {
                true => low = low.max(at),
                false => high = high.min(at),
            }
        }
        let mut at = high;
        loop {
            let known = match self.found.get(&at) {
                Some(known) => known,
                None => {
                    let price = free.cost_ns * STEP.powi(at);
                    let prices: Vec<f64> = self.noisy.iter().map(|noisy| price * noisy.noise).collect();
                    let found = sources.choose(model, &prices)?;
                    self.found.entry(at).or_insert(found)
                }
            };
            match known.noise > budget {
                true if at == high => return Ok(known.clone()),
                true => low = at,
                false => high = at,
            }
            if high - low <= 1 {
                break;
            }
            at = low + (high - low) / 2;
        }
        let within = self.found.values().filter(|found| found.noise <= budget);
        let cheapest = within.min_by(|a, b| a.cost_ns.total_cmp(&b.cost_ns)).unwrap_or(free);
        sources.between(model, cheapest, self.found.get(&low).unwrap_or(free), budget)
    }
}

/// Price of a constant that is not to be read (ns): more than any graph takes.
const FORBIDDEN: f64 = 1e12;

/// The cheapest graph whose kernels read none of the constants that have noise, as far as there is one.
///
/// # Errors
/// As [`extract`](super::extract).
pub fn avoiding(saturated: &Saturated, model: &CostModel, noisy: &[Noisy]) -> Result<Within, ExtractError> {
    let prices: Vec<f64> = noisy.iter().map(|noisy| FORBIDDEN * noisy.noise).collect();
    Sources::new(saturated, noisy).choose(model, &prices)
}

/// Which of the noisy constants other constants are computed from.
struct Sources<'a> {
    saturated: &'a Saturated,
    noisy: &'a [Noisy],
    known: FxHashMap<Id, Rc<[usize]>>,
}

impl<'a> Sources<'a> {
    fn new(saturated: &'a Saturated, noisy: &'a [Noisy]) -> Self {
        let mut at: FxHashMap<Id, Vec<usize>> = FxHashMap::default();
        for (i, noisy) in noisy.iter().enumerate() {
            if let Some(&id) = saturated.origin.values.get(&noisy.constant) {
                at.entry(saturated.egraph.find(id)).or_default().push(i);
            }
        }
        let known = at.into_iter().map(|(id, list)| (id, list.into())).collect();
        Self { saturated, noisy, known }
    }

    /// Noisy constants that a constant class is computed from, each once.
    fn of(&mut self, id: Id) -> Rc<[usize]> {
        let id = self.saturated.egraph.find(id);
        if let Some(known) = self.known.get(&id) {
            return Rc::clone(known);
        }
        // A class on the way to itself adds nothing.
        self.known.insert(id, Rc::from([]));
        let mut found: Vec<usize> = Vec::new();
        let nodes: Vec<Node> = self.saturated.egraph[id].iter().cloned().collect();
        let constant = |c: &&Id| self.saturated.egraph[**c].data.constant.is_some();
        let children: Vec<Id> = nodes.iter().flat_map(|n| n.children.iter()).filter(constant).copied().collect();
        for child in children {
            found.extend(self.of(child).iter());
        }
        found.sort_unstable();
        found.dedup();
        let found: Rc<[usize]> = found.into();
        self.known.insert(id, Rc::clone(&found));
        found
    }

    /// The noisy constants behind some constants, each once.
    fn all(&mut self, ids: &[Id]) -> FxHashSet<usize> {
        ids.iter().flat_map(|&id| self.of(id).to_vec()).collect()
    }

    /// The cheapest graph within a budget that uses the constants of one within it, and some of one beyond it: as many as there
    /// is room for, from the first to the last, from the last to the first, or from the least noisy on.
    fn between(
        &mut self,
        model: &CostModel,
        within: &Within,
        beyond: &Within,
        budget: f64,
    ) -> Result<Within, ExtractError> {
        let noisy = self.noisy;
        let forward: Vec<usize> = (0..noisy.len()).filter(|&i| beyond.used[i] && !within.used[i]).collect();
        let backward = forward.iter().rev().copied().collect();
        let mut by_noise = forward.clone();
        by_noise.sort_by(|&a, &b| noisy[a].noise.total_cmp(&noisy[b].noise));
        let mut best = within.clone();
        let mut tried = vec![within.used.clone()];
        for order in [forward, backward, by_noise] {
            let mut allowed = within.used.clone();
            let mut noise = within.noise;
            for i in order {
                if noise + noisy[i].noise <= budget {
                    (allowed[i], noise) = (true, noise + noisy[i].noise);
                }
            }
            if tried.contains(&allowed) {
                continue;
            }
            let prices: Vec<f64> = allowed.iter().map(|allowed| if *allowed { 0.0 } else { FORBIDDEN }).collect();
            let found = self.choose(model, &prices)?;
            if found.noise <= budget && found.cost_ns < best.cost_ns {
                best = found;
            }
            tried.push(allowed);
        }
        Ok(best)
    }

    /// The cheapest graph where each constant has a price (ns).
    fn choose(&mut self, model: &CostModel, prices: &[f64]) -> Result<Within, ExtractError> {
        let (noisy, saturated) = (self.noisy, self.saturated);
        let mut priced = |ids: &[Id]| self.all(ids).iter().map(|&i| prices[i]).sum::<f64>();
        let problem = problem::build_priced(saturated, model, &mut priced);
        let Choice { problem, selection, chosen, .. } = choice::choose_from(self.saturated, problem)?;
        let mut used = vec![false; noisy.len()];
        let mut paid = 0.0;
        for (class, _) in &chosen.kernels {
            let Some(stored) = selection.stored[*class].map(|i| &problem.classes[*class].stored[i]) else { continue };
            let node = match &stored.form {
                Form::Op { .. } => &stored.node,
                Form::Fused { core, .. } => match selection.core[*core] {
                    Some(i) => &problem.classes[*core].cores[i].node,
                    None => continue,
                },
                Form::Leaf | Form::Proj(_) => continue,
            };
            for i in self.all(&self.constants(node)) {
                used[i] = true;
                paid += prices[i];
            }
        }
        let noise = used.iter().zip(noisy).filter(|(used, _)| **used).map(|(_, n)| n.noise).sum();
        Ok(Within { used, noise, cost_ns: chosen.cost - paid })
    }

    fn constants(&self, node: &Node) -> Vec<Id> {
        let OpId::Call(_) = node.op else { return Vec::new() };
        let egraph = &self.saturated.egraph;
        let constant = |id: &Id| egraph[*id].iter().any(|n| matches!(n.op, OpId::Const(_) | OpId::Folded(_)));
        node.inputs().iter().map(|&c| egraph.find(c)).filter(constant).collect()
    }
}
