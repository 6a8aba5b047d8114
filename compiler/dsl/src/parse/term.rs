//! Terms.

use super::{Context, Pair, Rule};
use crate::ast::{Argument, Attributes, Call, ClassRef, Content, Name, Operator, Rest, Tensor, Term, TermKind};
use qcc_diag::{Diagnostic, Span};
use qcc_tensor::DType;

/// Most operators in a row. Rules have a handful; every one is a level of the tree.
const MAX_OPERATORS: usize = 200;

/// Children of a pair that are no punctuation.
pub(super) fn children(pair: Pair<'_>) -> Vec<Pair<'_>> {
    let noise = |kind: Rule| {
        matches!(
            kind,
            Rule::comma
                | Rule::colon
                | Rule::double_colon
                | Rule::equals
                | Rule::open_paren
                | Rule::close_paren
                | Rule::open_brace
                | Rule::close_brace
                | Rule::open_bracket
                | Rule::close_bracket
                | Rule::kw_in
                | Rule::kw_map
        )
    };
    pair.into_inner().filter(|p| !noise(p.as_rule())).collect()
}

/// A `term` pair.
pub(super) fn term(cx: &mut Context<'_>, pair: Pair<'_>) -> Term {
    let span = cx.span(&pair);
    let parts = children(pair);
    if parts.len() > MAX_OPERATORS {
        let message = format!("more than {MAX_OPERATORS} operators in a row");
        cx.diagnostics.push(Diagnostic::error("syntax", message).label(span, "this term"));
        return Term { kind: TermKind::Error, span };
    }
    let mut parts = parts.into_iter().peekable();
    climb(cx, &mut parts, 0).unwrap_or(Term { kind: TermKind::Error, span })
}

/// How tightly operators bind; `not` binds looser than comparisons, the minus sign tightest.
fn precedence(operator: Operator) -> u8 {
    match operator {
        Operator::Or => 1,
        Operator::And => 2,
        Operator::Eq | Operator::Ne | Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge => 4,
        Operator::Add | Operator::Sub => 5,
        Operator::Mul | Operator::Div | Operator::Mod => 6,
    }
}

const NOT: u8 = 3;
const SIGN: u8 = 7;

pub(super) fn operator(text: &str) -> Operator {
    match text {
        "or" => Operator::Or,
        "and" => Operator::And,
        "==" => Operator::Eq,
        "!=" => Operator::Ne,
        "<" => Operator::Lt,
        "<=" => Operator::Le,
        ">" => Operator::Gt,
        ">=" => Operator::Ge,
        "+" => Operator::Add,
        "-" => Operator::Sub,
        "*" => Operator::Mul,
        "/" => Operator::Div,
        _ => Operator::Mod,
    }
}

type Parts<'a> = std::iter::Peekable<std::vec::IntoIter<Pair<'a>>>;

/// Precedence climbing over prefixes, operands and operators.
fn climb(cx: &mut Context<'_>, parts: &mut Parts<'_>, least: u8) -> Option<Term> {
    let first = parts.next()?;
    let start = cx.span(&first);
    let mut left = if first.as_rule() == Rule::prefix {
        let sign = first.as_str() == "-";
        let operand = climb(cx, parts, if sign { SIGN } else { NOT })?;
        let span = start.to(operand.span);
        let operand = Box::new(operand);
        Term { kind: if sign { TermKind::Neg(operand) } else { TermKind::Not(operand) }, span }
    } else {
        postfix(cx, first)
    };
    while let Some(next) = parts.peek() {
        let operator = operator(next.as_str());
        let level = precedence(operator);
        if level < least.max(1) {
            break;
        }
        parts.next();
        let right = climb(cx, parts, level + 1)?;
        let span = left.span.to(right.span);
        left = Term { kind: TermKind::Binary(operator, Box::new(left), Box::new(right)), span };
    }
    Some(left)
}

fn postfix(cx: &mut Context<'_>, pair: Pair<'_>) -> Term {
    let mut parts = children(pair).into_iter();
    let Some(first) = parts.next() else { unreachable!("a postfix has a primary") };
    let mut result = primary(cx, first);
    for part in parts {
        let span = result.span.to(cx.span(&part));
        let is_field = part.as_rule() == Rule::field;
        let Some(inner) = children(part).into_iter().next() else { continue };
        let operand = Box::new(result);
        let kind = if is_field {
            TermKind::Field(operand, cx.name(&inner))
        } else {
            TermKind::Index(operand, Box::new(term(cx, inner)))
        };
        result = Term { kind, span };
    }
    result
}

fn primary(cx: &mut Context<'_>, pair: Pair<'_>) -> Term {
    let span = cx.span(&pair);
    let mut parts = children(pair).into_iter();
    let Some(inner) = parts.next() else { return Term { kind: TermKind::Error, span } };
    let kind = match inner.as_rule() {
        Rule::ident => named(cx, cx.name(&inner), parts.next()),
        Rule::wild => TermKind::Wild,
        Rule::integer => integer(cx, &inner).map_or(TermKind::Error, TermKind::Int),
        Rule::float => TermKind::Float(float(inner.as_str())),
        Rule::string => TermKind::Str(string(inner.as_str())),
        Rule::paren => match children(inner).into_iter().next() {
            Some(inner) => term(cx, inner).kind,
            None => TermKind::Error,
        },
        Rule::list => TermKind::List(children(inner).into_iter().map(|p| term(cx, p)).collect()),
        Rule::random => {
            let positive = inner.as_str().starts_with("rand_positive");
            let (dtype, shape) = tensor_type(cx, children(inner));
            let content = if positive { Content::RandomPositive } else { Content::Random };
            TermKind::Tensor(Tensor { dtype, shape, content })
        }
        Rule::full => {
            let parts = children(inner);
            let value = parts.last().map_or(0.0, |p| signed(p.as_str()));
            let (dtype, shape) = tensor_type(cx, parts);
            /// A constant that is written in a rule file is small; the e-graph evaluates 64 elements.
            const MAX_ELEMENTS: usize = 1 << 20;
            let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MAX_ELEMENTS);
            let Some(elements) = elements else {
                cx.diagnostics.push(Diagnostic::error("too-large", "the constant is too large").label(span, "here"));
                return Term { kind: TermKind::Error, span };
            };
            TermKind::Tensor(Tensor { dtype, shape, content: Content::Values(vec![value; elements]) })
        }
        Rule::typed => {
            let mut parts = children(inner).into_iter();
            let (Some(ty), Some(content)) = (parts.next(), parts.next()) else { unreachable!("two parts") };
            let mut shape = Vec::new();
            let mut data = Vec::new();
            if content.as_rule() == Rule::signed {
                data.push(signed(content.as_str()));
            } else {
                values(cx, content, 0, &mut shape, &mut data);
            }
            TermKind::Tensor(Tensor { dtype: dtype(ty.as_str()), shape, content: Content::Values(data) })
        }
        _ => TermKind::Error,
    };
    Term { kind, span }
}

/// Nested lists of numbers; all lists of a level must have one length.
fn values(cx: &mut Context<'_>, pair: Pair<'_>, depth: usize, shape: &mut Vec<usize>, data: &mut Vec<f64>) {
    let span = cx.span(&pair);
    let items = children(pair);
    if shape.len() == depth {
        shape.push(items.len());
    }
    let numbers = items.iter().filter(|p| p.as_rule() == Rule::signed).count();
    let even = shape[depth] == items.len() && (numbers == 0 || numbers == items.len());
    if !even || (numbers > 0 && shape.len() > depth + 1) {
        let diagnostic =
            Diagnostic::error("ragged-list", "the list is not rectangular").label(span, "this part differs");
        cx.diagnostics.push(diagnostic);
        return;
    }
    for item in items {
        if item.as_rule() == Rule::signed {
            data.push(signed(item.as_str()))
        } else {
            values(cx, item, depth + 1, shape, data)
        }
    }
}

fn tensor_type(cx: &mut Context<'_>, parts: Vec<Pair<'_>>) -> (DType, Vec<usize>) {
    let ty = parts.iter().find(|p| p.as_rule() == Rule::dtype).map_or(DType::F32, |p| dtype(p.as_str()));
    let shape = parts.into_iter().find(|p| p.as_rule() == Rule::dims).map_or(Vec::new(), |p| dims(cx, p));
    (ty, shape)
}

/// A shape; sizes are bounded so that no product of them overflows silently.
pub(super) fn dims(cx: &mut Context<'_>, pair: Pair<'_>) -> Vec<usize> {
    children(pair).iter().map(|p| integer(cx, p).and_then(|n| usize::try_from(n).ok()).unwrap_or(0)).collect()
}

pub(super) fn dtype(text: &str) -> DType {
    DType::from_name(text).unwrap_or(DType::F32)
}

/// A name by itself, or with what makes it a call, a binding or a typed variable.
fn named(cx: &mut Context<'_>, name: Name, tail: Option<Pair<'_>>) -> TermKind {
    let Some(tail) = tail else { return TermKind::Name(name.text) };
    let kind = tail.as_rule();
    let mut parts = children(tail);
    match (kind, parts.first()) {
        (Rule::bound, Some(_)) => TermKind::Bind(name, Box::new(postfix(cx, parts.remove(0)))),
        (Rule::of_type, Some(ty)) => TermKind::Typed(name, dtype(ty.as_str())),
        _ => TermKind::Call(call(cx, name, parts)),
    }
}

fn call(cx: &mut Context<'_>, callee: Name, parts: Vec<Pair<'_>>) -> Call {
    let (mut class, mut arguments, mut attributes) = (None, Vec::new(), None);
    for part in parts {
        match part.as_rule() {
            Rule::class_ref => class = children(part).into_iter().next().map(|p| class_ref(cx, p)),
            Rule::attributes => attributes = Some(attribute_block(cx, part)),
            _ => arguments.push(argument(cx, part)),
        }
    }
    Call { callee, class, arguments, attributes }
}

fn class_ref(cx: &mut Context<'_>, pair: Pair<'_>) -> ClassRef {
    match pair.as_rule() {
        Rule::members => ClassRef::Members(children(pair).iter().map(|p| cx.name(p)).collect()),
        _ => ClassRef::Named(cx.name(&pair)),
    }
}

fn argument(cx: &mut Context<'_>, pair: Pair<'_>) -> Argument {
    let span = cx.span(&pair);
    match pair.as_rule() {
        Rule::optional => match children(pair).into_iter().next() {
            Some(p) if p.as_rule() == Rule::ident => Argument::Optional(cx.name(&p)),
            _ => Argument::OptionalWild(span),
        },
        Rule::spread => match children(pair).first() {
            Some(p) => Argument::Spread(cx.name(p)),
            None => Argument::OptionalWild(span),
        },
        Rule::mapped => {
            let mut parts = children(pair).into_iter();
            let (Some(element), Some(over), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
                unreachable!("map has three parts")
            };
            Argument::Each { element: cx.name(&element), over: cx.name(&over), body: term(cx, body) }
        }
        _ => Argument::One(term(cx, pair)),
    }
}

fn attribute_block(cx: &mut Context<'_>, pair: Pair<'_>) -> Attributes {
    let span = cx.span(&pair);
    let mut result = Attributes { named: Vec::new(), rest: None, span };
    for part in children(pair) {
        let span = cx.span(&part);
        let rest = match part.as_rule() {
            Rule::ignore_rest => Rest::Ignore(span),
            Rule::bind_rest => match children(part).first() {
                Some(p) => Rest::Bind(cx.name(p)),
                None => continue,
            },
            _ => {
                let mut parts = children(part).into_iter();
                if let (Some(name), Some(value)) = (parts.next(), parts.next()) {
                    result.named.push((cx.name(&name), term(cx, value)));
                }
                continue;
            }
        };
        if result.rest.is_some() {
            let diagnostic = Diagnostic::error("duplicate-rest", "the remaining attributes are named twice");
            cx.diagnostics.push(diagnostic.label(span, "once is enough"));
        }
        result.rest = Some(rest);
    }
    result
}

/// An integer of at most 63 bits.
pub(super) fn integer(cx: &mut Context<'_>, pair: &Pair<'_>) -> Option<i64> {
    let value = pair.as_str().replace('_', "").parse().ok();
    if value.is_none() {
        let span: Span = cx.span(pair);
        cx.diagnostics.push(Diagnostic::error("too-large", "the integer does not fit 64 bits").label(span, "here"));
    }
    value
}

fn float(text: &str) -> f64 {
    text.replace('_', "").parse().unwrap_or(f64::NAN)
}

fn signed(text: &str) -> f64 {
    match text.trim_start_matches('-').trim() {
        "true" => 1.0,
        "false" => 0.0,
        number if text.starts_with('-') => -float(number),
        number => float(number),
    }
}

/// The text between the quotes.
pub(super) fn string(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    let mut result = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => result.push('\n'),
                Some('t') => result.push('\t'),
                Some('r') => result.push('\r'),
                Some('0') => result.push('\0'),
                Some(other) => result.push(other),
                None => {}
            },
            (c, false) => result.push(c),
        }
    }
    result
}
