//! From the model's values to the chosen kernels: what the choice rests on.

use super::derivation::Derivation;
use crate::analysis::Kind;
use crate::extract::choice::{Choice, ClassId, Form};
use crate::language::Node;
use crate::saturate::Saturated;
use egg::{Id, Language};
use rustc_hash::FxHashSet;

/// How far a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// One kernel; what it reads from memory is taken as it is.
    Kernel,
    /// Everything the value needs.
    Graph,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Use {
    Stored,
    Inlined,
    Core,
}

/// Adds to a derivation what makes the chosen form of the value of an id equal to it. Returns the ids of the chosen nodes, those
/// of cores first.
pub(crate) fn walk(
    saturated: &Saturated,
    choice: &Choice,
    derivation: &mut Derivation<'_>,
    id: Id,
    reach: Reach,
) -> Vec<Id> {
    let (seen, open) = (FxHashSet::default(), vec![(id, Use::Stored, true)]);
    let mut walk = Walk { saturated, choice, derivation, seen, open, nodes: Vec::new() };
    walk.derivation.created(id);
    while let Some((id, of, first)) = walk.open.pop() {
        if of == Use::Stored && !first && reach == Reach::Kernel {
            continue;
        }
        let Some(&class) = choice.problem.index.get(&saturated.egraph.find(id)) else { continue };
        if walk.seen.insert((id, of)) {
            walk.visit(id, class, of);
        }
    }
    walk.nodes
}

struct Walk<'a, 'd, 'h> {
    saturated: &'a Saturated,
    choice: &'a Choice,
    derivation: &'d mut Derivation<'h>,
    seen: FxHashSet<(Id, Use)>,
    open: Vec<(Id, Use, bool)>,
    nodes: Vec<Id>,
}

impl Walk<'_, '_, '_> {
    fn visit(&mut self, id: Id, class: ClassId, of: Use) {
        let (problem, selection) = (&self.choice.problem, &self.choice.selection);
        let c = &problem.classes[class];
        match of {
            Use::Stored => {
                let Some(stored) = selection.stored[class].map(|i| &c.stored[i]) else { return };
                let children = self.node(id, &stored.node);
                match &stored.form {
                    Form::Leaf => {}
                    Form::Proj(_) => {
                        // The tuple belongs to the kernel of its output.
                        self.open.extend(children.into_iter().map(|c| (c, Use::Stored, true)));
                    }
                    Form::Op { .. } => self.all(&children, Use::Stored),
                    Form::Fused { .. } => {
                        if let [core, body, ..] = children[..] {
                            self.open.push((body, Use::Inlined, false));
                            self.open.push((core, Use::Core, false));
                        }
                    }
                }
            }
            Use::Inlined => match selection.inlined[class] {
                _ if c.acc => {}
                _ if c.constant => self.open.push((id, Use::Stored, true)),
                Some(i) => {
                    let children = self.node(id, &c.inlined[i].node);
                    self.all(&children, Use::Inlined);
                }
                None => self.open.push((id, Use::Stored, false)),
            },
            Use::Core => match selection.core[class] {
                Some(i) => {
                    let children = self.node(id, &c.cores[i].node);
                    self.all(&children, Use::Stored);
                }
                None => self.open.push((id, Use::Stored, false)),
            },
        }
    }

    /// Derives that the value of an id is a node; the ids of the node's operands.
    fn node(&mut self, id: Id, node: &Node) -> Vec<Id> {
        let Some(own) = self.derivation.id_of(node, id, usize::MAX) else { return Vec::new() };
        self.derivation.equal(id, own);
        self.derivation.created(own);
        self.nodes.push(own);
        self.saturated.egraph.id_to_node(own).children().to_vec()
    }

    fn all(&mut self, children: &[Id], of: Use) {
        let egraph = &self.saturated.egraph;
        let tensors = children.iter().filter(|&&c| matches!(egraph[egraph.find(c)].data.kind, Kind::Tensor(_)));
        self.open.extend(tensors.map(|&c| (c, of, false)));
    }
}
