//! Rules that would be applied to their own result forever, or that do nothing.

use super::{each, parts};
use crate::{ArgExpr, ArgPattern, AttrMatch, Expr, Meta, OpExpr, OpMatch, OpPattern, OpRef, Pattern, Rule, VarId};
use indexmap::IndexMap;
use qcc_diag::{Diagnostic, Span};
use qcc_ops::{AttrValue, Default, Op};

/// Reports a right side that contains the left one, and plain reordering. A guard is trusted to end the growth.
pub(super) fn check(rule: &Rule, name: Span, diagnostics: &mut Vec<Diagnostic>) {
    for (root, result) in rule.roots.iter().zip(&rule.results) {
        if let Some(diagnostic) = contained_name(rule, root, result, name) {
            diagnostics.push(diagnostic);
        } else if rule.guards.is_empty() {
            diagnostics.extend(reordered(root, result, name).or_else(|| contained(root, result, name)));
        }
    }
}

/// `y @ Op(…) => f(y)`. A kernel around its core is the one wrapper that is meant.
fn contained_name(rule: &Rule, root: &Pattern, result: &Expr, name: Span) -> Option<Diagnostic> {
    let Pattern::Bind(id, _) = root else { return None };
    let mut around = None;
    each(result, &mut |part| {
        let kernel = matches!(part, Expr::Op(OpExpr { op: OpRef::One(op), .. }) if op.name == "Fused");
        if !kernel && parts(part).contains(&&Expr::Var(*id)) {
            around = Some(if let Expr::Op(call) = part { call.span } else { name });
        }
    });
    if *result == Expr::Var(*id) {
        around = Some(name);
    }
    let variable = &rule.vars[id.0 as usize];
    let message = format!("the right side contains `{}`, which is the left side", variable.name);
    let diagnostic = Diagnostic::error("unbounded-growth", message).label(around?, "built around it");
    Some(diagnostic.label(variable.span, "the left side").help("a value cannot be defined by itself"))
}

/// `Add(x, y) => Add(y, x)` and `Add(Add(x, y), z) => Add(x, Add(y, z))`.
fn reordered(root: &Pattern, result: &Expr, name: Span) -> Option<Diagnostic> {
    let (op, before) = pattern_leaves(root)?;
    let after = expr_leaves(result, op)?;
    let (mut a, mut b) = (before.clone(), after.clone());
    a.sort();
    b.sort();
    if a != b {
        return None;
    }
    let span = if let Expr::Op(call) = result { call.span } else { name };
    let (message, help) = if before.len() == 2 && before != after {
        let help = format!("declare it: `commutative {}`; the matcher then swaps operands", op.name);
        ("this is plain commutativity".to_string(), help)
    } else if before.len() == 2 {
        ("both sides are the same".to_string(), "remove the rule".to_string())
    } else {
        let help = "write the directed instances that matter, with a guard (`if const(y, z)`)".to_string();
        ("this is plain associativity".to_string(), help)
    };
    Some(Diagnostic::error("unbounded-growth", message).label(span, "only another order").help(help))
}

/// Leaves of a tree of one binary operator over variables.
fn pattern_leaves(pattern: &Pattern) -> Option<(Op, Vec<VarId>)> {
    fn collect(pattern: &Pattern, op: Op, leaves: &mut Vec<VarId>) -> Option<()> {
        match pattern {
            Pattern::Var(id) => leaves.push(*id),
            Pattern::Op(OpPattern { op: OpMatch::One(other), args, .. }) if *other == op && op.attrs.is_empty() => {
                for arg in args {
                    let ArgPattern::One(arg) = arg else { return None };
                    collect(arg, op, leaves)?;
                }
            }
            _ => return None,
        }
        Some(())
    }
    let Pattern::Op(OpPattern { op: OpMatch::One(op), args, .. }) = pattern else { return None };
    let mut leaves = Vec::new();
    (args.len() == 2).then(|| collect(pattern, *op, &mut leaves))??;
    Some((*op, leaves))
}

fn expr_leaves(expr: &Expr, op: Op) -> Option<Vec<VarId>> {
    match expr {
        Expr::Var(id) => Some(vec![*id]),
        Expr::Op(call) if call.op == OpRef::One(op) => {
            let mut leaves = Vec::new();
            for arg in &call.args {
                let ArgExpr::One(arg) = arg else { return None };
                leaves.extend(expr_leaves(arg, op)?);
            }
            Some(leaves)
        }
        _ => None,
    }
}

/// A part of the right side that the left side surely matches again.
fn contained(root: &Pattern, result: &Expr, name: Span) -> Option<Diagnostic> {
    let mut found = None;
    for part in parts(result) {
        each(part, &mut |inner| {
            if found.is_none() && matches(root, inner, &mut IndexMap::new()) {
                found = Some(if let Expr::Op(call) = inner { call.span } else { name });
            }
        });
    }
    let message = "the right side contains the left side, so the rule never ends";
    let diagnostic = Diagnostic::error("unbounded-growth", message).label(found?, "matches the left side again");
    Some(diagnostic.help("turn the rule around, or add a guard that ends it"))
}

/// Whether a term surely matches a pattern, variables standing for any terms.
fn matches<'e>(pattern: &Pattern, expr: &'e Expr, bound: &mut IndexMap<VarId, &'e Expr>) -> bool {
    match pattern {
        Pattern::Wild => true,
        Pattern::Var(id) => *bound.entry(*id).or_insert(expr) == expr && !matches!(expr, Expr::Absent),
        Pattern::Bind(id, inner) => *bound.entry(*id).or_insert(expr) == expr && matches(inner, expr, bound),
        Pattern::Acc => *expr == Expr::Acc,
        Pattern::Number(x) => match expr {
            Expr::Number(Meta::Float(y)) => x == y,
            Expr::Number(Meta::Int(y)) => *x == *y as f64,
            _ => false,
        },
        Pattern::Op(pattern) => {
            let Expr::Op(call) = expr else { return false };
            let op = match (&pattern.op, call.op) {
                (OpMatch::One(a), OpRef::One(b)) if *a == b => Some(b),
                (OpMatch::Class(_, ops), OpRef::One(b)) if ops.contains(&b) => Some(b),
                (OpMatch::Class(a, _), OpRef::Var(b)) if *a == b => None,
                _ => return false,
            };
            pattern.output == call.output && attributes(pattern, call, op) && arguments(pattern, call, bound)
        }
    }
}

fn arguments<'e>(pattern: &OpPattern, call: &'e OpExpr, bound: &mut IndexMap<VarId, &'e Expr>) -> bool {
    let mut given = call.args.iter();
    for wanted in &pattern.args {
        match (wanted, given.next()) {
            (ArgPattern::Variadic(_), _) => return true,
            (ArgPattern::One(p), Some(ArgExpr::One(e))) if matches(p, e, bound) => {}
            (ArgPattern::Optional(_) | ArgPattern::OptionalWild, None | Some(ArgExpr::One(_))) => {}
            _ => return false,
        }
    }
    given.next().is_none()
}

fn attributes(pattern: &OpPattern, call: &OpExpr, op: Option<Op>) -> bool {
    pattern.attrs.named.iter().all(|(name, wanted)| {
        let AttrMatch::Value(wanted) = wanted else { return true };
        match call.attrs.set.iter().find(|(n, _)| n == name) {
            Some((_, value)) => equal(value, wanted),
            None if call.attrs.base.is_some() => false,
            None => {
                op.and_then(|op| op.attrs.iter().find(|d| d.name == name)).is_some_and(|d| match (&d.default, wanted) {
                    (Default::Int(a), AttrValue::Int(b)) => a == b,
                    (Default::Float(a), AttrValue::Float(b)) => a == b,
                    (Default::Str(a), AttrValue::Str(b)) => a == b,
                    _ => false,
                })
            }
        }
    })
}

fn equal(value: &Meta, wanted: &AttrValue) -> bool {
    match (value, wanted) {
        (Meta::Int(a), AttrValue::Int(b)) => a == b,
        (Meta::Float(a), AttrValue::Float(b)) => *a as f32 == *b,
        (Meta::Str(a), AttrValue::Str(b)) => a == b,
        (Meta::DType(a), AttrValue::Type(b)) => a == b,
        (Meta::List(a), AttrValue::Ints(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, &AttrValue::Int(*b)))
        }
        _ => false,
    }
}
