//! Scope of the accumulator.
//!
//! `acc` is bound by the nearest `Fused`. A value that a rule moves into another kernel's body, or out of one, must not
//! contain an accumulator, or it would mean another one: a silent wrong answer. The guard `closed(x)` is added here, so
//! that no author of a rule can forget it.

use super::asked;
use crate::{ArgExpr, ArgPattern, Builtin, Expr, Guard, Meta, OpExpr, OpMatch, OpRef, Pattern, Rule, VarId, VarKind};
use qcc_diag::{Diagnostic, Span};
use qcc_ops::Op;

/// A kernel on the left side, by position.
type Binder = Option<usize>;

/// Where variables and accumulators stand on the left side.
#[derive(Default)]
struct Left<'r> {
    /// Cores of the kernels.
    cores: Vec<&'r Pattern>,
    /// Variables with the kernel in whose body they stand.
    homes: Vec<(VarId, Binder)>,
    /// Whether an accumulator stands outside all bodies.
    free_acc: bool,
}

/// Adds the missing guards; reports accumulators outside of bodies.
pub(super) fn check(rule: &mut Rule, name: Span, diagnostics: &mut Vec<Diagnostic>) {
    let mut left = Left::default();
    rule.roots.iter().for_each(|root| left.collect(root, None));
    let mut right = Right { left: &left, moved: Vec::new(), stray: false };
    rule.results.iter().for_each(|result| right.collect(result, None));
    let in_let = rule.lets.iter().any(|l| has_acc(&l.value));
    if in_let || (right.stray && !left.free_acc) {
        let place = if in_let { "in a `where` constant" } else { "outside of a kernel's body" };
        let diagnostic = Diagnostic::error("stray-accumulator", format!("`acc` stands {place}"));
        diagnostics.push(diagnostic.label(name, "in this rule").help("`Fused(core, body)` binds `acc` in its body"));
    }
    let closed = asked(rule, Builtin::Closed);
    let mut moved = right.moved;
    moved.sort();
    moved.dedup();
    for id in moved {
        let variable = &rule.vars[id.0 as usize];
        let tensor = matches!(variable.kind, VarKind::Value | VarKind::Optional | VarKind::Variadic);
        if !tensor || closed.contains(&id) {
            continue;
        }
        let condition = Meta::Call(Builtin::Closed, vec![Meta::Var(id)]);
        let reason = format!("`{}` depends on the accumulator of the kernel it stands in", variable.name);
        rule.guards.push(Guard { condition, reason, span: variable.span });
    }
}

fn is_fused(op: Op) -> bool {
    op.domain == "qcc" && op.name == "Fused"
}

fn has_acc(expr: &Expr) -> bool {
    let mut found = false;
    super::each(expr, &mut |part| found |= *part == Expr::Acc);
    found
}

impl<'r> Left<'r> {
    fn collect(&mut self, pattern: &'r Pattern, home: Binder) {
        match pattern {
            Pattern::Var(id) => self.homes.push((*id, home)),
            Pattern::Bind(id, inner) => {
                self.homes.push((*id, home));
                self.collect(inner, home);
            }
            Pattern::Acc => self.free_acc |= home.is_none(),
            Pattern::Wild | Pattern::Number(_) => {}
            Pattern::Op(call) => {
                let fused = matches!(call.op, OpMatch::One(op) if is_fused(op));
                let mut body = home;
                if fused && let Some(ArgPattern::One(core)) = call.args.first() {
                    body = Some(self.cores.len());
                    self.cores.push(core);
                }
                for (i, arg) in call.args.iter().enumerate() {
                    let home = if fused && i == 1 { body } else { home };
                    match arg {
                        ArgPattern::One(pattern) => self.collect(pattern, home),
                        ArgPattern::Optional(id) | ArgPattern::Variadic(id) => self.homes.push((*id, home)),
                        ArgPattern::OptionalWild => {}
                    }
                }
            }
        }
    }

    /// The kernel on the left that one on the right continues: the one with the same core, or the only one.
    fn continued(&self, core: &Expr) -> Binder {
        let same = self.cores.iter().position(|pattern| corresponds(pattern, core));
        same.or((self.cores.len() == 1).then_some(0))
    }
}

/// Whether a term is what a pattern has matched, attributes aside.
fn corresponds(pattern: &Pattern, expr: &Expr) -> bool {
    match (pattern, expr) {
        (Pattern::Var(a), Expr::Var(b)) => a == b,
        (Pattern::Bind(a, inner), expr) => *expr == Expr::Var(*a) || corresponds(inner, expr),
        (Pattern::Acc, Expr::Acc) => true,
        (Pattern::Op(call), Expr::Op(OpExpr { op, args, .. })) => {
            let same = match (&call.op, op) {
                (OpMatch::One(a), OpRef::One(b)) => a == b,
                (OpMatch::Class(a, _), OpRef::Var(b)) => a == b,
                _ => false,
            };
            same && call.args.len() == args.len()
                && call.args.iter().zip(args).all(|(a, b)| match (a, b) {
                    (ArgPattern::One(a), ArgExpr::One(b)) => corresponds(a, b),
                    (ArgPattern::Optional(a), ArgExpr::One(Expr::Var(b))) => a == b,
                    (ArgPattern::Variadic(a), ArgExpr::Spread(b)) => a == b,
                    _ => false,
                })
        }
        _ => false,
    }
}

struct Right<'l, 'r> {
    left: &'l Left<'r>,
    /// Variables that stand in another body than on the left.
    moved: Vec<VarId>,
    stray: bool,
}

/// Where a term of the right side stands.
type Place = Option<Binder>;

impl Right<'_, '_> {
    fn collect(&mut self, expr: &Expr, place: Place) {
        match expr {
            Expr::Var(id) => self.visit(*id, place),
            Expr::Acc => self.stray |= place.is_none(),
            Expr::Reshape(inner, _) => self.collect(inner, place),
            Expr::Number(_) | Expr::Constant { .. } | Expr::Folded(_) | Expr::Absent => {}
            Expr::Op(call) => {
                let fused = matches!(call.op, OpRef::One(op) if is_fused(op));
                let body = match call.args.first() {
                    Some(ArgExpr::One(core)) if fused => Some(self.left.continued(core)),
                    _ => place,
                };
                for (i, arg) in call.args.iter().enumerate() {
                    let place = if fused && i == 1 { body } else { place };
                    match arg {
                        ArgExpr::One(expr) => self.collect(expr, place),
                        ArgExpr::Spread(id) => self.visit(*id, place),
                        ArgExpr::Each { over, body, .. } => {
                            self.visit(*over, place);
                            self.collect(body, place);
                        }
                    }
                }
            }
        }
    }

    fn visit(&mut self, id: VarId, place: Place) {
        let mut homes = self.left.homes.iter().filter(|(v, _)| *v == id).map(|(_, home)| *home).peekable();
        if homes.peek().is_none() {
            return;
        }
        let stays = match place {
            // A kernel of the right side that continues none of the left has a body of its own.
            Some(None) => false,
            Some(Some(binder)) => homes.any(|home| home == Some(binder)),
            None => homes.any(|home| home.is_none()),
        };
        if !stays {
            self.moved.push(id);
        }
    }
}
