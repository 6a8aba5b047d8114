//! The e-graph as an optimisation problem: dense numbers, only what can be chosen, costs that do not depend on choices.

use crate::analysis::{Kind, Scope};
use crate::language::{Node, OpId};
use crate::saturate::Saturated;
use crate::tables::Call;
use egg::Id;
use qcc_cost::{CostModel, Operand, Unit, Work, is_core};
use qcc_tensor::TensorType;
use rustc_hash::FxHashMap;

/// Number of a class.
pub(crate) type ClassId = usize;

/// What choosing a node means.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// A graph input or a constant: nothing to do.
    Leaf,
    /// An output of the tuple.
    Proj(ClassId),
    /// A kernel that is one operator.
    Op {
        /// Classes it reads.
        reads: Vec<ClassId>,
        /// Cost of the kernel (ns).
        kernel: f64,
    },
    /// A kernel with a body.
    Fused {
        /// Class of the core.
        core: ClassId,
        /// Class of the body.
        body: ClassId,
    },
}

/// A way to have a value in memory.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// The node.
    pub(crate) node: Node,
    /// What it means.
    pub(crate) form: Form,
}

/// A way to compute a value inside a body.
#[derive(Debug, Clone)]
pub(crate) struct Inlined {
    /// The node.
    pub(crate) node: Node,
    /// Classes of its operands.
    pub(crate) operands: Vec<ClassId>,
    /// Cost for all elements of the class (ns). A body computes it for all of the kernel's, which may be more.
    pub(crate) cost: f64,
}

/// A way to compute a class as the core of a kernel.
#[derive(Debug, Clone)]
pub(crate) struct CoreForm {
    /// The node.
    pub(crate) node: Node,
    /// Classes it reads.
    pub(crate) reads: Vec<ClassId>,
    /// Cost of the arithmetic and of reading (ns).
    pub(crate) cost: f64,
}

/// A class.
#[derive(Debug, Clone, Default)]
pub(crate) struct Class {
    /// Ways to have it in memory; none for open classes.
    pub(crate) stored: Vec<Stored>,
    /// Ways to compute it in a body. Empty for leaves: constants and accumulators need no computation.
    pub(crate) inlined: Vec<Inlined>,
    /// Ways to compute it as the core of a kernel.
    pub(crate) cores: Vec<CoreForm>,
    /// It is the accumulator, which costs nothing in a body.
    pub(crate) acc: bool,
    /// It is a constant of the chosen graph, which costs nothing anywhere.
    pub(crate) constant: bool,
    /// Cost of reading or writing it (ns).
    pub(crate) traffic: f64,
    /// Elements of the tensor.
    pub(crate) elements: usize,
}

/// The problem.
pub(crate) struct Problem {
    /// Classes in the order of their ids.
    pub(crate) classes: Vec<Class>,
    /// E-class of every class.
    pub(crate) ids: Vec<Id>,
    /// The other way round.
    pub(crate) index: FxHashMap<Id, ClassId>,
    /// Classes of the outputs.
    pub(crate) roots: Vec<ClassId>,
    /// Cost of starting a kernel (ns).
    pub(crate) launch: f64,
}

/// Collects what can be chosen in the part of the e-graph that the outputs reach.
pub(crate) fn build(saturated: &Saturated, model: &CostModel) -> Problem {
    build_priced(saturated, model, &mut |_| 0.0)
}

/// The same with a further price (ns) for the constants that a kernel's core reads, by their e-classes.
pub(crate) fn build_priced(saturated: &Saturated, model: &CostModel, price: &mut dyn FnMut(&[Id]) -> f64) -> Problem {
    let egraph = &saturated.egraph;
    let ids = reachable(saturated);
    let index: FxHashMap<Id, ClassId> = ids.iter().enumerate().map(|(i, &id)| (id, i)).collect();
    let mut classes: Vec<Class> = Vec::with_capacity(ids.len());
    for &id in &ids {
        let eclass = &egraph[id];
        let mut class = Class {
            traffic: eclass.data.ty().map_or(0.0, |ty| model.ns(&model.traffic(ty))),
            elements: eclass.data.ty().map_or(1, TensorType::elements),
            constant: eclass.iter().any(is_constant),
            ..Class::default()
        };
        let closed = eclass.data.scope == Scope::Closed;
        // A constant of the chosen graph has no better form.
        let nodes = eclass.iter().filter(|n| !class.constant || is_constant(n));
        let mut nodes: Vec<&Node> = nodes.collect();
        if class.constant {
            nodes.sort_unstable();
            nodes.truncate(1);
        }
        for node in nodes {
            let mut context = Context { saturated, model, index: &index, closed, price };
            context.node(id, node, &mut class);
        }
        // Of equally cheap forms the plain operator is better than the kernel with a body.
        class.stored.sort_by_key(|s| matches!(s.form, Form::Fused { .. }));
        classes.push(class);
    }
    let roots = saturated.origin.roots.iter().map(|&r| index[&egraph.find(r)]).collect();
    Problem { classes, ids, index, roots, launch: model.ns(&Work::of(Unit::Launch, 1.0)) }
}

fn is_constant(node: &Node) -> bool {
    matches!(node.op, OpId::Const(_) | OpId::Folded(_))
}

fn reachable(saturated: &Saturated) -> Vec<Id> {
    let egraph = &saturated.egraph;
    let mut seen = rustc_hash::FxHashSet::default();
    let mut stack: Vec<Id> = saturated.origin.roots.iter().map(|&r| egraph.find(r)).collect();
    while let Some(id) = stack.pop() {
        if seen.insert(id) && !egraph[id].iter().any(is_constant) {
            stack.extend(egraph[id].iter().flat_map(|n| n.children.iter().map(|&c| egraph.find(c))));
        }
    }
    let mut ids: Vec<Id> = seen.into_iter().collect();
    ids.sort_unstable();
    ids
}

struct Context<'a> {
    saturated: &'a Saturated,
    model: &'a CostModel,
    index: &'a FxHashMap<Id, ClassId>,
    closed: bool,
    price: &'a mut dyn FnMut(&[Id]) -> f64,
}

impl Context<'_> {
    fn class(&self, id: Id) -> ClassId {
        self.index[&self.saturated.egraph.find(id)]
    }

    fn node(&mut self, id: Id, node: &Node, class: &mut Class) {
        match node.op {
            OpId::Const(_) | OpId::Folded(_) | OpId::Input(_) => {
                class.stored.push(Stored { node: node.clone(), form: Form::Leaf });
            }
            OpId::Proj(_) => {
                let form = Form::Proj(self.class(node.children[0]));
                class.stored.push(Stored { node: node.clone(), form });
            }
            OpId::Call(call) => {
                let call = self.saturated.egraph.analysis.tables.get_call(call);
                self.call(id, call, node, class);
            }
            OpId::Absent | OpId::Attrs(_) => {}
        }
    }

    fn call(&mut self, id: Id, call: Call, node: &Node, class: &mut Class) {
        let saturated = self.saturated;
        let egraph = &saturated.egraph;
        let is_closed = |c: &Id| egraph[*c].data.scope == Scope::Closed;
        if call.op.name == "Acc" {
            class.acc = !self.closed;
            return;
        }
        if call.op.name == "Fused" {
            if is_closed(&node.children[0]) {
                let form = Form::Fused { core: self.class(node.children[0]), body: self.class(node.children[1]) };
                class.stored.push(Stored { node: node.clone(), form });
            }
            return;
        }
        let inputs = node.inputs();
        if self.closed && !inputs.iter().all(is_closed) {
            return;
        }
        let operands: Vec<Option<Operand<'_>>> = inputs
            .iter()
            .map(|&c| {
                let class = &egraph[c];
                let (constant, value, range) =
                    (class.iter().any(is_constant), class.data.value.as_ref(), class.data.range);
                class.data.ty().map(|ty| Operand { ty, constant, value, bounds: (range.lo, range.hi) })
            })
            .collect();
        let reads: Vec<ClassId> =
            inputs.iter().filter(|&&c| egraph[c].data.kind != Kind::Absent).map(|&c| self.class(c)).collect();
        let outputs: Vec<TensorType> = match &egraph[id].data.kind {
            Kind::Tensor(ty) => vec![ty.clone()],
            Kind::Tuple(types) => types.clone(),
            _ => return,
        };
        let Some(Kind::Attrs(attrs)) = node.children.last().map(|&c| &egraph[c].data.kind) else { return };
        let attrs = egraph.analysis.tables.get_attrs(*attrs);
        if call.op.elementwise
            && outputs.len() == 1
            && let Some(work) = self.model.body_op(call.op, &operands, &outputs[0])
        {
            class.inlined.push(Inlined { node: node.clone(), operands: reads.clone(), cost: self.model.ns(&work) });
        }
        if !self.closed {
            return;
        }
        let constants: Vec<Id> =
            inputs.iter().map(|&c| egraph.find(c)).filter(|&c| egraph[c].iter().any(is_constant)).collect();
        let price = if constants.is_empty() { 0.0 } else { (self.price)(&constants) };
        if is_core(call.op)
            && outputs.len() == 1
            && let Some(work) = self.model.core(call.op, attrs, &operands, &outputs[0])
        {
            class.cores.push(CoreForm { node: node.clone(), reads: reads.clone(), cost: self.model.ns(&work) + price });
        }
        let kernel = self.model.ns(&self.model.kernel(call.op, attrs, &operands, &outputs)) + price;
        class.stored.push(Stored { node: node.clone(), form: Form::Op { reads, kernel } });
    }
}
