//! Functions that are not defined everywhere are applied to constants only, at compile time.

use super::{asked, each, variables};
use crate::{Builtin, Expr, OpRef, Rule, VarId, VarKind};
use qcc_diag::Diagnostic;

/// Operators that give infinities or NaN for some finite inputs.
const PARTIAL: [&str; 4] = ["Div", "Sqrt", "Log", "Reciprocal"];

/// Reports partial functions in `where` terms whose values no guard proves constant.
pub(super) fn check(rule: &Rule, diagnostics: &mut Vec<Diagnostic>) {
    let constants = asked(rule, Builtin::Const);
    for item in &rule.lets {
        each(&item.value, &mut |part| {
            let Expr::Op(call) = part else { return };
            let OpRef::One(op) = call.op else { return };
            if !op.domain.is_empty() || !PARTIAL.contains(&op.name) {
                return;
            }
            let open: Vec<VarId> = leaves(rule, part).into_iter().filter(|id| !constants.contains(id)).collect();
            let Some(first) = open.first() else { return };
            let variable = &rule.vars[first.0 as usize];
            let message = format!("{} of `{}`, which may be a run-time value", op.name, variable.name);
            let diagnostic = Diagnostic::error("partial-function", message)
                .label(call.span, "not defined for every value")
                .label(variable.span, "bound here");
            let names: Vec<&str> = open.iter().map(|id| rule.vars[id.0 as usize].name.as_str()).collect();
            diagnostics.push(diagnostic.help(format!("add `if const({}) else \"…\"`", names.join(", "))));
        });
    }
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
