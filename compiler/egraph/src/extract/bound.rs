//! A lower bound of the cost of every graph the e-graph holds.
//!
//! Whatever is chosen for a value, the graph pays for the kernel that stores it and for all that one of its operands needs;
//! counting only the most expensive operand counts nothing twice. For a chain of kernels that is the exact optimum, for
//! parallel branches it is the longest one.

use super::problem::{ClassId, Form, Problem};
use super::seed::{falls, users};
use std::collections::VecDeque;

/// The bound (ns).
pub(super) fn lower_bound(problem: &Problem) -> f64 {
    let count = problem.classes.len();
    let unknown = || vec![f64::INFINITY; count];
    let mut state = State { problem, stored: unknown(), inlined: unknown(), inside: unknown(), core: unknown() };
    let users = users(problem);
    let mut queued = vec![true; count];
    let mut queue: VecDeque<ClassId> = (0..count).collect();
    while let Some(class) = queue.pop_front() {
        queued[class] = false;
        if state.lower(class) {
            for &user in &users[class] {
                if !std::mem::replace(&mut queued[user], true) {
                    queue.push_back(user);
                }
            }
        }
    }
    problem.roots.iter().map(|&r| state.stored[r]).filter(|b| b.is_finite()).fold(0.0, f64::max)
}

struct State<'a> {
    problem: &'a Problem,
    /// Least cost of a graph that stores the class.
    stored: Vec<f64>,
    /// Least cost of a graph whose body computes or reads the class.
    inlined: Vec<f64>,
    /// The part of it that is spent inside that kernel.
    inside: Vec<f64>,
    /// Least cost of a graph that has the class as its core.
    core: Vec<f64>,
}

impl State<'_> {
    fn lower(&mut self, id: ClassId) -> bool {
        let class = &self.problem.classes[id];
        let most = |bounds: &[f64], classes: &[ClassId]| classes.iter().map(|&c| bounds[c]).fold(0.0, f64::max);
        let mut stored = self.stored[id];
        for form in &class.stored {
            let bound = match &form.form {
                Form::Leaf => 0.0,
                Form::Proj(tuple) => self.stored[*tuple],
                Form::Op { reads, kernel } => kernel + most(&self.stored, reads),
                Form::Fused { core, body } => {
                    let through_core = self.core[*core] + self.inside[*body];
                    self.problem.launch + class.traffic + through_core.max(self.inlined[*body])
                }
            };
            stored = stored.min(bound);
        }
        let (mut inlined, mut inside) = if class.acc || class.constant {
            (0.0, 0.0)
        } else if stored.is_finite() {
            (class.traffic + stored, class.traffic)
        } else {
            (f64::INFINITY, f64::INFINITY)
        };
        for form in &class.inlined {
            inlined = inlined.min(form.cost + most(&self.inlined, &form.operands));
            inside = inside.min(form.cost + most(&self.inside, &form.operands));
        }
        let mut core = class.traffic + stored;
        for form in &class.cores {
            core = core.min(form.cost + most(&self.stored, &form.reads));
        }
        let mut changed = false;
        for (old, new) in [
            (&mut self.stored[id], stored),
            (&mut self.inlined[id], inlined),
            (&mut self.inside[id], inside),
            (&mut self.core[id], core),
        ] {
            if falls(new, *old) {
                *old = new;
                changed = true;
            }
        }
        changed
    }
}
