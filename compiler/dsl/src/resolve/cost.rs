//! Hints for the cost model: what an operator's work costs, as an expression over its sizes.

use super::attributes;
use crate::ast::{self, Argument, Operator, Term, TermKind};
use crate::scope::Scope;
use crate::{CostHint, CostTerm, MetaOp};
use qcc_diag::nearest;
use qcc_diag::{Diagnostic, Span};

/// What a hint may be about, beside numbers.
const SIZES: &[(&str, CostTerm)] =
    &[("elements", CostTerm::Elements), ("bytes", CostTerm::Bytes), ("macs", CostTerm::Macs)];

/// A hint, or nothing if it has errors.
pub(super) fn hint(
    scope: &Scope<'_>,
    file: usize,
    hint: &ast::CostHint,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<CostHint> {
    let op = scope.op(file, &hint.name, diagnostics);
    let work = term(&hint.work, diagnostics);
    Some(CostHint { op: op?, work: work?, span: hint.name.span })
}

fn term(term: &Term, diagnostics: &mut Vec<Diagnostic>) -> Option<CostTerm> {
    if let Some(number) = attributes::number(term) {
        return Some(CostTerm::Number(number));
    }
    match &term.kind {
        TermKind::Name(name) => match SIZES.iter().find(|(size, _)| size == name) {
            Some((_, size)) => Some(size.clone()),
            None => {
                let message = format!("`{name}` is no size that a cost can depend on");
                let help = match nearest(name, SIZES.iter().map(|(size, _)| *size)) {
                    Some(other) => format!("did you mean `{other}`?"),
                    None => "there are `elements` of the result, `bytes` read and written, and `macs`".to_string(),
                };
                fail("unbound-variable", message, term.span, &help, diagnostics)
            }
        },
        TermKind::Binary(operator, a, b) => {
            let (a, b) = (self::term(a, diagnostics), self::term(b, diagnostics));
            let operation = match operator {
                Operator::Add => MetaOp::Add,
                Operator::Sub => MetaOp::Sub,
                Operator::Mul => MetaOp::Mul,
                Operator::Div => MetaOp::Div,
                _ => return not_a_cost(term.span, diagnostics),
            };
            Some(CostTerm::Binary(operation, Box::new(a?), Box::new(b?)))
        }
        TermKind::Call(call) => match (call.callee.text.as_str(), call.arguments.as_slice()) {
            (name @ ("min" | "max"), [Argument::One(a), Argument::One(b)]) => {
                let (a, b) = (self::term(a, diagnostics), self::term(b, diagnostics));
                let (a, b) = (Box::new(a?), Box::new(b?));
                Some(if name == "min" { CostTerm::Min(a, b) } else { CostTerm::Max(a, b) })
            }
            _ => not_a_cost(term.span, diagnostics),
        },
        TermKind::Error => None,
        _ => not_a_cost(term.span, diagnostics),
    }
}

fn not_a_cost<T>(span: Span, diagnostics: &mut Vec<Diagnostic>) -> Option<T> {
    let help = "a cost is nanoseconds: numbers, `elements`, `bytes`, `macs`, `+ - * /`, `min(a, b)`, `max(a, b)`";
    fail("not-a-cost", "this is no cost".to_string(), span, help, diagnostics)
}

fn fail<T>(
    code: &'static str,
    message: String,
    span: Span,
    help: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<T> {
    diagnostics.push(Diagnostic::error(code, message).label(span, "here").help(help));
    None
}
