//! What is known of every class.

use crate::history::{History, Reason, Union};
use crate::language::{Node, OpId};
use crate::range::{self, Range};
use crate::tables::{Call, Tables};
use egg::{Analysis, DidMerge, Id, Justification};
use indexmap::IndexMap;
use qcc_ir::text::content_hash;
use qcc_ops::{Attrs, InferInput};
use qcc_tensor::{Tensor, TensorType};
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::cell::RefCell;

/// The e-graph of this crate.
pub(crate) type EGraph = egg::EGraph<Node, Facts>;

/// Float constants of at most so many elements are computed as soon as their node is added: guards ask for scales and
/// limits, and tables of 256 entries must be recognised as equal however they are composed. Larger ones are computed
/// once, if they are chosen.
const EAGER_ELEMENTS: usize = 256;

/// Integer values of at most so many elements are computed at once: shapes and axes. The same bound as in type inference,
/// so that whatever a graph's inference knew is known here.
const EAGER_INTEGERS: usize = 1024;

/// How often the interval of a class may shrink; bounds work on cycles whose interval converges.
const NARROWINGS: u8 = 16;

/// What a class stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// A tensor.
    Tensor(TensorType),
    /// The outputs of a call with several.
    Tuple(Vec<TensorType>),
    /// A bundle of attributes.
    Attrs(u32),
    /// An absent input.
    Absent,
}

/// Whether a value depends on the accumulator of an enclosing kernel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scope {
    /// It does not.
    Closed,
    /// It does, and the accumulator has this type.
    Open(TensorType),
}

/// Facts of a class.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    /// What it stands for.
    pub(crate) kind: Kind,
    /// Set if it is a constant: height of the smallest term of constants for it, so that terms of smaller height are
    /// always there to compute it from.
    pub(crate) constant: Option<u32>,
    /// The value, if it is known at compile time and small.
    pub(crate) value: Option<Tensor>,
    /// Dependence on an accumulator; any closed term makes the class closed.
    pub(crate) scope: Scope,
    /// Bounds of the elements.
    pub(crate) range: Range,
    narrowings: u8,
    /// Its terms are equal only within an error: then bounds must hold for each of them.
    pub(crate) approximate: bool,
    /// Smallest number of quantization steps in a term of the class, seen as the body of a kernel.
    pub(crate) steps: u8,
}

impl Data {
    /// Facts of a leaf that is no tensor.
    pub(crate) fn leaf(kind: Kind) -> Self {
        let range = Range { lo: f64::NEG_INFINITY, hi: f64::INFINITY };
        Self {
            kind,
            constant: None,
            value: None,
            scope: Scope::Closed,
            range,
            narrowings: 0,
            approximate: false,
            steps: 0,
        }
    }

    /// Facts of a run-time value of a type.
    pub(crate) fn of_type(ty: TensorType) -> Self {
        let range = Range::of_type(ty.dtype);
        Self { range, ..Self::leaf(Kind::Tensor(ty)) }
    }

    /// Facts of a constant.
    pub(crate) fn of_constant(tensor: &Tensor) -> Self {
        let value = eager(tensor.ty()).then(|| tensor.clone());
        let range = Range::of_tensor(tensor);
        Self { constant: Some(0), value, range, ..Self::leaf(Kind::Tensor(tensor.ty().clone())) }
    }

    /// Type, if it is a tensor.
    pub(crate) fn ty(&self) -> Option<&TensorType> {
        match &self.kind {
            Kind::Tensor(ty) => Some(ty),
            _ => None,
        }
    }
}

fn eager(ty: &TensorType) -> bool {
    ty.elements() <= if ty.dtype.is_float() { EAGER_ELEMENTS } else { EAGER_INTEGERS }
}

/// State beside the classes: tables, and what happened.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Payloads.
    pub(crate) tables: Tables,
    /// Facts of the node about to be added.
    pub(crate) planned: Option<Data>,
    /// Classes that were created, merged, or learned something, in order.
    pub(crate) log: Vec<Id>,
    /// The first contradiction.
    pub(crate) contradiction: Option<String>,
    /// A class for each small constant, by the hash of its value.
    pub(crate) by_value: FxHashMap<u64, Id>,
    /// Values computed so far, by class, in the order in which they were.
    pub(crate) values: RefCell<IndexMap<Id, Tensor, FxBuildHasher>>,
    /// What happened, if it is kept.
    pub(crate) history: Option<RefCell<History>>,
}

impl Analysis<Node> for Facts {
    type Data = Data;

    fn pre_union(egraph: &EGraph, a: Id, b: Id, justification: &Option<Justification>) {
        let Some(history) = &egraph.analysis.history else { return };
        if egraph.find(a) != egraph.find(b) {
            let mut history = history.borrow_mut();
            let reason = match justification {
                Some(Justification::Congruence) => Reason::Congruence,
                _ => history.now(),
            };
            history.unions.push(Union { a, b, reason });
        }
    }

    fn make(egraph: &mut EGraph, enode: &Node, id: Id) -> Data {
        if let Some(history) = &mut egraph.analysis.history {
            let history = history.get_mut();
            let now = history.now();
            history.made.resize(usize::from(id) + 1, now);
        }
        match egraph.analysis.planned.take() {
            Some(data) => data,
            None => Self::remake(egraph, enode, id),
        }
    }

    fn remake(egraph: &mut EGraph, enode: &Node, id: Id) -> Data {
        let old = egraph[id].data.clone();
        let tables = &egraph.analysis.tables;
        match enode.op {
            OpId::Call(call) => {
                let call = tables.get_call(call);
                let inputs: Vec<&Data> = enode.inputs().iter().map(|&c| &egraph[c].data).collect();
                let Some(&last) = enode.children.last() else { return old };
                let Kind::Attrs(attrs) = egraph[last].data.kind else { return old };
                let mut new = of_call(call, &inputs, tables.get_attrs(attrs), &old.kind, old.value.as_ref());
                if old.narrowings >= NARROWINGS {
                    new.range = old.range;
                }
                new
            }
            OpId::Proj(_) => {
                let tuple = &egraph[enode.children[0]].data;
                Data { range: old.range, ..projection(tuple, &old.kind) }
            }
            _ => old,
        }
    }

    fn merge(&mut self, a: &mut Data, b: Data) -> DidMerge {
        if a.kind != b.kind && self.contradiction.is_none() {
            self.contradiction = Some(format!("{:?} and {:?} were made one class", a.kind, b.kind));
        }
        if let (Some(x), Some(y)) = (&a.value, &b.value)
            && self.contradiction.is_none()
            && !agree(x, y)
        {
            self.contradiction = Some(format!("the constants {x:?} and {y:?} were made one class"));
        }
        let mut did = DidMerge(false, false);
        let mut step = |a_changed: bool, b_differs: bool| {
            did.0 |= a_changed;
            did.1 |= b_differs;
        };
        let constant = match (a.constant, b.constant) {
            (Some(x), Some(y)) => Some(x.min(y)),
            (x, y) => x.or(y),
        };
        step(constant != a.constant, constant != b.constant);
        a.constant = constant;
        step(a.value.is_none() && b.value.is_some(), b.value.is_none() && a.value.is_some());
        if a.value.is_none() {
            a.value = b.value;
        }
        let closed = a.scope == Scope::Closed || b.scope == Scope::Closed;
        step(closed && a.scope != Scope::Closed, closed && b.scope != Scope::Closed);
        if closed {
            a.scope = Scope::Closed;
        }
        step(b.approximate && !a.approximate, a.approximate && !b.approximate);
        a.approximate |= b.approximate;
        if a.approximate {
            let range = a.range.hull(b.range);
            step(range != a.range, false);
            a.range = range;
        } else {
            let range = a.range.intersect(b.range);
            if range != a.range && a.narrowings < NARROWINGS {
                a.range = range;
                a.narrowings += 1;
                step(true, false);
            }
        }
        step(false, a.range != b.range);
        step(b.steps < a.steps, a.steps < b.steps);
        a.steps = a.steps.min(b.steps);
        did
    }

    /// Constants of equal content are one class, however they are computed: otherwise a rule that combines constants could
    /// build ever longer terms for the same value.
    fn modify(egraph: &mut EGraph, id: Id) {
        egraph.analysis.log.push(id);
        let data = &egraph[id].data;
        if data.constant.is_some()
            && let Some(value) = &data.value
        {
            let hash = content_hash(value);
            match egraph.analysis.by_value.get(&hash) {
                None => {
                    egraph.analysis.by_value.insert(hash, id);
                }
                Some(&other) if egraph.find(other) != egraph.find(id) => {
                    let other = &egraph[other];
                    if other.data.value.as_ref() == Some(value) {
                        let other = other.id;
                        let before =
                            egraph.analysis.history.as_mut().map(|h| h.get_mut().reason.replace(Reason::SameValue));
                        egraph.union(id, other);
                        if let (Some(history), Some(before)) = (&mut egraph.analysis.history, before) {
                            history.get_mut().reason = before;
                        }
                    }
                }
                Some(_) => {}
            }
        }
    }
}

/// Whether two values of one class can both be right: integers may be a rounding apart, floats a rule's reassociation.
fn agree(x: &Tensor, y: &Tensor) -> bool {
    if x.ty() != y.ty() {
        return false;
    }
    let (xs, ys) = (x.to_f64_vec(), y.to_f64_vec());
    let largest = xs.iter().chain(&ys).filter(|v| v.is_finite()).fold(0.0f64, |m, v| m.max(v.abs()));
    let tolerance = match x.dtype() {
        d if d.is_float() => largest * 1e-3,
        qcc_tensor::DType::I64 | qcc_tensor::DType::U64 | qcc_tensor::DType::Bool => 0.0,
        _ => 1.0,
    };
    xs.iter().zip(&ys).all(|(a, b)| a == b || (a - b).abs() <= tolerance || (a.is_nan() && b.is_nan()))
}

/// Types and canonical attributes of a call, or why there are none.
pub(crate) fn infer(call: Call, inputs: &[&Data], attrs: &Attrs) -> Result<(Vec<TensorType>, Attrs), String> {
    let mut attrs = attrs.clone();
    let args: Vec<Option<InferInput<'_>>> =
        inputs.iter().map(|d| d.ty().map(|ty| InferInput { ty, value: d.value.as_ref() })).collect();
    let types = call.op.infer(&args, &mut attrs, call.outputs as usize).map_err(|e| format!("{}: {e}", call.op))?;
    if types.len() != call.outputs as usize {
        return Err(format!("{} has {} outputs, not {}", call.op, types.len(), call.outputs));
    }
    if call.op.name == "Fused" {
        if inputs[0].scope != Scope::Closed {
            return Err("the core would depend on the accumulator of another kernel".into());
        }
        if let (Scope::Open(acc), Some(core)) = (&inputs[1].scope, inputs[0].ty())
            && acc != core
        {
            return Err(format!("the body reads an accumulator of type {acc}, the core has type {core}"));
        }
    }
    if let Some(first) = inputs.iter().find_map(|d| open_type(d))
        && inputs.iter().filter_map(|d| open_type(d)).any(|other| other != first)
    {
        return Err("it would mix the accumulators of two kernels".into());
    }
    Ok((types, attrs))
}

fn open_type(data: &Data) -> Option<&TensorType> {
    match &data.scope {
        Scope::Open(ty) => Some(ty),
        Scope::Closed => None,
    }
}

/// Facts of a call whose kind is known. `known` is its value where that has been computed before.
pub(crate) fn of_call(call: Call, inputs: &[&Data], attrs: &Attrs, kind: &Kind, known: Option<&Tensor>) -> Data {
    let mut data = Data::leaf(kind.clone());
    data.scope = inputs.iter().find_map(|d| open_type(d)).map_or(Scope::Closed, |ty| Scope::Open(ty.clone()));
    match call.op.name {
        "Acc" => data.scope = data.ty().map_or(Scope::Closed, |ty| Scope::Open(ty.clone())),
        "Fused" => {
            data.scope = Scope::Closed;
            data.range = inputs[1].range;
            return data;
        }
        _ => {}
    }
    let heights = inputs.iter().filter(|d| d.kind != Kind::Absent).map(|d| d.constant);
    let height = heights.collect::<Option<Vec<u32>>>().map(|h| h.into_iter().max().map_or(0, |h| h + 1));
    if call.op.name != "Acc" && call.regions.is_none() {
        data.constant = height;
    }
    if let Some(ty) = data.ty().cloned() {
        data.value = known.cloned().or_else(|| value_of_call(call, inputs, attrs, &ty));
        let ranges: Vec<Option<Range>> = inputs.iter().map(|d| d.ty().map(|_| d.range)).collect();
        data.range = match &data.value {
            Some(value) => Range::of_tensor(value),
            None => range::of_call(call.op, &ranges, ty.dtype),
        };
    }
    if call.op.elementwise && data.constant.is_none() {
        let rounds = matches!(call.op.name, "QuantizeLinear" | "Requantize");
        data.steps = inputs.iter().fold(u8::from(rounds), |n, d| n.saturating_add(d.steps));
    }
    data
}

fn value_of_call(call: Call, inputs: &[&Data], attrs: &Attrs, ty: &TensorType) -> Option<Tensor> {
    if !eager(ty) || call.regions.is_some() {
        return None;
    }
    if call.op.name == "Shape" {
        let start = attrs.int("start").unwrap_or(0) as usize;
        let shape = &inputs[0].ty()?.shape;
        let dims: Vec<i64> = shape.get(start..start + ty.elements())?.iter().map(|&d| d as i64).collect();
        return Some(Tensor::new([dims.len()], dims));
    }
    let args: Option<Vec<Option<&Tensor>>> =
        inputs.iter().map(|d| if d.kind == Kind::Absent { Some(None) } else { d.value.as_ref().map(Some) }).collect();
    call.op.eval(&args?, attrs, 1).ok()?.into_iter().next()
}

/// Facts of an output of a tuple.
pub(crate) fn projection(tuple: &Data, kind: &Kind) -> Data {
    let mut data = match kind {
        Kind::Tensor(ty) => Data::of_type(ty.clone()),
        other => Data::leaf(other.clone()),
    };
    data.scope = tuple.scope.clone();
    data.constant = tuple.constant.map(|h| h + 1);
    data
}
