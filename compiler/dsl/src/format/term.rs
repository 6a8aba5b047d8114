//! Terms, lists and what stands between brackets as documents.

use super::layout::{Doc, cat, group, indent, text};
use super::token::Token;
use super::tree::{Brackets, Node, between_commas};
use crate::parse::Rule;

/// A token with its comments.
pub(super) fn token(token: &Token) -> Doc {
    let mut docs = comments(token);
    if !token.leading.is_empty() && token.lines > 1 {
        docs.push(Doc::Blank);
    }
    docs.push(text(&token.text));
    docs.extend(token.trailing.iter().map(|comment| Doc::Trailing(comment.clone())));
    cat(docs)
}

/// The comments in front of a token.
fn comments(token: &Token) -> Vec<Doc> {
    let mut docs = Vec::new();
    for (i, comment) in token.leading.iter().enumerate() {
        if i > 0 && comment.apart {
            docs.push(Doc::Blank);
        }
        docs.push(Doc::Comment(comment.text.clone()));
    }
    docs
}

/// A closing bracket; its comments belong to what it closes.
pub(super) fn closing(close: &Token) -> (Doc, Doc) {
    let bare = Token { leading: Vec::new(), lines: 0, ..close.clone() };
    (cat(comments(close)), token(&bare))
}

/// How tightly a binary operator binds.
fn precedence(operator: &str) -> u8 {
    match operator {
        "or" => 1,
        "and" => 2,
        "+" | "-" => 5,
        "*" | "/" | "%" => 6,
        _ => 4,
    }
}

fn operator(node: &Node) -> Option<u8> {
    match node {
        Node::Token(token) if token.kind == Rule::operator => Some(precedence(&token.text)),
        _ => None,
    }
}

/// Nodes without commas between them; a long one is broken in front of its loosest operators.
pub(super) fn term(nodes: &[Node]) -> Doc {
    match operands(nodes) {
        None => run(nodes),
        Some((first, rest)) => group(cat([first, indent(rest)])),
    }
}

/// The same where the term has its lines for itself.
pub(super) fn own_lines(nodes: &[Node]) -> Doc {
    match operands(nodes) {
        None => run(nodes),
        Some((first, rest)) => group(cat([first, rest])),
    }
}

fn operands(nodes: &[Node]) -> Option<(Doc, Doc)> {
    let loosest = nodes.iter().filter_map(operator).min()?;
    let mut first = None;
    let mut rest = Vec::new();
    let mut start = 0;
    for end in 0..=nodes.len() {
        if end < nodes.len() && operator(&nodes[end]) != Some(loosest) {
            continue;
        }
        let operand = term(&nodes[start..end]);
        match first {
            None => first = Some(operand),
            Some(_) => rest.extend([text(" "), operand]),
        }
        if let Some(Node::Token(sign)) = nodes.get(end) {
            rest.extend([Doc::Line, token(sign)]);
        }
        start = end + 1;
    }
    Some((first?, cat(rest)))
}

/// Nodes in a row.
pub(super) fn run(nodes: &[Node]) -> Doc {
    let mut docs = Vec::new();
    let mut previous: Option<&Token> = None;
    for node in nodes {
        let first = node.first();
        if previous.is_some_and(|previous| spaced(previous, first)) {
            docs.push(text(" "));
        }
        match node {
            Node::Token(t) => {
                docs.push(token(t));
                previous = Some(t);
            }
            Node::Group(brackets) => {
                docs.push(self::brackets(brackets));
                previous = Some(&brackets.close);
            }
        }
    }
    cat(docs)
}

/// Whether a blank separates two tokens.
pub(super) fn spaced(left: &Token, right: &Token) -> bool {
    match right.text.as_str() {
        "," | ";" | "?" | "..." | "." | ":" | "::" => return false,
        "(" if right.within != Rule::paren => return false,
        "[" if matches!(right.within, Rule::dims | Rule::index) => return false,
        _ => {}
    }
    match left.text.as_str() {
        "::" | "." | ".." => false,
        "@" => left.within != Rule::contract,
        ":" => left.within != Rule::call,
        "-" => !matches!(left.kind, Rule::prefix | Rule::signed),
        _ => true,
    }
}

/// Brackets and what stands between them.
pub(super) fn brackets(brackets: &Brackets) -> Doc {
    let (open, elements) = (token(&brackets.open), between_commas(&brackets.inner));
    let (comments, close) = closing(&brackets.close);
    let edge = match brackets.open.text.as_str() {
        "{" if only_rest(brackets) => text(""),
        "{" if !matches!(brackets.open.within, Rule::members | Rule::imported) => Doc::Line,
        _ => Doc::Soft,
    };
    let inner = if brackets.open.text == "[" && elements.iter().all(|(element, _)| integer(element)) {
        Doc::Fill(items(&elements), Box::new(Doc::Soft))
    } else if matches!(brackets.open.within, Rule::members | Rule::imported) {
        Doc::Fill(items(&elements), Box::new(Doc::Line))
    } else {
        // All on one line of their own if they fit there, else one a line.
        group(separated(items(&elements)))
    };
    if elements.is_empty() {
        return group(cat([open, indent(comments), close]));
    }
    group(cat([open, indent(cat([edge.clone(), inner, comments])), edge, close]))
}

/// `{..a}` is short, and never broken.
fn only_rest(brackets: &Brackets) -> bool {
    matches!(brackets.inner.as_slice(), [dots, Node::Token(_)] if dots.is(".."))
}

/// Whether an element of a list is an integer, as in shapes, or a list of them.
fn integer(element: &[Node]) -> bool {
    let last = match element {
        [last] => last,
        [sign, last] if sign.is("-") => last,
        _ => return false,
    };
    match last {
        Node::Token(token) => token.kind == Rule::integer,
        Node::Group(inner) => {
            inner.open.within == Rule::values
                && between_commas(&inner.inner).iter().all(|(element, _)| integer(element))
        }
    }
}

/// Elements with their commas.
fn items(elements: &[(&[Node], Option<&Node>)]) -> Vec<Doc> {
    elements.iter().map(|(element, comma)| cat([term(element), comma.map_or(text(""), comma_doc)])).collect()
}

fn comma_doc(comma: &Node) -> Doc {
    token(comma.first())
}

/// Documents with a break between them.
fn separated(docs: Vec<Doc>) -> Doc {
    let mut result = Vec::new();
    for (i, doc) in docs.into_iter().enumerate() {
        if i > 0 {
            result.push(Doc::Line);
        }
        result.push(doc);
    }
    cat(result)
}

/// A list without brackets, one element a line if it is too long for one.
pub(super) fn list(nodes: &[Node]) -> Doc {
    let mut docs = items(&between_commas(nodes));
    if docs.len() == 1 {
        return docs.remove(0);
    }
    group(indent(separated(docs)))
}

/// A list without brackets, as many elements a line as fit.
pub(super) fn filled(nodes: &[Node]) -> Doc {
    indent(Doc::Fill(items(&between_commas(nodes)), Box::new(Doc::Line)))
}
