//! A lower bound of the cost of every graph the e-graph holds.
//!
//! Whatever is chosen, a class needs the cheapest of its kernels and what all of its kernels need. The greatest solution of
//! "needed by a class = itself and what all of its choices need" is a set of classes that no choice avoids; the cost is
//! at least the sum of their cheapest kernels.

use super::problem::{Class, ClassId, Form, Problem};

/// The bound (ns).
pub(super) fn lower_bound(problem: &Problem) -> f64 {
    let needed = unavoidable(problem);
    let bound: f64 = needed.iter().map(|&c| cheapest(problem, &problem.classes[c])).sum();
    bound.max(0.0)
}

/// The least that storing a class costs, whatever its operands cost.
fn cheapest(problem: &Problem, class: &Class) -> f64 {
    let costs = class.stored.iter().map(|s| match &s.form {
        Form::Leaf | Form::Proj(_) => 0.0,
        Form::Op { kernel, .. } => *kernel,
        Form::Fused { core, .. } => {
            let c = &problem.classes[*core];
            let inside = c.cores.iter().map(|f| f.cost).fold(c.traffic, f64::min);
            problem.launch + class.traffic + inside
        }
    });
    let least = costs.fold(f64::INFINITY, f64::min);
    if least.is_finite() { least } else { 0.0 }
}

/// Classes that every choice stores: those on every path of choices from the outputs, found by following classes with
/// one choice.
fn unavoidable(problem: &Problem) -> Vec<ClassId> {
    let mut seen = vec![false; problem.classes.len()];
    let mut stack: Vec<ClassId> = problem.roots.clone();
    let mut out = Vec::new();
    while let Some(id) = stack.pop() {
        if std::mem::replace(&mut seen[id], true) {
            continue;
        }
        out.push(id);
        let class = &problem.classes[id];
        if let [only] = &class.stored[..] {
            match &only.form {
                Form::Leaf => {}
                Form::Proj(tuple) => stack.push(*tuple),
                Form::Op { reads, .. } => stack.extend(reads),
                Form::Fused { .. } => {}
            }
        }
    }
    out.sort_unstable();
    out
}
