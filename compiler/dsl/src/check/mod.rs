//! What a rule must fulfil beyond making sense name by name.

pub(crate) mod expects;
pub(crate) mod functions;
pub(crate) mod overlap;
pub(crate) mod typing;
pub(crate) mod variables;

mod closed;
mod growth;
mod optional;
mod partial;
mod unreachable;

use crate::{ArgExpr, Builtin, Expr, Meta, OpExpr, Rule, VarId};
use qcc_diag::{Diagnostic, Span};

/// Checks a resolved rule and adds the guards that follow from its terms.
pub(crate) fn rule(rule: &mut Rule, name: Span, diagnostics: &mut Vec<Diagnostic>) {
    growth::check(rule, name, diagnostics);
    partial::check(rule, diagnostics);
    optional::check(rule, name, diagnostics);
    closed::check(rule, name, diagnostics);
    unreachable::check(rule, diagnostics);
}

/// Terms directly inside a term.
fn parts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Reshape(inner, _) => vec![inner],
        Expr::Op(call) => arguments(call).collect(),
        _ => Vec::new(),
    }
}

/// Terms among the arguments of a call.
fn arguments(call: &OpExpr) -> impl Iterator<Item = &Expr> {
    call.args.iter().filter_map(|arg| match arg {
        ArgExpr::One(expr) | ArgExpr::Each { body: expr, .. } => Some(expr),
        ArgExpr::Spread(_) => None,
    })
}

/// Calls `f` for a term and everything inside it.
fn each<'e>(expr: &'e Expr, f: &mut dyn FnMut(&'e Expr)) {
    f(expr);
    parts(expr).into_iter().for_each(|part| each(part, f));
}

/// Variables of tensors in a term; the element of a `map` counts as the variable that is mapped.
fn variables(expr: &Expr) -> Vec<VarId> {
    let mut result = Vec::new();
    let mut elements = Vec::new();
    each(expr, &mut |part| match part {
        Expr::Var(id) | Expr::Folded(id) => result.push(*id),
        Expr::Op(call) => {
            for arg in &call.args {
                match arg {
                    ArgExpr::Spread(id) => result.push(*id),
                    ArgExpr::Each { element, over, .. } => {
                        elements.push(*element);
                        result.push(*over);
                    }
                    ArgExpr::One(_) => {}
                }
            }
        }
        _ => {}
    });
    result.retain(|id| !elements.contains(id));
    result
}

/// Variables for which the guards ask a built-in, in a place that can make them hold (not under `not`).
fn asked(rule: &Rule, builtin: Builtin) -> Vec<VarId> {
    fn collect(meta: &Meta, wanted: Builtin, result: &mut Vec<VarId>) {
        match meta {
            Meta::Binary(_, a, b) => {
                collect(a, wanted, result);
                collect(b, wanted, result);
            }
            Meta::Call(builtin, args) if *builtin == wanted => {
                result.extend(args.iter().filter_map(|a| if let Meta::Var(id) = a { Some(*id) } else { None }));
            }
            _ => {}
        }
    }
    let mut result = Vec::new();
    rule.guards.iter().for_each(|guard| collect(&guard.condition, builtin, &mut result));
    result
}
