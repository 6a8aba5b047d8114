//! A value that may be absent is used only where absence has a meaning.

use super::{asked, each};
use crate::{ArgExpr, Builtin, Expr, OpExpr, OpRef, Rule, VarId, VarKind};
use qcc_diag::{Diagnostic, Span};
use qcc_ops::{Arity, Op};

/// Reports optionals in required places, unless a guard demands their presence. In sums and differences an absent
/// value counts as zero; as another type it stays absent.
pub(super) fn check(rule: &Rule, name: Span, diagnostics: &mut Vec<Diagnostic>) {
    let present = asked(rule, Builtin::Present);
    let mut open: Vec<(VarId, Span)> = Vec::new();
    let may_be_absent = |expr: &Expr| match beneath_casts(expr) {
        Expr::Var(id) | Expr::Folded(id) => {
            Some(*id).filter(|id| rule.vars[id.0 as usize].kind == VarKind::Optional && !present.contains(id))
        }
        _ => None,
    };
    for term in rule.results.iter().chain(rule.lets.iter().map(|l| &l.value)) {
        open.extend(may_be_absent(term).map(|id| (id, name)));
        each(term, &mut |part| match part {
            Expr::Reshape(inner, _) => open.extend(may_be_absent(inner).map(|id| (id, name))),
            Expr::Folded(_) => open.extend(may_be_absent(part).map(|id| (id, name))),
            Expr::Op(call) => {
                for (i, arg) in call.args.iter().enumerate() {
                    let ArgExpr::One(expr) = arg else { continue };
                    let required = match call.op {
                        OpRef::One(op) => !zero(op) && op.name != "Cast" && needs(op, i),
                        OpRef::Var(_) => true,
                    };
                    if required {
                        open.extend(may_be_absent(expr).map(|id| (id, call.span)));
                    }
                }
            }
            _ => {}
        });
    }
    for (id, span) in open {
        let variable = &rule.vars[id.0 as usize];
        let message = format!("`{}` may be absent where a value is needed", variable.name);
        let diagnostic = Diagnostic::error("absent-value", message).label(span, "needed here");
        let diagnostic = diagnostic.label(variable.span, "may be absent");
        diagnostics.push(diagnostic.help(format!("add `if present({}) else \"…\"`", variable.name)));
    }
}

/// What is absent if a term is.
fn beneath_casts(expr: &Expr) -> &Expr {
    match expr {
        Expr::Op(OpExpr { op: OpRef::One(op), args, .. }) if op.name == "Cast" => match &args[..] {
            [ArgExpr::One(inner)] => beneath_casts(inner),
            _ => expr,
        },
        _ => expr,
    }
}

fn zero(op: Op) -> bool {
    op.domain.is_empty() && matches!(op.name, "Add" | "Sub")
}

fn needs(op: Op, position: usize) -> bool {
    op.inputs.get(position).is_none_or(|p| p.arity != Arity::Optional)
}
