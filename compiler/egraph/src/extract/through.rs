//! The cheapest graph that contains a given form, to compare with the cheapest of all.
//!
//! The form is a node of a class. Costs without sharing lead from it to an output; what lies on that way is fixed, everything
//! else is chosen freely under the true cost.

use super::choice::Choice;
use super::climb::{Fixed, climb_beside};
use super::problem::{ClassId, Form, Problem};
use super::seed::{self, BottomUp};
use super::select::{Chosen, Selection, evaluate};
use crate::language::Node;
use rustc_hash::FxHashSet;
use std::collections::VecDeque;

/// One step on the way from a class to the form: the choice, and the use of the next class.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// Position of the form; `None` if the value is read from memory.
    form: Option<usize>,
    /// Where the way goes on; `None` if this is the form.
    next: Option<Fixed>,
}

struct Ways<'a> {
    problem: &'a Problem,
    base: &'a BottomUp<'a>,
    target: ClassId,
    nodes: &'a [Node],
    stored: Vec<(f64, Option<Way>)>,
    inlined: Vec<(f64, Option<Way>)>,
    core: Vec<(f64, Option<Way>)>,
}

/// The cheapest graph found that contains one of the nodes of a class; `None` if no kernel can.
pub(crate) fn through(choice: &Choice, target: ClassId, nodes: &[Node]) -> Option<(Selection, Chosen)> {
    let problem = &choice.problem;
    let base = seed::costs(problem);
    let count = problem.classes.len();
    let unknown = || vec![(f64::INFINITY, None); count];
    let mut ways = Ways { problem, base: &base, target, nodes, stored: unknown(), inlined: unknown(), core: unknown() };
    let users = seed::users(problem);
    let mut queued = vec![false; count];
    let mut queue = VecDeque::from([target]);
    while let Some(class) = queue.pop_front() {
        queued[class] = false;
        if ways.improve(class) {
            for &user in &users[class] {
                if !std::mem::replace(&mut queued[user], true) {
                    queue.push_back(user);
                }
            }
        }
    }
    let extra = |&r: &ClassId| ways.stored[r].0 - base.stored[r];
    let roots = problem.roots.iter().copied().filter(|&r| ways.stored[r].0.is_finite());
    let root = roots.min_by(|a, b| extra(a).total_cmp(&extra(b)))?;
    // The rest as in the chosen graph, or, where that does not fit, as cheap as without sharing.
    let starts = [choice.selection.clone(), base.selection.clone()];
    let graphs = starts.into_iter().filter_map(|mut selection| {
        let fixed = ways.fix(root, &mut selection);
        let start = evaluate(problem, &selection)?;
        let chosen = climb_beside(problem, &mut selection, start, &fixed);
        Some((selection, chosen))
    });
    graphs.min_by(|(_, a), (_, b)| a.cost.total_cmp(&b.cost))
}

impl Ways<'_> {
    /// Sets the choices on the way from an output to the form.
    fn fix(&self, root: ClassId, selection: &mut Selection) -> FxHashSet<Fixed> {
        let mut fixed = FxHashSet::default();
        let mut at = Some(Fixed::Stored(root));
        while let Some(of) = at {
            if !fixed.insert(of) {
                break;
            }
            let way = match of {
                Fixed::Stored(c) => self.stored[c].1,
                Fixed::Inlined(c) => self.inlined[c].1,
                Fixed::Core(c) => self.core[c].1,
            };
            let Some(way) = way else { break };
            if let (Fixed::Stored(c), Some(i), None) = (of, way.form, way.next)
                && let Form::Fused { core, .. } = &self.problem.classes[c].stored[i].form
                && let Some((computed, _)) = self.computed(*core)
            {
                selection.core[*core] = Some(computed);
                fixed.insert(Fixed::Core(*core));
            }
            match of {
                Fixed::Stored(c) => selection.stored[c] = way.form,
                Fixed::Inlined(c) => selection.inlined[c] = way.form,
                Fixed::Core(c) => selection.core[c] = way.form,
            }
            at = way.next;
        }
        fixed
    }

    fn is_target(&self, class: ClassId, node: &Node) -> bool {
        class == self.target && self.nodes.contains(node)
    }

    /// The cheapest way to compute a core inside its kernel, which is what a form with a body stands for: reading it from memory
    /// is no better than not having the body.
    fn computed(&self, core: ClassId) -> Option<(usize, f64)> {
        let costs = self.problem.classes[core]
            .cores
            .iter()
            .enumerate()
            .map(|(i, form)| (i, form.cost + form.reads.iter().map(|&r| self.base.stored[r]).sum::<f64>()));
        costs.filter(|(_, cost)| cost.is_finite()).min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// The operand through which a form gets to the target most cheaply, and the cost of all operands then.
    fn best(&self, operands: &[ClassId], plain: &[f64], through: &[(f64, Option<Way>)]) -> Option<(f64, ClassId)> {
        let mut best: Option<(f64, ClassId)> = None;
        for (i, &operand) in operands.iter().enumerate() {
            let others = operands.iter().enumerate().filter(|(k, _)| *k != i).map(|(_, &o)| plain[o]).sum::<f64>();
            let cost = through[operand].0 + others;
            if cost.is_finite() && best.is_none_or(|(b, _)| cost < b) {
                best = Some((cost, operand));
            }
        }
        best
    }

    fn improve(&mut self, id: ClassId) -> bool {
        let class = &self.problem.classes[id];
        let base = self.base;
        let mut found: Vec<(Fixed, f64, Way)> = Vec::new();
        let mut offer = |of: Fixed, cost: f64, form: Option<usize>, next: Option<Fixed>| {
            found.push((of, cost, Way { form, next }));
        };
        for (i, stored) in class.stored.iter().enumerate() {
            let (of, form) = (Fixed::Stored(id), Some(i));
            let target = self.is_target(id, &stored.node);
            match &stored.form {
                Form::Leaf => {
                    if target {
                        offer(of, 0.0, form, None);
                    }
                }
                Form::Proj(tuple) if target => offer(of, base.stored[*tuple], form, None),
                Form::Proj(tuple) => offer(of, self.stored[*tuple].0, form, Some(Fixed::Stored(*tuple))),
                Form::Op { reads, kernel } if target => {
                    offer(of, kernel + reads.iter().map(|&r| base.stored[r]).sum::<f64>(), form, None);
                }
                Form::Op { reads, kernel } => {
                    if let Some((cost, read)) = self.best(reads, &base.stored, &self.stored) {
                        offer(of, kernel + cost, form, Some(Fixed::Stored(read)));
                    }
                }
                Form::Fused { core, body } => {
                    let own = self.problem.launch + class.traffic;
                    if target {
                        let core = self.computed(*core).map_or(base.core[*core], |(_, cost)| cost);
                        offer(of, own + core + base.inlined[*body], form, None);
                    } else {
                        let through_core = own + self.core[*core].0 + base.inlined[*body];
                        offer(of, through_core, form, Some(Fixed::Core(*core)));
                        let through_body = own + base.core[*core] + self.inlined[*body].0;
                        offer(of, through_body, form, Some(Fixed::Inlined(*body)));
                    }
                }
            }
        }
        if !class.acc && !class.constant {
            offer(Fixed::Inlined(id), class.traffic + self.stored[id].0, None, Some(Fixed::Stored(id)));
        }
        for (i, form) in class.inlined.iter().enumerate() {
            if self.is_target(id, &form.node) {
                let cost = form.cost + form.operands.iter().map(|&o| base.inlined[o]).sum::<f64>();
                offer(Fixed::Inlined(id), cost, Some(i), None);
            } else if let Some((cost, operand)) = self.best(&form.operands, &base.inlined, &self.inlined) {
                offer(Fixed::Inlined(id), form.cost + cost, Some(i), Some(Fixed::Inlined(operand)));
            }
        }
        offer(Fixed::Core(id), class.traffic + self.stored[id].0, None, Some(Fixed::Stored(id)));
        for (i, form) in class.cores.iter().enumerate() {
            if self.is_target(id, &form.node) {
                let cost = form.cost + form.reads.iter().map(|&r| base.stored[r]).sum::<f64>();
                offer(Fixed::Core(id), cost, Some(i), None);
            } else if let Some((cost, read)) = self.best(&form.reads, &base.stored, &self.stored) {
                offer(Fixed::Core(id), form.cost + cost, Some(i), Some(Fixed::Stored(read)));
            }
        }
        let mut better = false;
        for (of, cost, way) in found {
            let slot = match of {
                Fixed::Stored(c) => &mut self.stored[c],
                Fixed::Inlined(c) => &mut self.inlined[c],
                Fixed::Core(c) => &mut self.core[c],
            };
            if seed::falls(cost, slot.0) {
                *slot = (cost, Some(way));
                better = true;
            }
        }
        better
    }
}
