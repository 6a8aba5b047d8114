//! Functions that are not defined everywhere are applied to constants, or to values that a guard bounds, unless the left side
//! applies them too.

use super::{asked, each, variables};
use crate::{ArgExpr, ArgPattern, Builtin, Expr, OpExpr, OpMatch, OpRef, Pattern, Rule, VarId, VarKind};
use qcc_diag::Diagnostic;
use qcc_ops::Op;

/// Operators that give infinities or NaN for some finite inputs.
const PARTIAL: [&str; 4] = ["Div", "Sqrt", "Log", "Reciprocal"];

/// Reports partial functions on both kinds of terms.
pub(super) fn check(rule: &Rule, diagnostics: &mut Vec<Diagnostic>) {
    let constants = asked(rule, Builtin::Const);
    for item in &rule.lets {
        each(&item.value, &mut |part| {
            if let Some((call, op)) = partial(part) {
                report(rule, call, op, part, &constants, diagnostics);
            }
        });
    }
    let bounds =
        [Builtin::Value, Builtin::MinOf, Builtin::MaxOf, Builtin::RangeLo, Builtin::RangeHi, Builtin::AllClose];
    let guarded: Vec<VarId> = bounds.iter().flat_map(|b| asked(rule, *b)).chain(constants).collect();
    for result in &rule.results {
        each(result, &mut |part| {
            if let Some((call, op)) = partial(part)
                && !rule.roots.iter().any(|root| applies(root, op))
            {
                // A quotient is undefined where the divisor is zero; what is divided may be anything.
                let critical = match call.args.get(1) {
                    Some(ArgExpr::One(divisor)) if op.name == "Div" => divisor,
                    _ => part,
                };
                report(rule, call, op, critical, &guarded, diagnostics);
            }
        });
    }
}

/// A call of a partial function.
fn partial(part: &Expr) -> Option<(&OpExpr, Op)> {
    let Expr::Op(call) = part else { return None };
    let OpRef::One(op) = call.op else { return None };
    (op.domain.is_empty() && PARTIAL.contains(&op.name)).then_some((call, op))
}

/// Whether a pattern has a call of an operator.
fn applies(pattern: &Pattern, wanted: Op) -> bool {
    match pattern {
        Pattern::Bind(_, inner) => applies(inner, wanted),
        Pattern::Op(call) => {
            matches!(call.op, OpMatch::One(op) if family(op) == family(wanted))
                || call.args.iter().any(|a| matches!(a, ArgPattern::One(p) if applies(p, wanted)))
        }
        _ => false,
    }
}

fn report(rule: &Rule, call: &OpExpr, op: Op, critical: &Expr, guarded: &[VarId], diagnostics: &mut Vec<Diagnostic>) {
    let open: Vec<VarId> = leaves(rule, critical).into_iter().filter(|id| !guarded.contains(id)).collect();
    let Some(first) = open.first() else { return };
    let variable = &rule.vars[first.0 as usize];
    let message = format!("{} of `{}`, which may be a run-time value", op.name, variable.name);
    let diagnostic = Diagnostic::error("partial-function", message)
        .label(call.span, "not defined for every value")
        .label(variable.span, "bound here");
    let names: Vec<&str> = open.iter().map(|id| rule.vars[id.0 as usize].name.as_str()).collect();
    diagnostics.push(diagnostic.help(format!("add `if const({}) else \"…\"`", names.join(", "))));
}

/// Bound tensors that a term is computed from, through `where` constants.
fn leaves(rule: &Rule, expr: &Expr) -> Vec<VarId> {
    let mut result: Vec<VarId> = Vec::new();
    let mut open = variables(expr);
    let mut seen: Vec<VarId> = Vec::new();
    while let Some(id) = open.pop() {
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        if rule.vars[id.0 as usize].kind == VarKind::Let {
            open.extend(rule.lets.iter().filter(|l| l.var == id).flat_map(|l| variables(&l.value)));
        } else {
            result.push(id);
        }
    }
    result.sort();
    result
}

/// A quotient and a reciprocal are undefined for the same values.
fn family(op: Op) -> &'static str {
    match op.name {
        // Quantization divides by its scale.
        "Reciprocal" | "QuantizeLinear" => "Div",
        name => name,
    }
}
