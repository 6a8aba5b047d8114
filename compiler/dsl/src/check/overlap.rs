//! Rules that another rule makes superfluous.
//!
//! A rule shadows another one if it matches wherever the other does, asks for no more, and gives the same. Two rules overlap
//! if both match the same terms under the same conditions and give different ones, which is legal (both sides are equal) and
//! rarely meant.

use crate::ast::Name;
use crate::{ArgExpr, ArgPattern, AttrMatch, AttrRest, Expr, Meta, OpMatch, OpPattern, OpRef, Pattern, Rule, VarId};
use indexmap::IndexMap;
use qcc_diag::Diagnostic;
use qcc_ops::Op;

/// What variables of the general rule stand for in the particular one.
#[derive(Default)]
struct Same {
    vars: IndexMap<VarId, VarId>,
    ops: IndexMap<VarId, Op>,
}

/// Reports shadowed and overlapping rules of one ruleset; `declared` says where rules are named.
pub(crate) fn rules(rules: &[Rule], declared: &IndexMap<&str, &Name>, diagnostics: &mut Vec<Diagnostic>) {
    let at = |rule: &Rule| {
        declared.get(rule.name.strip_suffix("/reverse").unwrap_or(&rule.name)).map_or(rule.span, |n| n.span)
    };
    for (i, particular) in rules.iter().enumerate() {
        for (k, general) in rules.iter().enumerate() {
            if i == k || general.ruleset != particular.ruleset || general.span == particular.span {
                continue;
            }
            let Some(same) = more_general(general, particular) else { continue };
            let both = more_general(particular, general).is_some();
            // Of two equal rules the later one is superfluous.
            if both && k > i {
                continue;
            }
            let equal = results(general, particular, &same);
            let (code, message, label) = if equal {
                (
                    "shadowed-rule",
                    format!("`{}` does nothing that `{}` does not", particular.name, general.name),
                    "shadowed",
                )
            } else if both {
                let message = format!(
                    "`{}` and `{}` match the same terms under the same conditions",
                    general.name, particular.name
                );
                ("overlapping-rules", message, "gives another term")
            } else {
                continue;
            };
            let diagnostic =
                Diagnostic::warning(code, message).label(at(particular), label).label(at(general), "by this rule");
            diagnostics.push(diagnostic.help(if equal {
                "remove it"
            } else {
                "tell them apart by a guard, or join them"
            }));
        }
    }
}

/// How a rule that matches wherever another one does names its values, if it is such a rule.
fn more_general(general: &Rule, particular: &Rule) -> Option<Same> {
    let mut same = Same::default();
    if general.roots.len() != particular.roots.len() || !general.lets.is_empty() || !particular.lets.is_empty() {
        return None;
    }
    for (a, b) in general.roots.iter().zip(&particular.roots) {
        pattern(a, b, &mut same)?;
    }
    let asked = |condition: &Meta| particular.guards.iter().any(|g| meta(condition, &g.condition, &same));
    general.guards.iter().all(|g| asked(&g.condition)).then_some(same)
}

fn bind(a: VarId, b: VarId, same: &mut Same) -> Option<()> {
    (*same.vars.entry(a).or_insert(b) == b).then_some(())
}

fn pattern(a: &Pattern, b: &Pattern, same: &mut Same) -> Option<()> {
    match (a, b) {
        (Pattern::Wild, _) => Some(()),
        (Pattern::Bind(x, a), Pattern::Bind(y, b)) => {
            bind(*x, *y, same)?;
            pattern(a, b, same)
        }
        (Pattern::Var(x), Pattern::Var(y) | Pattern::Bind(y, _)) => bind(*x, *y, same),
        (a, Pattern::Bind(_, b)) => pattern(a, b, same),
        (Pattern::Number(x), Pattern::Number(y)) => (x == y).then_some(()),
        (Pattern::Acc, Pattern::Acc) => Some(()),
        (Pattern::Op(a), Pattern::Op(b)) => call(a, b, same),
        _ => None,
    }
}

fn call(a: &OpPattern, b: &OpPattern, same: &mut Same) -> Option<()> {
    match (&a.op, &b.op) {
        (OpMatch::One(x), OpMatch::One(y)) if x == y => {}
        (OpMatch::Class(var, ops), OpMatch::One(y)) if ops.contains(y) => {
            if *same.ops.entry(*var).or_insert(*y) != *y {
                return None;
            }
        }
        (OpMatch::Class(x, ops), OpMatch::Class(y, others)) if others.iter().all(|o| ops.contains(o)) => {
            bind(*x, *y, same)?
        }
        _ => return None,
    }
    if a.output != b.output || a.args.len() < b.args.len() {
        return None;
    }
    for (i, x) in a.args.iter().enumerate() {
        match (x, b.args.get(i)) {
            (ArgPattern::One(x), Some(ArgPattern::One(y))) => pattern(x, y, same)?,
            (ArgPattern::Optional(x), Some(ArgPattern::Optional(y) | ArgPattern::One(Pattern::Var(y)))) => {
                bind(*x, *y, same)?
            }
            (ArgPattern::OptionalWild, _) => {}
            (ArgPattern::Variadic(x), Some(ArgPattern::Variadic(y))) => bind(*x, *y, same)?,
            _ => return None,
        }
    }
    for (name, wanted) in &a.attrs.named {
        let other = b.attrs.named.iter().find(|(n, _)| n == name).map(|(_, m)| m);
        match (wanted, other) {
            (AttrMatch::Ignore, _) => {}
            (AttrMatch::Value(x), Some(AttrMatch::Value(y))) if x == y => {}
            (AttrMatch::Var(x), Some(AttrMatch::Var(y))) => bind(*x, *y, same)?,
            _ => return None,
        }
    }
    match (a.attrs.rest, b.attrs.rest) {
        (AttrRest::Bind(x), AttrRest::Bind(y)) if a.attrs.named.len() == b.attrs.named.len() => bind(x, y, same),
        (AttrRest::Bind(_), _) => None,
        _ => Some(()),
    }
}

fn meta(a: &Meta, b: &Meta, same: &Same) -> bool {
    let all = |x: &[Meta], y: &[Meta]| x.len() == y.len() && x.iter().zip(y).all(|(a, b)| meta(a, b, same));
    match (a, b) {
        (Meta::Var(x), Meta::Var(y)) => same.vars.get(x) == Some(y),
        (Meta::AttrOf(x, n), Meta::AttrOf(y, m)) => n == m && same.vars.get(x) == Some(y),
        (Meta::List(x), Meta::List(y)) => all(x, y),
        (Meta::Index(x, i), Meta::Index(y, k)) => meta(x, y, same) && meta(i, k, same),
        (Meta::Not(x), Meta::Not(y)) | (Meta::Neg(x), Meta::Neg(y)) => meta(x, y, same),
        (Meta::Binary(o, x, i), Meta::Binary(p, y, k)) => o == p && meta(x, y, same) && meta(i, k, same),
        (Meta::Call(f, x), Meta::Call(g, y)) => f == g && all(x, y),
        (a, b) => a == b,
    }
}

fn results(general: &Rule, particular: &Rule, same: &Same) -> bool {
    general.results.iter().zip(&particular.results).all(|(a, b)| term(a, b, same))
}

fn term(a: &Expr, b: &Expr, same: &Same) -> bool {
    let var = |x: &VarId, y: &VarId| same.vars.get(x) == Some(y);
    match (a, b) {
        (Expr::Var(x), Expr::Var(y)) | (Expr::Folded(x), Expr::Folded(y)) => var(x, y),
        (Expr::Number(x), Expr::Number(y)) => meta(x, y, same),
        (Expr::Constant { value: x, dtype: d }, Expr::Constant { value: y, dtype: e }) => {
            meta(x, y, same) && meta(d, e, same)
        }
        (Expr::Reshape(x, s), Expr::Reshape(y, t)) => term(x, y, same) && meta(s, t, same),
        (Expr::Op(x), Expr::Op(y)) => {
            let op = match (x.op, y.op) {
                (OpRef::Var(v), OpRef::One(op)) => same.ops.get(&v) == Some(&op),
                (OpRef::Var(v), OpRef::Var(w)) => var(&v, &w),
                (a, b) => a == b,
            };
            let args = x.args.len() == y.args.len()
                && x.args.iter().zip(&y.args).all(|(a, b)| match (a, b) {
                    (ArgExpr::One(a), ArgExpr::One(b)) => term(a, b, same),
                    (ArgExpr::Spread(a), ArgExpr::Spread(b)) => var(a, b),
                    _ => false,
                });
            let base = match (x.attrs.base, y.attrs.base) {
                (Some(a), Some(b)) => var(&a, &b),
                (a, b) => a.is_none() && b.is_none(),
            };
            let set = x.attrs.set.len() == y.attrs.set.len()
                && x.attrs.set.iter().zip(&y.attrs.set).all(|((n, v), (m, w))| n == m && meta(v, w, same));
            op && args && base && set && x.output == y.output
        }
        (a, b) => a == b && matches!(a, Expr::Acc | Expr::Absent),
    }
}
