//! A selection to start from that knows what is shared.
//!
//! Costs of trees count a value as often as it is read: over a chain of residual additions that doubles at every one, until
//! what a layer costs is lost in the sum. Here every class knows which stored classes it needs, and each costs once. Classes are
//! visited once, operands first, and choose among forms whose operands were visited, so there is no cycle.

use super::problem::{ClassId, Form, Problem};
use super::seed::falls;
use super::select::Selection;

/// Visits of all classes: the choices of one give the order of the next.
const SWEEPS: usize = 2;

/// Improves on a selection without cycles: every class takes what is cheapest with all that it needs, each once.
pub(super) fn shared(problem: &Problem, selection: &Selection) -> Selection {
    let count = problem.classes.len();
    let mut selection = selection.clone();
    for _ in 0..SWEEPS {
        let none = || vec![None; count];
        let mut state = Shared {
            problem,
            stored: vec![None; count],
            inlined: vec![None; count],
            core: vec![None; count],
            selection: Selection { stored: none(), inlined: none(), core: none() },
        };
        order(problem, &selection).into_iter().for_each(|class| state.choose(class));
        selection = state.selection;
    }
    selection
}

/// All classes, operands first; where classes are operands of each other, as a selection has them.
fn order(problem: &Problem, selection: &Selection) -> Vec<ClassId> {
    let mut order = Vec::with_capacity(problem.classes.len());
    let mut seen = vec![false; problem.classes.len()];
    for root in problem.roots.iter().copied().chain(0..problem.classes.len()) {
        let mut stack = vec![(root, false)];
        while let Some((class, done)) = stack.pop() {
            if done {
                order.push(class);
            } else if !std::mem::replace(&mut seen[class], true) {
                stack.push((class, true));
                operands(problem, selection, class, |operand| stack.push((operand, false)));
            }
        }
    }
    order
}

/// What the forms of a class refer to, that of its choices last.
fn operands(problem: &Problem, selection: &Selection, id: ClassId, mut each: impl FnMut(ClassId)) {
    let class = &problem.classes[id];
    for chosen in [false, true] {
        let wanted = |now: Option<usize>, i: usize| (now == Some(i)) == chosen;
        for (_, form) in class.cores.iter().enumerate().filter(|(i, _)| wanted(selection.core[id], *i)) {
            form.reads.iter().for_each(|&c| each(c));
        }
        for (_, form) in class.inlined.iter().enumerate().filter(|(i, _)| wanted(selection.inlined[id], *i)) {
            form.operands.iter().for_each(|&c| each(c));
        }
        for (_, stored) in class.stored.iter().enumerate().filter(|(i, _)| wanted(selection.stored[id], *i)) {
            match &stored.form {
                Form::Leaf => {}
                Form::Proj(tuple) => each(*tuple),
                Form::Op { reads, .. } => reads.iter().for_each(|&c| each(c)),
                Form::Fused { core, body } => [*core, *body].into_iter().for_each(&mut each),
            }
        }
    }
}

/// What a use of a class takes.
#[derive(Clone)]
struct Need {
    /// Cost in the kernel that uses it, or of the kernel that stores it (ns).
    inside: f64,
    /// The same with the kernels of all classes (ns).
    total: f64,
    /// Bits of the classes that have to be stored, without the class itself.
    classes: Vec<u64>,
}

struct Shared<'a> {
    problem: &'a Problem,
    stored: Vec<Option<Need>>,
    inlined: Vec<Option<Need>>,
    core: Vec<Option<Need>>,
    selection: Selection,
}

/// The cheapest use so far, and its form.
type Best = (Option<Need>, Option<usize>);

impl Shared<'_> {
    /// Chooses for a class.
    fn choose(&mut self, id: ClassId) {
        let class = &self.problem.classes[id];
        let mut best: Best = (None, None);
        for (i, form) in class.stored.iter().enumerate() {
            let need = match &form.form {
                Form::Leaf => self.need(0.0, &[], &[]),
                Form::Proj(tuple) => self.need(0.0, &[*tuple], &[]),
                Form::Op { reads, kernel } => self.need(*kernel, reads, &[]),
                Form::Fused { core, body } => {
                    let within = [&self.core[*core], &self.inlined[*body]];
                    self.need(self.problem.launch + class.traffic, &[], &within)
                }
            };
            take(&mut best, need, Some(i));
        }
        (self.stored[id], self.selection.stored[id]) = best;
        let mut best: Best = (None, None);
        if class.acc || class.constant {
            take(&mut best, self.need(0.0, &[], &[]), None);
        } else {
            take(&mut best, self.need(class.traffic, &[id], &[]), None);
            for (i, form) in class.inlined.iter().enumerate() {
                let operands: Vec<&Option<Need>> = form.operands.iter().map(|&o| &self.inlined[o]).collect();
                take(&mut best, self.need(form.cost, &[], &operands), Some(i));
            }
        }
        (self.inlined[id], self.selection.inlined[id]) = best;
        let mut best: Best = (None, None);
        take(&mut best, self.need(class.traffic, &[id], &[]), None);
        for (i, form) in class.cores.iter().enumerate() {
            take(&mut best, self.need(form.cost, &form.reads, &[]), Some(i));
        }
        (self.core[id], self.selection.core[id]) = best;
    }

    /// What a use takes that costs `inside`, reads classes and has others within; `None` if one of them was not visited.
    fn need(&self, inside: f64, read: &[ClassId], within: &[&Option<Need>]) -> Option<Need> {
        let mut need = Need { inside, total: 0.0, classes: vec![0; self.problem.classes.len().div_ceil(64)] };
        let mut add = |more: &[u64]| need.classes.iter_mut().zip(more).for_each(|(a, b)| *a |= b);
        for &class in read {
            add(&self.stored[class].as_ref()?.classes);
        }
        for other in within {
            let other = other.as_ref()?;
            need.inside += other.inside;
            add(&other.classes);
        }
        read.iter().for_each(|&class| need.classes[class / 64] |= 1 << (class % 64));
        need.total = need.inside;
        for (word, &bits) in need.classes.iter().enumerate() {
            let mut left = bits;
            while left != 0 {
                let stored = &self.stored[64 * word + left.trailing_zeros() as usize];
                need.total += stored.as_ref().map_or(0.0, |stored| stored.inside);
                left &= left - 1;
            }
        }
        Some(need)
    }
}

/// Takes a form if it is cheaper.
fn take(best: &mut Best, need: Option<Need>, form: Option<usize>) {
    if let Some(need) = need
        && best.0.as_ref().is_none_or(|best| falls(need.total, best.total))
    {
        *best = (Some(need), form);
    }
}
