//! The furthest partial match in words.

use super::{Answer, Kind, words};
use crate::bindings::{Binding, Bindings};
use crate::furthest::Miss;
use crate::language::{Node, OpId};
use crate::saturate::Saturated;
use egg::Id;
use qcc_dsl::Rule;
use qcc_ops::{AttrValue, Op};

/// The answer for a pattern that matched in part.
pub(super) fn answer(saturated: &Saturated, rule: &Rule, bindings: &Bindings, miss: &Miss) -> Answer {
    let last = bindings.trail.last();
    let place = last.map_or(String::new(), |m| call(saturated, &m.node, m.class));
    let inputs = last.and_then(|m| op_of(saturated, &m.node)).map(|op| op.inputs).unwrap_or(&[]);
    let input =
        |position: usize| inputs.get(position).map_or("another input".to_string(), |p| format!("input `{}`", p.name));
    let (kind, summary) = match miss {
        Miss::Operator { class, wanted } => {
            let found = words::value(saturated, *class);
            let summary = format!("the rule wants {} where the model has {found}", operators(wanted));
            (Kind::Operator, summary)
        }
        Miss::Attribute { name, wanted, found } => {
            let found = found.as_ref().map_or("absent".to_string(), AttrValue::to_string);
            (Kind::Attribute, format!("`{name}` of {place} is {found}; the rule wants {wanted}"))
        }
        Miss::ExtraInput { position } => (
            Kind::Input,
            format!("{} of {place} is there; the rule does not list it, so it must be absent", input(*position)),
        ),
        Miss::AbsentInput { position } => {
            (Kind::Input, format!("{} of {place} is absent; the rule wants it", input(*position)))
        }
        Miss::Other { var, found } => {
            let name = &rule.vars[var.0 as usize].name;
            let (first, second) = (bindings.get(*var), found);
            let first = first.map_or(String::new(), |b| binding(saturated, b));
            let kind =
                if matches!(found, Binding::Attr(_) | Binding::Attrs(_)) { Kind::Attribute } else { Kind::OtherValue };
            (kind, format!("`{name}` would be {first} and {}, which are not the same", binding(saturated, second)))
        }
        Miss::Number { class, wanted } => (
            Kind::Number,
            format!("the rule wants the number {wanted} where the model has {}", words::value(saturated, *class)),
        ),
        Miss::Accumulator { class } => {
            let found = words::value(saturated, *class);
            (Kind::Operator, format!("the rule wants the accumulator of a kernel where the model has {found}"))
        }
    };
    let answer = Answer::new(kind, format!("its left side matched in part: {summary}"));
    let so_far: Vec<String> = bindings.trail.iter().map(|m| call(saturated, &m.node, m.class)).collect();
    let answer = answer.with(format!("matched so far: {}", so_far.join(", ")));
    match miss {
        Miss::Operator { class, .. } => {
            let forms = words::operators(saturated, *class);
            if forms.len() > 1 { answer.with(format!("forms of that value: {}", forms.join(", "))) } else { answer }
        }
        _ => answer,
    }
}

/// `a Conv`, `one of Add, Mul`.
pub(super) fn operators(wanted: &[Op]) -> String {
    match wanted {
        [one] => format!("{one}"),
        many => format!("operator of {}", words::names(many.iter().map(|op| op.name.to_string()))),
    }
}

fn op_of(saturated: &Saturated, node: &Node) -> Option<Op> {
    match node.op {
        OpId::Call(call) => Some(saturated.egraph.analysis.tables.get_call(call).op),
        _ => None,
    }
}

/// A call: its operator and the name of its value.
pub(super) fn call(saturated: &Saturated, node: &Node, class: Id) -> String {
    let (_, name) = crate::explain::name::of_class(saturated, class);
    let op = op_of(saturated, node).map_or("a value", |op| op.name);
    if name.is_empty() { op.to_string() } else { format!("{op} `{name}`") }
}

fn binding(saturated: &Saturated, binding: &Binding) -> String {
    match binding {
        Binding::Value(id) => words::value(saturated, *id),
        Binding::Absent => "absent".into(),
        Binding::Many(items) => format!("{} values", items.len()),
        Binding::Attr(value) => value.as_ref().map_or("absent".to_string(), AttrValue::to_string),
        Binding::Attrs(attrs) => {
            let items: Vec<String> = attrs.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            format!("{{{}}}", items.join(", "))
        }
        Binding::Op(op) => op.name.to_string(),
    }
}
