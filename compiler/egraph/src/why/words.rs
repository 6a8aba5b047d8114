//! Values and counts in words.

use crate::analysis::Kind;
use crate::explain::name;
use crate::language::{Node, OpId};
use crate::meta::V;
use crate::saturate::Saturated;
use egg::Id;

/// Names listed before the rest is counted.
const LISTED: usize = 6;

/// `once`, `3 times`.
pub(super) fn times(n: usize) -> String {
    if n == 1 { "once".into() } else { format!("{n} times") }
}

/// Names, each once, in order; many are counted.
pub(super) fn names(all: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = Vec::new();
    for name in all {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = names.len().saturating_sub(LISTED);
    names.truncate(LISTED);
    let list = names.join(", ");
    if more > 0 { format!("{list} and {more} more") } else { list }
}

/// A value: the operator that computes it in the model and the name of its node.
pub(super) fn value(saturated: &Saturated, id: Id) -> String {
    let egraph = &saturated.egraph;
    let class = &egraph[egraph.find(id)];
    let (_, name) = name::of_class(saturated, id);
    let first = class.iter().find(|n| matches!(n.op, OpId::Input(_) | OpId::Const(_)));
    match first.map(|n| n.op) {
        Some(OpId::Input(_)) => return format!("graph input `{name}`"),
        Some(OpId::Const(_)) => {
            return match &class.data.value {
                Some(value) if value.elements() == 1 => format!("the constant {}", value.to_f64_vec()[0]),
                _ => format!("a constant {}", class.data.ty().map_or(String::new(), ToString::to_string)),
            };
        }
        _ => {}
    }
    let ops = operators(saturated, id);
    let op = ops.first().copied().unwrap_or("a value");
    if name.is_empty() { format!("{op} without a name") } else { format!("{op} `{name}`") }
}

/// The operators of all forms of a value; those of the model first.
pub(super) fn operators(saturated: &Saturated, id: Id) -> Vec<&'static str> {
    let egraph = &saturated.egraph;
    let class = egraph.find(id);
    let mut ops: Vec<&'static str> = Vec::new();
    let mut add = |node: &Node| {
        let node = match node.op {
            OpId::Proj(_) => egraph[egraph.find(node.children[0])].nodes.first(),
            _ => Some(node),
        };
        if let Some(OpId::Call(call)) = node.map(|n| n.op) {
            let name = egraph.analysis.tables.get_call(call).op.name;
            if !ops.contains(&name) {
                ops.push(name);
            }
        }
    };
    saturated.origin.terms.iter().filter(|(id, _)| egraph.find(*id) == class).for_each(|(_, node)| add(node));
    egraph[class].iter().for_each(add);
    ops
}

/// What kind of value it is: constant, or known at run time only.
pub(super) fn constancy(saturated: &Saturated, id: Id) -> &'static str {
    let data = &saturated.egraph[saturated.egraph.find(id)].data;
    match (&data.kind, data.constant) {
        (Kind::Tensor(_), Some(_)) => "a constant",
        _ => "known at run time only",
    }
}

/// A compile-time value as the language writes it.
pub(super) fn meta(saturated: &Saturated, value: &V) -> String {
    match value {
        V::Int(x) => x.to_string(),
        V::Float(x) => format!("{x:?}"),
        V::Bool(x) => x.to_string(),
        V::Str(x) => format!("{x:?}"),
        V::DType(x) => x.to_string(),
        V::List(items) => {
            let mut texts: Vec<String> = items.iter().take(2 * LISTED).map(|v| meta(saturated, v)).collect();
            if items.len() > texts.len() {
                texts.push("…".into());
            }
            format!("[{}]", texts.join(", "))
        }
        V::Tensor(id) if usize::from(*id) < (1 << 31) => self::value(saturated, *id),
        V::Tensor(_) => "a computed constant".into(),
        V::Absent | V::NoAttribute => "absent".into(),
        V::Many(items) => format!("{} values", items.len()),
    }
}
