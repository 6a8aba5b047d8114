//! Selections to start from.

use super::problem::{ClassId, Form, Problem};
use super::select::Selection;
use crate::language::Node;
use crate::saturate::Saturated;
use egg::Language;

/// Smallest gain that counts (ns); below it, sums in another order would differ.
const GAIN: f64 = 1e-6;

/// Bottom-up: every class takes what is cheapest if nothing is shared. Costs only fall, and a choice is made when its
/// operands have one, so the selection has no cycle.
pub(super) fn bottom_up(problem: &Problem) -> Selection {
    costs(problem).selection
}

/// What every class costs in every use if nothing is shared, with the selection that costs it.
pub(super) fn costs(problem: &Problem) -> BottomUp<'_> {
    let count = problem.classes.len();
    let mut state = BottomUp {
        problem,
        stored: vec![f64::INFINITY; count],
        inlined: vec![f64::INFINITY; count],
        core: vec![f64::INFINITY; count],
        selection: Selection { stored: vec![None; count], inlined: vec![None; count], core: vec![None; count] },
    };
    let users = users(problem);
    let mut queued = vec![true; count];
    let mut queue: std::collections::VecDeque<ClassId> = (0..count).collect();
    while let Some(class) = queue.pop_front() {
        queued[class] = false;
        if state.improve(class) {
            for &user in &users[class] {
                if !std::mem::replace(&mut queued[user], true) {
                    queue.push_back(user);
                }
            }
        }
    }
    state.prefer_memory();
    state
}

/// Classes whose cost depends on a class, itself included.
pub(super) fn users(problem: &Problem) -> Vec<Vec<ClassId>> {
    let mut users: Vec<Vec<ClassId>> = (0..problem.classes.len()).map(|c| vec![c]).collect();
    for (id, class) in problem.classes.iter().enumerate() {
        let mut uses = |used: ClassId| {
            if users[used].last() != Some(&id) {
                users[used].push(id);
            }
        };
        for stored in &class.stored {
            match &stored.form {
                Form::Leaf => {}
                Form::Proj(tuple) => uses(*tuple),
                Form::Op { reads, .. } => reads.iter().for_each(|r| uses(*r)),
                Form::Fused { core, body } => {
                    uses(*core);
                    uses(*body);
                }
            }
        }
        class.inlined.iter().flat_map(|i| &i.operands).for_each(|o| uses(*o));
        class.cores.iter().flat_map(|c| &c.reads).for_each(|r| uses(*r));
    }
    users
}

/// Least costs without sharing (ns).
pub(super) struct BottomUp<'a> {
    problem: &'a Problem,
    pub(super) stored: Vec<f64>,
    pub(super) inlined: Vec<f64>,
    pub(super) core: Vec<f64>,
    pub(super) selection: Selection,
}

impl BottomUp<'_> {
    fn improve(&mut self, id: ClassId) -> bool {
        let class = &self.problem.classes[id];
        let mut better = false;
        for (i, stored) in class.stored.iter().enumerate() {
            let cost = match &stored.form {
                Form::Leaf => 0.0,
                Form::Proj(tuple) => self.stored[*tuple],
                Form::Op { reads, kernel } => kernel + reads.iter().map(|&r| self.stored[r]).sum::<f64>(),
                Form::Fused { core, body } => {
                    self.problem.launch + class.traffic + self.core[*core] + self.inlined[*body]
                }
            };
            if falls(cost, self.stored[id]) {
                self.stored[id] = cost;
                self.selection.stored[id] = Some(i);
                better = true;
            }
        }
        let read = class.traffic + self.stored[id];
        if class.acc || class.constant {
            if self.inlined[id] > 0.0 {
                self.inlined[id] = 0.0;
                better = true;
            }
        } else {
            if falls(read, self.inlined[id]) {
                self.inlined[id] = read;
                self.selection.inlined[id] = None;
                better = true;
            }
            for (i, form) in class.inlined.iter().enumerate() {
                let cost = form.cost + form.operands.iter().map(|&o| self.inlined[o]).sum::<f64>();
                if falls(cost, self.inlined[id]) {
                    self.inlined[id] = cost;
                    self.selection.inlined[id] = Some(i);
                    better = true;
                }
            }
        }
        if falls(read, self.core[id]) {
            self.core[id] = read;
            self.selection.core[id] = None;
            better = true;
        }
        for (i, form) in class.cores.iter().enumerate() {
            let cost = form.cost + form.reads.iter().map(|&r| self.stored[r]).sum::<f64>();
            if falls(cost, self.core[id]) {
                self.core[id] = cost;
                self.selection.core[id] = Some(i);
                better = true;
            }
        }
        better
    }
}

impl BottomUp<'_> {
    /// What costs the same read from memory is read: others may read it too, which costs without sharing do not show.
    fn prefer_memory(&mut self) {
        for (id, class) in self.problem.classes.iter().enumerate() {
            let read = class.traffic + self.stored[id];
            if read.is_finite() && !falls(self.inlined[id], read) {
                self.selection.inlined[id] = None;
            }
        }
    }
}

/// Whether a cost is really lower; costs of deep networks without sharing are large, so the distance is relative.
pub(super) fn falls(cost: f64, old: f64) -> bool {
    cost.is_finite() && (old.is_infinite() || cost < old - GAIN - old * 1e-12)
}

/// The input graph: its own nodes where a class has one, `otherwise` elsewhere.
pub(super) fn input_graph(problem: &Problem, saturated: &Saturated, otherwise: &Selection) -> Selection {
    let egraph = &saturated.egraph;
    let mut selection = otherwise.clone();
    let mut set = vec![false; problem.classes.len()];
    let mut set_inlined = vec![false; problem.classes.len()];
    for (id, node) in &saturated.origin.terms {
        let Some(&class) = problem.index.get(&egraph.find(*id)) else { continue };
        let node: Node = node.clone().map_children(|c| egraph.find(c));
        // The first term in topological order wins: what it reads was set before, so there is no cycle.
        if let Some(i) = problem.classes[class].stored.iter().position(|s| s.node == node)
            && !std::mem::replace(&mut set[class], true)
        {
            selection.stored[class] = Some(i);
        }
        if let Some(i) = problem.classes[class].inlined.iter().position(|s| s.node == node)
            && !std::mem::replace(&mut set_inlined[class], true)
        {
            selection.inlined[class] = Some(i);
        }
        if let Some(i) = problem.classes[class].cores.iter().position(|s| s.node == node) {
            selection.core[class] = Some(i);
        }
    }
    selection
}
