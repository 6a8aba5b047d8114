//! Items as documents.

use super::layout::{Doc, WIDTH, breaks, cat, group, indent, text, width};
use super::term::{closing, filled, list, own_lines, run, term, token};
use super::token::Token;
use super::tree::{Brackets, Node, between_commas};
use crate::parse::Rule;

/// What separates an item from the one in front of it.
pub(super) fn separation(earlier: &[Node], item: &[Node]) -> Doc {
    let documented = item.first().is_some_and(|n| n.is("@") || n.first().kind == Rule::doc_line);
    let apart = documented || kind(earlier) != kind(item) || item.first().is_some_and(|n| n.first().apart());
    if apart { Doc::Blank } else { Doc::Hard }
}

/// Items of one kind may follow each other without an empty line.
fn kind(item: &[Node]) -> Rule {
    match keyword(item) {
        Rule::kw_module | Rule::kw_import | Rule::module_doc => Rule::kw_import,
        other => other,
    }
}

fn keyword(item: &[Node]) -> Rule {
    let (_, body) = documentation(item);
    body.first().map_or(Rule::EOI, |node| node.first().kind)
}

/// An item.
pub(super) fn item(nodes: &[Node]) -> Doc {
    let (docs, body) = documentation(nodes);
    let mut result = Vec::new();
    for line in docs {
        result.extend([run(line), Doc::Hard]);
    }
    result.push(match keyword(body) {
        Rule::kw_rule => rule(body),
        Rule::kw_test => block(body, &mut test),
        Rule::kw_schedule => block(body, &mut steps),
        Rule::kw_class => class(body),
        _ => match body.iter().position(|node| node.first().kind == Rule::equals) {
            Some(equals) => definition(body, equals),
            None => flow(body),
        },
    });
    cat(result)
}

/// Doc lines and the contract, a line each, and the item without them.
fn documentation(item: &[Node]) -> (Vec<&[Node]>, &[Node]) {
    let mut lines = Vec::new();
    let mut rest = item;
    while let Some(node) = rest.first() {
        let length = match node.first().kind {
            Rule::doc_line => 1,
            Rule::contract if node.is("@") => {
                let value = rest.get(2).is_some_and(|n| n.first().within == Rule::contract);
                if value { 3 } else { 2 }
            }
            _ => break,
        };
        let (line, others) = rest.split_at(length.min(rest.len()));
        lines.push(line);
        rest = others;
    }
    (lines, rest)
}

/// A new line in front of a statement, behind an empty one if there was one.
fn line_before(first: &Token) -> Doc {
    if first.apart() { Doc::Blank } else { Doc::Hard }
}

/// `module`, `import`, `commutative` and the like.
fn flow(nodes: &[Node]) -> Doc {
    let first = between_commas(nodes).first().map_or(0, |(element, _)| element.len());
    if first == nodes.len() {
        return run(nodes);
    }
    let Some((keyword, rest)) = nodes.split_first() else { return text("") };
    cat([run(std::slice::from_ref(keyword)), text(" "), filled(rest)])
}

/// `fn f(x) = term`.
fn definition(nodes: &[Node], equals: usize) -> Doc {
    let (head, body) = nodes.split_at(equals + 1);
    group(cat([run(head), indent(cat([Doc::Line, own_lines(body)]))]))
}

/// `class name { Op, … }`; members stay on the lines they are written on.
fn class(nodes: &[Node]) -> Doc {
    let Some((Node::Group(members), head)) = nodes.split_last() else { return run(nodes) };
    let mut lines: Vec<Vec<Doc>> = Vec::new();
    let mut between = Vec::new();
    for (element, comma) in between_commas(&members.inner) {
        let first = element.first().map(Node::first);
        if lines.is_empty() || first.is_some_and(Token::begins_line) {
            between.push(first.map_or(Doc::Line, line_before));
            lines.push(Vec::new());
        }
        let item = cat([run(element), comma.map_or(text(""), |c| token(c.first()))]);
        if let Some(line) = lines.last_mut() {
            line.push(item);
        }
    }
    let (comments, close) = closing(&members.close);
    let broken = members.inner.first().is_some_and(|n| n.first().begins_line()) || lines.len() > 1;
    let edge = if broken { Doc::Hard } else { Doc::Line };
    let mut inner = Vec::new();
    for (i, (line, before)) in lines.into_iter().zip(between).enumerate() {
        inner.push(if i == 0 { edge.clone() } else { before });
        inner.push(Doc::Fill(line, Box::new(Doc::Line)));
    }
    group(cat([run(head), text(" "), token(&members.open), indent(cat([cat(inner), comments])), edge, close]))
}

/// `head { statements }`, always on several lines.
fn block(nodes: &[Node], statements: &mut dyn FnMut(&[Node]) -> Vec<Doc>) -> Doc {
    let Some((Node::Group(body), head)) = nodes.split_last() else { return run(nodes) };
    cat([run(head), text(" "), lines(body, statements)])
}

fn lines(body: &Brackets, statements: &mut dyn FnMut(&[Node]) -> Vec<Doc>) -> Doc {
    let (comments, close) = closing(&body.close);
    let inner = cat(statements(&body.inner));
    cat([token(&body.open), indent(cat([inner, comments])), Doc::Hard, close])
}

/// Splits at the nodes that begin statements.
fn statements(nodes: &[Node], begins: impl Fn(&[Node], usize) -> bool) -> Vec<&[Node]> {
    let mut result = Vec::new();
    let mut start = 0;
    for i in 1..=nodes.len() {
        if i == nodes.len() || begins(nodes, i) {
            result.push(&nodes[start..i]);
            start = i;
        }
    }
    result
}

/// A break in front of each statement, the first one on the line behind the bracket.
fn stacked(parts: Vec<&[Node]>, statement: impl Fn(&[Node]) -> Doc) -> Vec<Doc> {
    let mut docs = Vec::new();
    for (i, part) in parts.into_iter().enumerate() {
        docs.push(if i == 0 { Doc::Hard } else { line_before(part[0].first()) });
        docs.push(statement(part));
    }
    docs
}

/// The graph and the expectations of a test.
fn test(nodes: &[Node]) -> Vec<Doc> {
    let begins = |nodes: &[Node], i: usize| matches!(nodes[i].first().kind, Rule::kw_graph | Rule::kw_expect);
    stacked(statements(nodes, begins), |part| match part.split_last() {
        Some((Node::Group(body), head)) if part[0].first().kind == Rule::kw_graph => graph(head, body),
        _ => with_keyword(part, filled),
    })
}

fn with_keyword(part: &[Node], rest: impl Fn(&[Node]) -> Doc) -> Doc {
    match part.split_first() {
        Some((keyword, others)) if !others.is_empty() => {
            cat([run(std::slice::from_ref(keyword)), text(" "), rest(others)])
        }
        _ => run(part),
    }
}

/// `graph(x: f32[2]) { … }`, on one line if it only returns something.
fn graph(head: &[Node], body: &Brackets) -> Doc {
    let begins = |nodes: &[Node], i: usize| {
        let token = nodes[i].first();
        let name = token.kind == Rule::ident && token.within == Rule::statement && !nodes[i - 1].is(",");
        name || token.kind == Rule::kw_return
    };
    let parts = statements(&body.inner, begins);
    let broken = body.inner.first().is_some_and(|n| n.first().begins_line());
    if parts.len() > 1 || broken {
        return cat([run(head), text(" "), lines(body, &mut |_| stacked(parts.clone(), statement))]);
    }
    let (comments, close) = closing(&body.close);
    let inner = cat(parts.into_iter().map(statement));
    let body = cat([token(&body.open), indent(cat([Doc::Line, inner, comments])), Doc::Line, close]);
    cat([run(head), text(" "), group(body)])
}

/// `y = term` or `return term`.
fn statement(part: &[Node]) -> Doc {
    if part[0].first().kind == Rule::kw_return {
        return with_keyword(part, list);
    }
    match part.iter().position(|node| node.first().kind == Rule::equals) {
        Some(equals) => cat([run(&part[..=equals]), text(" "), term(&part[equals + 1..])]),
        None => run(part),
    }
}

/// Steps of a schedule.
fn steps(nodes: &[Node]) -> Vec<Doc> {
    let begins = |nodes: &[Node], i: usize| matches!(nodes[i].first().kind, Rule::strategy | Rule::kw_repeat);
    stacked(statements(nodes, begins), |part| match part.split_last() {
        Some((Node::Group(body), head)) if part[0].first().kind == Rule::kw_repeat => {
            cat([run(head), text(" "), lines(body, &mut steps)])
        }
        _ => cat([run(part)]),
    })
}

/// `rule name in set:` and on the following lines both sides and the clauses.
fn rule(nodes: &[Node]) -> Doc {
    let colon = nodes.iter().position(|node| node.is(":")).map_or(nodes.len(), |i| i + 1);
    let (head, body) = nodes.split_at(colon);
    let begins = |nodes: &[Node], i: usize| {
        matches!(nodes[i].first().kind, Rule::arrow | Rule::kw_if | Rule::kw_where)
            && matches!(nodes[i], Node::Token(_))
    };
    let parts = statements(body, begins);
    let reasons = reason_column(&parts);
    let mut docs = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        let first = part[0].first();
        let follows_left = i == 1 && first.kind == Rule::arrow && !first.begins_line();
        docs.push(match i {
            0 => Doc::Hard,
            _ if follows_left => Doc::Line,
            _ => line_before(first),
        });
        docs.push(match first.kind {
            Rule::kw_if => guard(part, reasons),
            Rule::arrow | Rule::kw_where => with_keyword(part, list),
            _ => list(part),
        });
    }
    let clauses = docs.split_off(docs.len().min(4));
    cat([run(head), indent(cat([group_sides(docs), cat(clauses)]))])
}

/// The left side, and what follows it directly: on one line if the source has them so and they fit.
fn group_sides(docs: Vec<Doc>) -> Doc {
    let mut docs = docs.into_iter();
    let first = docs.next().unwrap_or(Doc::Hard);
    cat([first, group(cat(docs))])
}

/// Parts of `if conditions else "reason"`.
fn split_guard(part: &[Node]) -> (&[Node], &[Node]) {
    let reason = part.iter().position(|node| node.first().kind == Rule::kw_else).unwrap_or(part.len());
    part.split_at(reason)
}

/// The column of the reasons of a rule's guards, if they fit there.
fn reason_column(parts: &[&[Node]]) -> Option<usize> {
    let mut column = 0;
    let mut longest = 0;
    for part in parts.iter().filter(|part| part[0].first().kind == Rule::kw_if) {
        let (condition, reason) = split_guard(part);
        let (head, tail) = (with_keyword(condition, list), run(reason));
        let alone = width(&head) + 1 + width(&tail) + 2;
        if reason.is_empty() || breaks(&head) || alone > WIDTH {
            continue;
        }
        column = column.max(width(&head) + 1);
        longest = longest.max(width(&tail));
    }
    (column + longest + 2 <= WIDTH).then_some(column)
}

fn guard(part: &[Node], column: Option<usize>) -> Doc {
    let (condition, reason) = split_guard(part);
    let head = with_keyword(condition, list);
    if reason.is_empty() {
        return head;
    }
    let used = width(&head);
    if let Some(column) = column.filter(|&column| column > used && !breaks(&head)) {
        return cat([head, text(" ".repeat(column - used)), run(reason)]);
    }
    group(cat([head, indent(cat([Doc::Line, run(reason)]))]))
}
