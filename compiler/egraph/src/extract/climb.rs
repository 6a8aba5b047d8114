//! Improves a selection under the true cost of the graph, in which a shared value is paid once and a copy twice.
//!
//! One choice is switched at a time. Reference counts tell what a switch sets free and what it newly needs, so the price of
//! a switch does not depend on the size of the graph. A switch that pays is confirmed on the whole graph, which also
//! finds cycles.

use super::problem::{ClassId, Problem};
use super::select::{Chosen, Kernel, Selection, evaluate, kernel};
use rustc_hash::FxHashSet;

/// Smallest gain that counts (ns).
const GAIN: f64 = 1e-6;

/// Rounds over the whole graph; nearly all gains are found in the first two.
const ROUNDS: usize = 8;

/// A choice that can be switched.
#[derive(Debug, Clone, Copy)]
enum Switch {
    Stored(ClassId, usize),
    Inlined(ClassId, Option<usize>),
    Core(ClassId, Option<usize>),
}

/// A choice that is not switched: a class in one of its uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fixed {
    Stored(ClassId),
    Inlined(ClassId),
    Core(ClassId),
}

impl Switch {
    fn fixed(self) -> Fixed {
        match self {
            Switch::Stored(c, _) => Fixed::Stored(c),
            Switch::Inlined(c, _) => Fixed::Inlined(c),
            Switch::Core(c, _) => Fixed::Core(c),
        }
    }
}

/// Switches choices as long as the cost of the graph falls. `selection` must describe a graph.
pub(super) fn climb(problem: &Problem, selection: &mut Selection, chosen: Chosen) -> Chosen {
    climb_beside(problem, selection, chosen, &FxHashSet::default())
}

/// The same without switching what is fixed.
pub(super) fn climb_beside(
    problem: &Problem,
    selection: &mut Selection,
    chosen: Chosen,
    fixed: &FxHashSet<Fixed>,
) -> Chosen {
    let mut state = State::new(problem, chosen);
    for _ in 0..ROUNDS {
        let before = state.chosen.cost;
        let order: Vec<ClassId> = state.chosen.kernels.iter().map(|(c, _)| *c).collect();
        for class in order {
            if state.references[class] == 0 {
                continue;
            }
            for switch in state.switches(selection, class).into_iter().filter(|s| !fixed.contains(&s.fixed())) {
                state.attempt(selection, switch);
            }
        }
        if state.chosen.cost > before - GAIN {
            break;
        }
    }
    state.chosen
}

struct State<'a> {
    problem: &'a Problem,
    chosen: Chosen,
    kernels: Vec<Option<Kernel>>,
    references: Vec<u32>,
    /// Stored classes whose kernels compute a class inside, or have it as their core.
    inside: Vec<Vec<ClassId>>,
}

/// A change that can be taken back.
enum Undo {
    Reference(ClassId, u32),
    Kernel(ClassId, Option<Kernel>),
}

impl<'a> State<'a> {
    fn new(problem: &'a Problem, chosen: Chosen) -> Self {
        let count = problem.classes.len();
        let mut state = Self {
            problem,
            chosen: Chosen { kernels: Vec::new(), cost: 0.0 },
            kernels: Vec::new(),
            references: Vec::new(),
            inside: vec![Vec::new(); count],
        };
        state.adopt(chosen);
        state
    }

    fn adopt(&mut self, chosen: Chosen) {
        let count = self.problem.classes.len();
        self.kernels = vec![None; count];
        self.references = vec![0; count];
        self.inside = vec![Vec::new(); count];
        for &root in &self.problem.roots {
            self.references[root] += 1;
        }
        for (class, kernel) in &chosen.kernels {
            kernel.reads.iter().for_each(|&r| self.references[r] += 1);
            kernel.inside.iter().for_each(|&i| self.inside[i].push(*class));
            self.kernels[*class] = Some(kernel.clone());
        }
        self.chosen = chosen;
    }

    /// Other choices for a stored class, the classes computed in its kernel, and its core.
    fn switches(&self, selection: &Selection, class: ClassId) -> Vec<Switch> {
        let mut out = Vec::new();
        let now = selection.stored[class];
        let all = 0..self.problem.classes[class].stored.len();
        out.extend(all.filter(|&i| Some(i) != now).map(|i| Switch::Stored(class, i)));
        let Some(kernel) = &self.kernels[class] else { return out };
        let reads = kernel.reads.iter().copied();
        for id in kernel.inside.iter().copied().chain(reads) {
            let c = &self.problem.classes[id];
            let now = selection.inlined[id];
            let options = (0..c.inlined.len()).map(Some).chain((!c.stored.is_empty()).then_some(None));
            out.extend(options.filter(|o| *o != now).map(|o| Switch::Inlined(id, o)));
        }
        if let Some(core) = self.core_of(selection, class) {
            let c = &self.problem.classes[core];
            let now = selection.core[core];
            let options = (0..c.cores.len()).map(Some).chain((!c.stored.is_empty()).then_some(None));
            out.extend(options.filter(|o| *o != now).map(|o| Switch::Core(core, o)));
        }
        out
    }

    fn core_of(&self, selection: &Selection, class: ClassId) -> Option<ClassId> {
        match &self.problem.classes[class].stored[selection.stored[class]?].form {
            super::problem::Form::Fused { core, .. } => Some(*core),
            _ => None,
        }
    }

    /// Kernels in memory whose content depends on a switch.
    fn affected(&self, selection: &Selection, switch: Switch) -> Vec<ClassId> {
        let alive = |c: &ClassId| self.references[*c] > 0 && self.kernels[*c].is_some();
        let mut out: Vec<ClassId> = match switch {
            Switch::Stored(c, _) => vec![c],
            Switch::Inlined(c, _) => {
                let readers = self
                    .chosen
                    .kernels
                    .iter()
                    .map(|(k, _)| *k)
                    .filter(|&k| self.kernels[k].as_ref().is_some_and(|kernel| kernel.reads.contains(&c)));
                self.inside[c].iter().copied().chain(readers).collect()
            }
            Switch::Core(c, _) => {
                let kernels = self.chosen.kernels.iter().map(|(k, _)| *k);
                kernels.filter(|&k| self.core_of(selection, k) == Some(c)).collect()
            }
        };
        out.retain(alive);
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Tries a switch and keeps it if the graph becomes cheaper.
    fn attempt(&mut self, selection: &mut Selection, switch: Switch) {
        let affected = self.affected(selection, switch);
        if affected.is_empty() {
            return;
        }
        let old = set(selection, switch);
        if self.delta(selection, &affected).is_some_and(|delta| delta < -GAIN)
            && let Some(chosen) = evaluate(self.problem, selection)
            && chosen.cost < self.chosen.cost - GAIN
        {
            self.adopt(chosen);
            return;
        }
        set(selection, old);
    }

    /// By how much the cost changes, if the selection stays acyclic.
    fn delta(&mut self, selection: &Selection, affected: &[ClassId]) -> Option<f64> {
        let mut undo = Vec::new();
        let result = self.replace(selection, affected, &mut undo);
        for step in undo.into_iter().rev() {
            match step {
                Undo::Reference(c, n) => self.references[c] = n,
                Undo::Kernel(c, k) => self.kernels[c] = k,
            }
        }
        result
    }

    fn replace(&mut self, selection: &Selection, affected: &[ClassId], undo: &mut Vec<Undo>) -> Option<f64> {
        let mut delta = 0.0;
        let mut released = Vec::new();
        let mut needed = Vec::new();
        for &class in affected {
            let new = kernel(self.problem, selection, class)?;
            let old = self.kernels[class].replace(new.clone());
            if let Some(old) = &old {
                delta -= old.cost;
                released.extend_from_slice(&old.reads);
            }
            delta += new.cost;
            needed.extend_from_slice(&new.reads);
            undo.push(Undo::Kernel(class, old));
        }
        while let Some(class) = needed.pop() {
            undo.push(Undo::Reference(class, self.references[class]));
            self.references[class] += 1;
            if self.references[class] == 1 {
                let new = kernel(self.problem, selection, class)?;
                delta += new.cost;
                needed.extend_from_slice(&new.reads);
                undo.push(Undo::Kernel(class, self.kernels[class].replace(new)));
            }
        }
        while let Some(class) = released.pop() {
            undo.push(Undo::Reference(class, self.references[class]));
            self.references[class] = self.references[class].saturating_sub(1);
            if self.references[class] == 0
                && let Some(kernel) = &self.kernels[class]
            {
                delta -= kernel.cost;
                released.extend_from_slice(&kernel.reads);
            }
        }
        Some(delta)
    }
}

/// Sets a choice and returns what takes it back.
fn set(selection: &mut Selection, switch: Switch) -> Switch {
    match switch {
        Switch::Stored(c, i) => Switch::Stored(c, selection.stored[c].replace(i).unwrap_or(i)),
        Switch::Inlined(c, i) => Switch::Inlined(c, std::mem::replace(&mut selection.inlined[c], i)),
        Switch::Core(c, i) => Switch::Core(c, std::mem::replace(&mut selection.core[c], i)),
    }
}
