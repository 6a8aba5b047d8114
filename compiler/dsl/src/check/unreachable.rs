//! Guards that never say no, and guards that never say yes.
//!
//! A condition is decided where it follows from how the rule is written: from literals, from inputs that cannot be absent, or
//! from a condition that was asked before. What depends on a graph is left to the generated cases.

use crate::{Builtin, Guard, Meta, MetaOp, Rule, VarKind};
use qcc_diag::Diagnostic;

/// Reports conditions that always hold (a warning) and rules that can never apply (an error).
pub(super) fn check(rule: &Rule, diagnostics: &mut Vec<Diagnostic>) {
    let mut earlier: Vec<(&Meta, &Guard)> = Vec::new();
    for guard in rule.guards.iter().filter(|g| !matches!(g.condition, Meta::Call(Builtin::Closed, _))) {
        for part in parts(&guard.condition) {
            let asked = earlier.iter().find_map(|(known, by)| follows(known, part).map(|holds| (holds, *by)));
            let (holds, by) = match (decided(rule, part), asked) {
                (Some(holds), _) => (holds, None),
                (None, Some((holds, by))) => (holds, Some(by)),
                (None, None) => {
                    earlier.push((part, guard));
                    continue;
                }
            };
            let mut diagnostic = match holds {
                true => Diagnostic::warning("unreachable-guard", "this condition always holds")
                    .label(guard.span, "never says no"),
                false => Diagnostic::error("unreachable-guard", format!("`{}` can never apply", rule.name))
                    .label(guard.span, "never holds"),
            };
            if let Some(by) = by.filter(|by| by.span != guard.span) {
                diagnostic = diagnostic.label(by.span, if holds { "holds already" } else { "says the contrary" });
            }
            diagnostics.push(diagnostic.help(if holds {
                "remove it"
            } else {
                "correct the condition, or remove the rule"
            }));
        }
    }
}

/// The conditions that must all hold.
fn parts(condition: &Meta) -> Vec<&Meta> {
    match condition {
        Meta::Binary(MetaOp::And, a, b) => [parts(a), parts(b)].concat(),
        other => vec![other],
    }
}

/// Whether a condition holds whatever the rule meets.
fn decided(rule: &Rule, condition: &Meta) -> Option<bool> {
    match condition {
        Meta::Bool(holds) => Some(*holds),
        Meta::Not(inner) => decided(rule, inner).map(|h| !h),
        Meta::Binary(MetaOp::And, a, b) => match (decided(rule, a), decided(rule, b)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Meta::Binary(MetaOp::Or, a, b) => match (decided(rule, a), decided(rule, b)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Meta::Binary(op, a, b) => compared(*op, literal(a)?, literal(b)?),
        Meta::Call(what @ (Builtin::Absent | Builtin::Present), args) => match args.first() {
            Some(Meta::Var(id)) if rule.vars[id.0 as usize].kind == VarKind::Value => Some(*what == Builtin::Present),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a condition follows from one that holds, or contradicts it.
fn follows(known: &Meta, condition: &Meta) -> Option<bool> {
    if known == condition {
        return Some(true);
    }
    if let Meta::Not(inner) = condition {
        return follows(known, inner).map(|h| !h);
    }
    if let Meta::Not(inner) = known
        && **inner == *condition
    {
        return Some(false);
    }
    match (known, condition) {
        (Meta::Call(Builtin::Const, more), Meta::Call(Builtin::Const, fewer)) => {
            fewer.iter().all(|arg| more.contains(arg)).then_some(true)
        }
        (Meta::Call(Builtin::Absent, a), Meta::Call(Builtin::Present, b))
        | (Meta::Call(Builtin::Present, a), Meta::Call(Builtin::Absent, b)) => (a == b).then_some(false),
        // `x == 1` decides every comparison of `x` with a literal.
        (Meta::Binary(MetaOp::Eq, a, is), Meta::Binary(op, b, with)) if a == b => {
            compared(*op, literal(is)?, literal(with)?)
        }
        _ => None,
    }
}

/// A literal that stands for itself.
fn literal(meta: &Meta) -> Option<&Meta> {
    matches!(meta, Meta::Int(_) | Meta::Float(_) | Meta::Bool(_) | Meta::Str(_) | Meta::DType(_)).then_some(meta)
}

fn compared(op: MetaOp, a: &Meta, b: &Meta) -> Option<bool> {
    let number = |m: &Meta| match m {
        Meta::Int(x) => Some(*x as f64),
        Meta::Float(x) => Some(*x),
        _ => None,
    };
    let (x, y) = match (number(a), number(b)) {
        (Some(x), Some(y)) => (x, y),
        _ => return matches!(op, MetaOp::Eq | MetaOp::Ne).then(|| (a == b) == (op == MetaOp::Eq)),
    };
    Some(match op {
        MetaOp::Eq => x == y,
        MetaOp::Ne => x != y,
        MetaOp::Lt => x < y,
        MetaOp::Le => x <= y,
        MetaOp::Gt => x > y,
        MetaOp::Ge => x >= y,
        _ => return None,
    })
}
