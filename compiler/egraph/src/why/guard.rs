//! What a guard that says no is about.

use super::{Kind, words};
use crate::bindings::{Binding, Bindings};
use crate::instance::Instance;
use crate::meta::{self, V};
use crate::saturate::Saturated;
use qcc_dsl::{Builtin, Meta, MetaOp, Rule, VarId};

/// Why a match does not become an application.
pub(super) struct Refusal {
    pub(super) kind: Kind,
    /// The guard's own words, or why the right side cannot be built.
    pub(super) reason: String,
    /// The values that were compared.
    pub(super) values: Vec<String>,
}

/// Evaluates the guards of a match and types its right side, as applying it would.
pub(super) fn refusal(saturated: &mut Saturated, rule: &Rule, bindings: &Bindings) -> Option<Refusal> {
    for guard in &rule.guards {
        let mut instance = Instance::new(&mut saturated.egraph, rule, bindings.clone());
        let Some((part, error, sides)) = failing(&mut instance, &guard.condition) else { continue };
        let mut values: Vec<String> = Vec::new();
        if let Some((a, b)) = sides {
            values.push(format!("it compares {} with {}", words::meta(saturated, &a), words::meta(saturated, &b)));
        }
        if asks_for_constants(part) {
            for var in variables(part) {
                let name = &rule.vars[var.0 as usize].name;
                if let Some(Binding::Value(id)) = bindings.get(var) {
                    let (what, constancy) = (words::value(saturated, *id), words::constancy(saturated, *id));
                    values.push(format!("`{name}` is {what}, {constancy}"));
                }
            }
        }
        values.extend(error.as_ref().map(|e| format!("it cannot be evaluated: {e}")));
        let kind = kind_of(part, error.is_some());
        return Some(Refusal { kind, reason: guard.reason.clone(), values });
    }
    let mut instance = Instance::new(&mut saturated.egraph, rule, bindings.clone());
    let error = (0..rule.results.len()).find_map(|i| instance.result(i).err());
    error.map(|reason| Refusal { kind: Kind::RightSide, reason, values: Vec::new() })
}

type Failing<'m> = (&'m Meta, Option<String>, Option<(V, V)>);

/// The first part of a conjunction that does not hold: why it cannot be evaluated, or the two values it compares.
fn failing<'m>(instance: &mut Instance<'_>, condition: &'m Meta) -> Option<Failing<'m>> {
    if let Meta::Binary(MetaOp::And, a, b) = condition {
        return failing(instance, a).or_else(|| failing(instance, b));
    }
    match meta::eval(instance, condition).and_then(|v| meta::truth(&v)) {
        Ok(true) => None,
        Err(e) => Some((condition, Some(e), None)),
        Ok(false) => {
            let sides = match condition {
                Meta::Binary(op, a, b) if !matches!(op, MetaOp::Or | MetaOp::And) => {
                    meta::eval(instance, a).ok().zip(meta::eval(instance, b).ok())
                }
                _ => None,
            };
            Some((condition, None, sides))
        }
    }
}

/// Whether a condition holds only for constants.
fn asks_for_constants(condition: &Meta) -> bool {
    calls(condition).iter().any(|b| {
        matches!(
            b,
            Builtin::Const | Builtin::Value | Builtin::MinOf | Builtin::MaxOf | Builtin::AllClose | Builtin::SumFits
        )
    })
}

fn kind_of(condition: &Meta, failed: bool) -> Kind {
    let asked = calls(condition);
    let has = |wanted: &[Builtin]| asked.iter().any(|b| wanted.contains(b));
    let denied = matches!(condition, Meta::Not(_));
    if !denied && (has(&[Builtin::Const]) || (failed && asks_for_constants(condition))) {
        return Kind::NotConstant;
    }
    if has(&[Builtin::Shape, Builtin::Rank, Builtin::AllRank, Builtin::Elements, Builtin::Broadcast]) {
        return Kind::Shape;
    }
    if has(&[Builtin::Dtype]) {
        return Kind::ElementType;
    }
    Kind::Guard
}

fn each<'m>(condition: &'m Meta, f: &mut dyn FnMut(&'m Meta)) {
    f(condition);
    match condition {
        Meta::List(items) | Meta::Call(_, items) => items.iter().for_each(|m| each(m, f)),
        Meta::Index(a, b) | Meta::Binary(_, a, b) => {
            each(a, f);
            each(b, f);
        }
        Meta::Not(a) | Meta::Neg(a) => each(a, f),
        _ => {}
    }
}

fn calls(condition: &Meta) -> Vec<Builtin> {
    let mut found = Vec::new();
    each(condition, &mut |m| found.extend(if let Meta::Call(builtin, _) = m { Some(*builtin) } else { None }));
    found
}

fn variables(condition: &Meta) -> Vec<VarId> {
    let mut found: Vec<VarId> = Vec::new();
    each(condition, &mut |m| match m {
        Meta::Var(var) if !found.contains(var) => found.push(*var),
        _ => {}
    });
    found
}
