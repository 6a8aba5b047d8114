//! Literal attribute values, and which attributes operators have.

use crate::ast::{Name, Term, TermKind};
use qcc_diag::Diagnostic;
use qcc_diag::nearest;
use qcc_ops::{AttrDef, AttrKind, AttrValue, Op};
use qcc_tensor::DType;

/// The definition of an attribute that all the operators share; reports what lacks it.
pub(super) fn definition(ops: &[Op], name: &Name, diagnostics: &mut Vec<Diagnostic>) -> Option<&'static AttrDef> {
    let mut found = None;
    for op in ops {
        let Some(definition) = op.0.attrs.iter().find(|d| d.name == name.text) else {
            let message = format!("{} has no attribute `{}`", op.name, name.text);
            let diagnostic = Diagnostic::error("unknown-attribute", message).label(name.span, "not known");
            let names: Vec<&str> = op.attrs.iter().map(|d| d.name).collect();
            diagnostics.push(match nearest(&name.text, names.iter().copied()) {
                Some(other) => diagnostic.help(format!("did you mean `{other}`?")),
                None if names.is_empty() => diagnostic.help("it has no attributes at all"),
                None => diagnostic.help(format!("its attributes are {}", quoted(&names))),
            });
            return None;
        };
        found.get_or_insert(definition);
    }
    found
}

/// `` `a`, `b` and `c` ``.
pub(super) fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    match names.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => names.concat(),
    }
}

/// A literal as the value of an attribute; reports values of another kind.
pub(super) fn literal(definition: &AttrDef, term: &Term, diagnostics: &mut Vec<Diagnostic>) -> Option<AttrValue> {
    let value = match definition.kind {
        AttrKind::Int => integer(term).map(AttrValue::Int),
        AttrKind::Float => number(term).map(|x| AttrValue::Float(x as f32)),
        AttrKind::Str => text(term).map(AttrValue::Str),
        AttrKind::Ints => list(term, integer).map(AttrValue::Ints),
        AttrKind::Floats => list(term, |t| number(t).map(|x| x as f32)).map(AttrValue::Floats),
        AttrKind::Strs => list(term, text).map(AttrValue::Strs),
        AttrKind::Type => match &term.kind {
            TermKind::Name(name) => DType::from_name(name).map(AttrValue::Type),
            _ => None,
        },
    };
    if value.is_none() {
        let message = format!("`{}` must be {}", definition.name, describe(definition.kind));
        diagnostics.push(Diagnostic::error("wrong-attribute", message).label(term.span, "this is not"));
    }
    value
}

/// A kind of attribute in words.
pub(super) fn describe(kind: AttrKind) -> &'static str {
    match kind {
        AttrKind::Int => "an integer",
        AttrKind::Float => "a number",
        AttrKind::Str => "a text",
        AttrKind::Ints => "a list of integers",
        AttrKind::Floats => "a list of numbers",
        AttrKind::Strs => "a list of texts",
        AttrKind::Type => "an element type",
    }
}

fn integer(term: &Term) -> Option<i64> {
    match &term.kind {
        TermKind::Int(x) => Some(*x),
        TermKind::Neg(inner) => integer(inner)?.checked_neg(),
        TermKind::Name(name) if name == "true" => Some(1),
        TermKind::Name(name) if name == "false" => Some(0),
        _ => None,
    }
}

/// A number that is written out.
pub(super) fn number(term: &Term) -> Option<f64> {
    match &term.kind {
        TermKind::Int(x) => Some(*x as f64),
        TermKind::Float(x) => Some(*x),
        TermKind::Neg(inner) => Some(-number(inner)?),
        TermKind::Name(name) if name == "inf" => Some(f64::INFINITY),
        TermKind::Name(name) if name == "nan" => Some(f64::NAN),
        _ => None,
    }
}

fn text(term: &Term) -> Option<String> {
    match &term.kind {
        TermKind::Str(text) => Some(text.clone()),
        _ => None,
    }
}

fn list<T>(term: &Term, item: impl Fn(&Term) -> Option<T>) -> Option<Vec<T>> {
    match &term.kind {
        TermKind::List(items) => items.iter().map(item).collect(),
        _ => None,
    }
}
