//! What calls in patterns, right sides and test graphs share: number of arguments, choice of an output.

use crate::ast::{Name, Operator};
use qcc_diag::nearest;
use qcc_diag::{Diagnostic, Span};
use qcc_ops::{Arity, Op, find_in};

/// The operator that an infix operator stands for.
pub(super) fn infix(operator: Operator) -> Option<Op> {
    let name = match operator {
        Operator::Add => "Add",
        Operator::Sub => "Sub",
        Operator::Mul => "Mul",
        Operator::Div => "Div",
        _ => return None,
    };
    find_in("", name)
}

/// The operator of the minus sign.
pub(super) fn negation() -> Option<Op> {
    find_in("", "Neg")
}

/// Whether the operator takes so many arguments (followed by any number of others if `open`); reports if not.
pub(super) fn check_count(
    op: Op,
    count: usize,
    open: bool,
    span: Span,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<()> {
    let variadic = op.inputs.last().is_some_and(|p| p.arity == Arity::Variadic);
    let most = if variadic { usize::MAX } else { op.inputs.len() };
    let missing = op.inputs.iter().skip(count).find(|p| p.arity == Arity::One && !open);
    let signature: Vec<String> = op.inputs.iter().map(parameter).collect();
    let message = match missing {
        _ if count > most => format!("{} takes at most {}, got {count}", op.name, counted(most, "input")),
        Some(missing) => format!("{} needs its input `{}`", op.name, missing.name),
        None => return Some(()),
    };
    let help = format!("it is {}({})", op.name, signature.join(", "));
    diagnostics.push(Diagnostic::error("wrong-arguments", message).label(span, "this call").help(help));
    None
}

fn parameter(p: &qcc_ops::Param) -> String {
    let suffix = match p.arity {
        Arity::One => "",
        Arity::Optional => "?",
        Arity::Variadic => "...",
    };
    format!("{}{suffix}", p.name)
}

/// `1 input`, `2 inputs`.
pub(super) fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// How often the input at a position occurs.
pub(super) fn arity(op: Op, position: usize) -> Arity {
    let last = op.inputs.last().filter(|p| p.arity == Arity::Variadic);
    op.inputs.get(position).or(last).map_or(Arity::Optional, |p| p.arity)
}

/// The output that `.name` or `.1` means.
pub(super) fn output(op: Op, name: &Name, diagnostics: &mut Vec<Diagnostic>) -> Option<u32> {
    let variadic = op.outputs.last().is_some_and(|p| p.arity == Arity::Variadic);
    let position = match name.text.parse::<usize>() {
        Ok(i) => Some(i).filter(|&i| i < 1 << 16 && (variadic || i < op.outputs.len())),
        Err(_) => op.outputs.iter().position(|p| p.name == name.text),
    };
    if position.is_none() {
        let message = format!("{} has no output `{}`", op.name, name.text);
        let diagnostic = Diagnostic::error("unknown-output", message).label(name.span, "not known");
        let names: Vec<&str> = op.outputs.iter().map(|p| p.name).collect();
        diagnostics.push(match nearest(&name.text, names.iter().copied()) {
            Some(other) => diagnostic.help(format!("did you mean `{other}`?")),
            None => diagnostic.help(format!("its outputs are {}", super::attributes::quoted(&names))),
        });
    }
    position.map(|i| i as u32)
}
