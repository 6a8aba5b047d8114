//! Compile-time computations as text.

use super::{LOOSE, Level, PRODUCT, Printer, SUM, list, parenthesised};
use crate::{Meta, MetaOp, builtins};

const NOT: Level = 3;
const COMPARISON: Level = 4;
const SIGN: Level = 7;
const POSTFIX: Level = 8;

impl Printer<'_> {
    pub(super) fn meta(&self, meta: &Meta, least: Level) -> String {
        let (text, level) = match meta {
            Meta::Int(x) => (x.to_string(), if *x < 0 { SIGN } else { Level::MAX }),
            Meta::Float(x) => (constant(*x), if x.is_sign_negative() { SIGN } else { Level::MAX }),
            Meta::Bool(x) => (x.to_string(), Level::MAX),
            Meta::Str(x) => (quoted(x), Level::MAX),
            Meta::DType(x) => (x.to_string(), Level::MAX),
            Meta::List(items) => (format!("[{}]", list(items, |m| self.meta(m, LOOSE))), Level::MAX),
            Meta::Var(id) => (self.name(*id).to_string(), Level::MAX),
            Meta::AttrOf(id, name) => (format!("{}.{name}", self.name(*id)), Level::MAX),
            Meta::Index(list, i) => (format!("{}[{}]", self.meta(list, POSTFIX), self.meta(i, LOOSE)), Level::MAX),
            Meta::Not(x) => (format!("not {}", self.meta(x, NOT)), NOT),
            Meta::Neg(x) => (format!("-{}", self.meta(x, SIGN)), SIGN),
            Meta::Binary(op, a, b) => {
                let (sign, level) = operator(*op);
                (format!("{} {sign} {}", self.meta(a, level), self.meta(b, level + 1)), level)
            }
            Meta::Call(builtin, args) => {
                (format!("{}({})", builtins::name(*builtin), list(args, |m| self.meta(m, LOOSE))), Level::MAX)
            }
        };
        parenthesised(text, level, least)
    }
}

fn operator(op: MetaOp) -> (&'static str, Level) {
    match op {
        MetaOp::Or => ("or", 1),
        MetaOp::And => ("and", 2),
        MetaOp::Eq => ("==", COMPARISON),
        MetaOp::Ne => ("!=", COMPARISON),
        MetaOp::Lt => ("<", COMPARISON),
        MetaOp::Le => ("<=", COMPARISON),
        MetaOp::Gt => (">", COMPARISON),
        MetaOp::Ge => (">=", COMPARISON),
        MetaOp::Add => ("+", SUM),
        MetaOp::Sub => ("-", SUM),
        MetaOp::Mul => ("*", PRODUCT),
        MetaOp::Div => ("/", PRODUCT),
        MetaOp::Mod => ("%", PRODUCT),
    }
}

/// A number as the grammar reads it.
pub(super) fn constant(x: f64) -> String {
    if x.is_nan() { "nan".to_string() } else { format!("{x:?}") }
}

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut result = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => result.extend(['\\', c]),
            '\n' => result.push_str("\\n"),
            '\t' => result.push_str("\\t"),
            c => result.push(c),
        }
    }
    result.push('"');
    result
}
