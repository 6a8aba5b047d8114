//! Values of both sides of a rule, by reference evaluation.

use super::draw::mix;
use crate::analysis::Kind;
use crate::instance::Instance;
use crate::language::{Node, OpId};
use crate::values;
use egg::Id;
use qcc_dsl::{ArgPattern, AttrMatch, Pattern, Rule};
use qcc_ops::{AttrValue, Attrs, OpError};
use qcc_tensor::{DType, Tensor};
use rustc_hash::FxHashMap;

/// Rounding errors are provoked by moving every float that is read or computed by up to this many units in the last place.
const NUDGE: f64 = 8.0;

/// Evaluates terms of an e-graph and of a planned right side.
pub(crate) struct Evaluator<'a, 'b> {
    instance: &'b Instance<'a>,
    inputs: &'b [Tensor],
    outer: Option<&'b Tensor>,
    /// Seed of the nudges; `None` computes as the reference does.
    nudge: Option<u64>,
    known: FxHashMap<(Id, u32), Vec<Tensor>>,
    bodies: u32,
    /// Whether every float that was read or computed is finite.
    pub(crate) finite: bool,
}

impl<'a, 'b> Evaluator<'a, 'b> {
    /// For inputs by position and the accumulator of the kernel around the case.
    pub(crate) fn new(
        instance: &'b Instance<'a>,
        inputs: &'b [Tensor],
        outer: Option<&'b Tensor>,
        nudge: Option<u64>,
    ) -> Self {
        Self { instance, inputs, outer, nudge, known: FxHashMap::default(), bodies: 0, finite: true }
    }

    /// Value of a term.
    ///
    /// # Errors
    /// An operator that cannot be evaluated.
    pub(crate) fn value(&mut self, id: Id) -> Result<Tensor, OpError> {
        let outer = self.outer.cloned();
        self.first(id, outer.as_ref(), 0)
    }

    fn first(&mut self, id: Id, acc: Option<&Tensor>, body: u32) -> Result<Tensor, OpError> {
        let values = self.values(id, acc, body)?;
        values.into_iter().next().ok_or_else(|| OpError::invalid("a term without a value"))
    }

    /// All outputs of a term. A value depends on the body it stands in, whose accumulator is `acc`.
    fn values(&mut self, id: Id, acc: Option<&Tensor>, body: u32) -> Result<Vec<Tensor>, OpError> {
        if let Some(known) = self.known.get(&(id, body)) {
            return Ok(known.clone());
        }
        let node = self.node(id)?;
        let values = match node.op {
            OpId::Input(i) => {
                let value =
                    self.inputs.get(i as usize).cloned().ok_or_else(|| OpError::invalid("an input without value"))?;
                vec![self.read(value)]
            }
            OpId::Const(c) => {
                let value = self.instance.egraph.analysis.tables.get_constant(c).clone();
                vec![if is_exact_number(&value) { value } else { self.read(value) }]
            }
            OpId::Proj(i) => {
                let tuple = self.values(node.children[0], acc, body)?;
                vec![
                    tuple
                        .into_iter()
                        .nth(i as usize)
                        .ok_or_else(|| OpError::invalid("an output that does not exist"))?,
                ]
            }
            OpId::Call(_) => self.call(&node, acc, body)?,
            OpId::Absent | OpId::Attrs(_) | OpId::Folded(_) => return Err(OpError::invalid("a term without a value")),
        };
        if let Some(ty) = self.instance.data(id).ty()
            && values.first().is_some_and(|v| v.ty() != ty)
        {
            return Err(OpError::invalid(format!("a value of type {} where inference says {ty}", values[0].ty())));
        }
        self.known.insert((id, body), values.clone());
        Ok(values)
    }

    /// A leaf. It is moved like what is computed from it: the error of a sum is relative to its summands, not to the sum.
    fn read(&mut self, value: Tensor) -> Tensor {
        self.see(&value);
        match self.nudge {
            Some(seed) if value.dtype().is_float() => {
                self.nudge = Some(mix(seed));
                nudged(&value, self.decimals(), seed)
            }
            _ => value,
        }
    }

    /// Unit of the rule's own numbers: a decimal in a rule is the nearest number of single precision.
    fn decimals(&self) -> f64 {
        if self.nudge.is_some() && has_decimals(self.instance.rule) { f64::from(f32::EPSILON) } else { 0.0 }
    }

    fn see(&mut self, value: &Tensor) {
        if value.dtype().is_float() {
            self.finite &= value.to_f64_vec().iter().all(|v| v.is_finite());
        }
    }

    fn call(&mut self, node: &Node, acc: Option<&Tensor>, body: u32) -> Result<Vec<Tensor>, OpError> {
        let OpId::Call(index) = node.op else { return Err(OpError::invalid("no call")) };
        let call = self.instance.egraph.analysis.tables.get_call(index);
        let inputs = node.inputs().to_vec();
        if call.op.name == "Acc" {
            return Ok(vec![acc.cloned().ok_or_else(|| OpError::invalid("an accumulator outside of a kernel"))?]);
        }
        if call.op.name == "Fused" {
            let core = self.first(inputs[0], acc, body)?;
            self.bodies += 1;
            let inner = self.bodies;
            return Ok(vec![self.first(inputs[1], Some(&core), inner)?]);
        }
        let mut args: Vec<Option<Tensor>> = Vec::new();
        for child in inputs {
            let absent = self.instance.data(child).kind == Kind::Absent;
            args.push(if absent { None } else { Some(self.first(child, acc, body)?) });
        }
        let args: Vec<Option<&Tensor>> = args.iter().map(Option::as_ref).collect();
        let attrs = self.instance.attrs_of(node).map_err(OpError::invalid)?;
        let mut outputs = call.op.eval(&args, &attrs, call.outputs as usize)?;
        // An operator computes in the coarsest of its types.
        let coarsest = args
            .iter()
            .flatten()
            .map(|t| unit(t.dtype()).0)
            .fold(attribute_unit(&attrs).max(self.decimals()), f64::max);
        for output in &mut outputs {
            if output.dtype().is_float() {
                self.see(output);
                if let Some(seed) = self.nudge {
                    self.nudge = Some(mix(seed));
                    *output = nudged(output, coarsest, seed);
                }
            }
        }
        Ok(outputs)
    }

    /// The term of a class that is evaluated.
    pub(crate) fn node(&self, id: Id) -> Result<Node, OpError> {
        if let Some(node) = self.instance.planned(id) {
            return Ok(node.clone());
        }
        let egraph = &*self.instance.egraph;
        // Constants of equal value are one class, so a class may hold terms over itself; the lowest term is none of them.
        if egraph[id].data.constant.is_some() {
            return values::smallest(egraph, id).ok_or_else(|| OpError::invalid("a constant without a term"));
        }
        let own = egraph[id].iter().find(|n| matches!(n.op, OpId::Call(_) | OpId::Proj(_) | OpId::Input(_)));
        own.cloned().ok_or_else(|| OpError::invalid("an empty class"))
    }
}

/// Whether a constant is one number that no rounding brought about, such as a two as an exponent: a number near it means something
/// else.
fn is_exact_number(constant: &Tensor) -> bool {
    let values = constant.to_f64_vec();
    values.first().is_some_and(|first| (first * 1024.0).fract() == 0.0 && values.iter().all(|v| v == first))
}

/// Whether a rule writes a number that single precision rounds, such as a tenth.
fn has_decimals(rule: &Rule) -> bool {
    fn left(pattern: &Pattern) -> bool {
        match pattern {
            Pattern::Number(x) => (x * 1024.0).fract() != 0.0,
            Pattern::Bind(_, inner) => left(inner),
            Pattern::Op(call) => {
                let attribute = |m: &AttrMatch| matches!(m, AttrMatch::Value(AttrValue::Float(x)) if (f64::from(*x) * 1024.0).fract() != 0.0);
                call.attrs.named.iter().any(|(_, m)| attribute(m))
                    || call.args.iter().any(|a| matches!(a, ArgPattern::One(p) if left(p)))
            }
            _ => false,
        }
    }
    rule.roots.iter().any(left)
}

/// Attributes are numbers in single precision, whatever the type of the tensors: a tenth is none, a half is one.
fn attribute_unit(attrs: &Attrs) -> f64 {
    let inexact = |v: &AttrValue| matches!(v, AttrValue::Float(x) if (f64::from(*x) * 1024.0).fract() != 0.0);
    if attrs.iter().any(|(_, v)| inexact(v)) { f64::from(f32::EPSILON) } else { 0.0 }
}

/// Distance of 1 to the next number, and the smallest number above zero; zeros for integers, which are exact.
fn unit(dtype: DType) -> (f64, f64) {
    match dtype {
        DType::F64 => (f64::EPSILON, f64::from_bits(1)),
        DType::F32 => (f64::from(f32::EPSILON), f64::from(f32::from_bits(1))),
        DType::F16 => (9.8e-4, 6e-8),
        DType::BF16 => (7.9e-3, 1e-40),
        _ => (0.0, 0.0),
    }
}

/// Every element moved by a few units in the last place, at random; `coarsest` is the least unit.
fn nudged(tensor: &Tensor, coarsest: f64, seed: u64) -> Tensor {
    let (unit, least) = unit(tensor.dtype());
    let unit = unit.max(coarsest);
    let mut state = seed;
    let mut next = || {
        state = mix(state);
        ((state >> 11) as f64 / (1u64 << 52) as f64) - 1.0
    };
    let values = tensor.to_f64_vec().into_iter();
    let data: Vec<f64> = values.map(|v| v + next() * NUDGE * (v.abs() * unit).max(least)).collect();
    Tensor::from_f64(tensor.dtype(), tensor.shape().iter().copied(), &data)
}
