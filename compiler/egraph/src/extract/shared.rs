//! A selection to start from that knows what is shared.
//!
//! Costs of trees count a value as often as it is read: over a chain of residual additions that doubles at every one, until
//! what a layer costs is lost in the sum. Here every class knows which stored classes it needs, and each costs once. Classes are
//! visited once, operands first, and choose among forms whose operands were visited, so there is no cycle.

use super::problem::{ClassId, Form, Problem};
use super::seed::falls;
use super::select::Selection;
use std::rc::Rc;

/// Visits of all classes: the choices of one give the order of the next.
const SWEEPS: usize = 2;

/// Improves on a selection without cycles: every class takes what is cheapest with all that it needs, each once.
pub(super) fn start(problem: &Problem, selection: &Selection) -> Selection {
    let count = problem.classes.len();
    let kernels: Vec<ClassId> = (0..count).filter(|&id| is_kernel(problem, id)).collect();
    let mut slots = vec![None; count];
    kernels.iter().enumerate().for_each(|(slot, &id)| slots[id] = Some(slot));
    let mut selection = selection.clone();
    for _ in 0..SWEEPS {
        let none = || vec![None; count];
        let mut state = Shared {
            problem,
            kernels: &kernels,
            slots: &slots,
            empty: Rc::from(vec![0; kernels.len().div_ceil(64)]),
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

/// Whether a kernel can store a class; what only leaves store costs nothing.
fn is_kernel(problem: &Problem, id: ClassId) -> bool {
    problem.classes[id].stored.iter().any(|stored| !matches!(stored.form, Form::Leaf))
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
    /// Bits of the classes that have to be stored, by slot, without the class itself. Most uses need what one operand needs.
    classes: Rc<[u64]>,
}

struct Shared<'a> {
    problem: &'a Problem,
    /// Classes that kernels store, by slot.
    kernels: &'a [ClassId],
    /// Slots of classes.
    slots: &'a [Option<usize>],
    empty: Rc<[u64]>,
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
        let mut inside = inside;
        let mut classes = Rc::clone(&self.empty);
        for &class in read {
            join(&mut classes, &self.stored[class].as_ref()?.classes);
        }
        for other in within {
            let other = other.as_ref()?;
            inside += other.inside;
            join(&mut classes, &other.classes);
        }
        for slot in read.iter().filter_map(|&class| self.slots[class]) {
            if classes[slot / 64] >> (slot % 64) & 1 == 0 {
                Rc::make_mut(&mut classes)[slot / 64] |= 1 << (slot % 64);
            }
        }
        let mut total = inside;
        for (word, &bits) in classes.iter().enumerate() {
            let mut left = bits;
            while left != 0 {
                let class = self.kernels[64 * word + left.trailing_zeros() as usize];
                total += self.stored[class].as_ref().map_or(0.0, |stored| stored.inside);
                left &= left - 1;
            }
        }
        Some(Need { inside, total, classes })
    }
}

/// Adds classes to others; a set that holds the other one is taken as it is.
fn join(all: &mut Rc<[u64]>, more: &Rc<[u64]>) {
    if Rc::ptr_eq(all, more) || all.iter().zip(more.iter()).all(|(a, b)| a | b == *a) {
        return;
    }
    if all.iter().zip(more.iter()).all(|(a, b)| a | b == *b) {
        *all = Rc::clone(more);
        return;
    }
    Rc::make_mut(all).iter_mut().zip(more.iter()).for_each(|(a, b)| *a |= b);
}

/// Takes a form if it is cheaper.
fn take(best: &mut Best, need: Option<Need>, form: Option<usize>) {
    if let Some(need) = need
        && best.0.as_ref().is_none_or(|best| falls(need.total, best.total))
    {
        *best = (Some(need), form);
    }
}
