//! An application is checked by computing both of its sides.

use super::term::{Form, Sides, sides};
use crate::analysis::EGraph;
use crate::history::Application;
use crate::random::Random;
use crate::range::Range;
use crate::rule_test;
use qcc_dsl::{Contract, Rule};
use qcc_ir::{Graph, Node, TypedGraph};
use qcc_ops::OpError;
use qcc_tensor::{DType, Tensor, TensorType};
use rustc_hash::FxHashMap;

/// Multiply-accumulates beyond which a step is not evaluated: the reference evaluation computes some 100 million a second.
const MOST_MACS: u64 = 30_000_000;

/// What is known of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Both sides were evaluated on random values and agree bit for bit.
    Equal,
    /// Both sides were evaluated on random values and agree within the rule's contract.
    Close,
    /// Both sides have the same types; they were not evaluated because of what the text says.
    Types(String),
    /// They do not agree.
    Failed(String),
}

/// Evaluates both sides of an application with the reference evaluation on random values of the variables, within the bounds
/// that are known of them; constants keep their values.
pub(super) fn check(egraph: &EGraph, rule: &Rule, application: &Application) -> Check {
    let sides = match sides(egraph, rule, application, Form::Values) {
        Ok(sides) => sides,
        Err(e) => return Check::Types(e),
    };
    let infer = |graph: &Graph| qcc_ir::infer(graph).map_err(|e| e[0].message.clone());
    let (left, right) = match (infer(&sides.left), infer(&sides.right)) {
        (Ok(left), Ok(right)) => (left, right),
        (Err(e), _) | (_, Err(e)) => return Check::Failed(format!("a side has no type: {e}")),
    };
    if left.output_types() != right.output_types() {
        return Check::Failed("the sides have different types".into());
    }
    if macs(&left) + macs(&right) > MOST_MACS {
        return Check::Types("it is large".into());
    }
    match evaluate(egraph, &sides, &left, &right) {
        Ok((expected, found)) => compare(rule, &expected, &found),
        Err(OpError::Unsupported(e)) => Check::Types(e),
        Err(e) => Check::Failed(e.to_string()),
    }
}

fn macs(graph: &TypedGraph) -> u64 {
    let g = graph.graph();
    let of = |id| match g.node(id) {
        Node::Op(n) => {
            let inputs: Vec<Option<&TensorType>> = n.inputs.iter().map(|v| v.map(|v| graph.ty(v))).collect();
            let outputs: Vec<TensorType> = (0..n.outputs as u32).map(|i| graph.ty(id.output(i)).clone()).collect();
            (n.op.macs)(&inputs, &outputs, &n.attrs) + outputs.iter().map(|t| t.elements() as u64).sum::<u64>()
        }
        _ => 0,
    };
    g.node_ids().map(of).sum()
}

fn evaluate(
    egraph: &EGraph,
    sides: &Sides,
    left: &TypedGraph,
    right: &TypedGraph,
) -> Result<(Vec<Tensor>, Vec<Tensor>), OpError> {
    let mut random = Random::new(1);
    let mut values: FxHashMap<&str, Tensor> = FxHashMap::default();
    for (name, id) in &sides.inputs {
        let data = &egraph[egraph.find(*id)].data;
        if let Some(ty) = data.ty() {
            values.insert(name, within(&mut random, ty, data.range));
        }
    }
    let of = |graph: &TypedGraph| -> Result<Vec<Tensor>, OpError> {
        let inputs = graph.graph().inputs().iter().map(|&id| graph.graph().input(id).name.as_str());
        let missing = || OpError::invalid("this is a bug in qcc: a graph input without a class");
        inputs.map(|name| values.get(name).cloned().ok_or_else(missing)).collect()
    };
    Ok((qcc_ir::evaluate(left, &of(left)?)?, qcc_ir::evaluate(right, &of(right)?)?))
}

/// Random values within bounds.
fn within(random: &mut Random, ty: &TensorType, range: Range) -> Tensor {
    let any = random.any(ty);
    let natural = match ty.dtype.int_range() {
        _ if ty.dtype == DType::Bool => return any,
        Some((lo, hi)) if ty.dtype.size() <= 2 => Range { lo: lo as f64, hi: hi as f64 },
        Some(_) => Range { lo: -1000.0, hi: 1000.0 },
        None => Range { lo: -1.0, hi: 1.0 },
    };
    if natural.lo >= range.lo && natural.hi <= range.hi {
        return any;
    }
    let lo = if range.lo.is_finite() { range.lo } else { natural.lo.min(range.hi - 2.0) };
    let hi = if range.hi.is_finite() { range.hi } else { natural.hi.max(lo + 2.0) };
    let (lo, hi) = match ty.dtype.is_float() {
        true => (lo, hi),
        false => (lo.max(-1e6), hi.min(1e6)),
    };
    let squeeze = |v: &f64| {
        let x = lo + (v - natural.lo) / (natural.hi - natural.lo) * (hi - lo);
        if ty.dtype.is_float() { x } else { x.round() }
    };
    let data: Vec<f64> = any.to_f64_vec().iter().map(squeeze).collect();
    Tensor::from_f64(ty.dtype, ty.shape.iter().copied(), &data)
}

fn compare(rule: &Rule, expected: &[Tensor], found: &[Tensor]) -> Check {
    let mut check = Check::Equal;
    for (e, f) in expected.iter().zip(found) {
        let Err(what) = rule_test::bits(e, f) else { continue };
        let close = match rule.contract {
            Contract::Exact => Err(what),
            Contract::Real { .. } => rule_test::close(e, f, 0),
            Contract::Lsb(n) => rule_test::close(e, f, n),
            Contract::Lossy(_) => Ok(()),
        };
        match close {
            Ok(()) => check = Check::Close,
            Err(what) => return Check::Failed(what),
        }
    }
    check
}
