//! A choice for every class, and what the graph it describes costs.

use super::problem::{ClassId, Form, Problem};
use qcc_cost::repeats;
use rustc_hash::FxHashSet;

/// A choice for every class. Choices of classes that the graph does not need have no effect.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Selection {
    /// Which way to have it in memory; `None` where there is none.
    pub(crate) stored: Vec<Option<usize>>,
    /// How a body gets it: computed in this way, or, with `None`, read from memory.
    pub(crate) inlined: Vec<Option<usize>>,
    /// How a kernel gets it as its core: computed in this way, or, with `None`, read from memory.
    pub(crate) core: Vec<Option<usize>>,
}

/// A kernel of a selection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kernel {
    /// Its own cost (ns).
    pub(crate) cost: f64,
    /// Classes it needs in memory, each once, in the order in which it first reads them.
    pub(crate) reads: Vec<ClassId>,
    /// Classes that are computed inside, operands first.
    pub(crate) inside: Vec<ClassId>,
}

/// The kernel that stores a class; `None` if the choices do not describe one.
pub(crate) fn kernel(problem: &Problem, selection: &Selection, class: ClassId) -> Option<Kernel> {
    let stored = &problem.classes[class].stored[selection.stored[class]?];
    match &stored.form {
        Form::Leaf => Some(Kernel::default()),
        Form::Proj(tuple) => Some(Kernel { cost: 0.0, reads: vec![*tuple], inside: Vec::new() }),
        Form::Op { reads, kernel } => {
            let mut unique: Vec<ClassId> = Vec::with_capacity(reads.len());
            reads.iter().for_each(|r| push_once(&mut unique, *r));
            Some(Kernel { cost: *kernel, reads: unique, inside: Vec::new() })
        }
        Form::Fused { core, body } => {
            let mut kernel = Kernel { cost: problem.launch + problem.classes[class].traffic, ..Kernel::default() };
            match selection.core[*core] {
                Some(choice) => {
                    let form = &problem.classes[*core].cores[choice];
                    kernel.cost += form.cost;
                    form.reads.iter().for_each(|r| push_once(&mut kernel.reads, *r));
                }
                None => {
                    kernel.cost += problem.classes[*core].traffic;
                    push_once(&mut kernel.reads, *core);
                }
            }
            let (open, done) = (FxHashSet::default(), FxHashSet::default());
            let mut walk = Walk { problem, selection, elements: problem.classes[class].elements, kernel, open, done };
            walk.visit(*body)?;
            Some(walk.kernel)
        }
    }
}

fn push_once(list: &mut Vec<ClassId>, class: ClassId) {
    if !list.contains(&class) {
        list.push(class);
    }
}

struct Walk<'a> {
    problem: &'a Problem,
    selection: &'a Selection,
    /// Elements of what the kernel stores.
    elements: usize,
    kernel: Kernel,
    open: FxHashSet<ClassId>,
    done: FxHashSet<ClassId>,
}

impl Walk<'_> {
    fn visit(&mut self, id: ClassId) -> Option<()> {
        let class = &self.problem.classes[id];
        if class.acc || class.constant || self.done.contains(&id) {
            return Some(());
        }
        match self.selection.inlined[id] {
            Some(choice) => {
                if !self.open.insert(id) {
                    return None;
                }
                let form = &class.inlined[choice];
                for &operand in &form.operands {
                    self.visit(operand)?;
                }
                self.kernel.cost += form.cost * repeats(self.elements, class.elements);
                self.kernel.inside.push(id);
            }
            None => {
                self.selection.stored[id]?;
                self.kernel.cost += class.traffic;
                push_once(&mut self.kernel.reads, id);
            }
        }
        self.done.insert(id);
        Some(())
    }
}

/// The graph a selection describes: its stored classes, each after what it reads, and its cost.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    /// Stored classes with their kernels.
    pub(crate) kernels: Vec<(ClassId, Kernel)>,
    /// Cost (ns).
    pub(crate) cost: f64,
}

/// Follows a selection from the outputs; `None` if it is cyclic or incomplete.
pub(crate) fn evaluate(problem: &Problem, selection: &Selection) -> Option<Chosen> {
    let mut follow = Follow {
        problem,
        selection,
        state: vec![0; problem.classes.len()],
        chosen: Chosen { kernels: Vec::new(), cost: 0.0 },
    };
    for &root in &problem.roots {
        follow.visit(root)?;
    }
    follow.chosen.cost = follow.chosen.kernels.iter().map(|(_, k)| k.cost).sum();
    follow.chosen.cost.is_finite().then_some(follow.chosen)
}

struct Follow<'a> {
    problem: &'a Problem,
    selection: &'a Selection,
    /// 0 unseen, 1 begun, 2 done.
    state: Vec<u8>,
    chosen: Chosen,
}

impl Follow<'_> {
    /// An explicit stack: networks are deeper than a thread's stack.
    fn visit(&mut self, root: ClassId) -> Option<()> {
        if self.state[root] == 2 {
            return Some(());
        }
        let begin = |this: &mut Self, id: ClassId| -> Option<(ClassId, Kernel, usize)> {
            this.state[id] = 1;
            Some((id, kernel(this.problem, this.selection, id)?, 0))
        };
        let mut stack = vec![begin(self, root)?];
        while let Some((id, kernel, next)) = stack.last_mut() {
            match kernel.reads.get(*next).copied() {
                Some(read) => {
                    *next += 1;
                    match self.state[read] {
                        0 => stack.push(begin(self, read)?),
                        1 => return None,
                        _ => {}
                    }
                }
                None => {
                    self.state[*id] = 2;
                    let (id, kernel, _) = stack.pop()?;
                    self.chosen.kernels.push((id, kernel));
                }
            }
        }
        Some(())
    }
}
