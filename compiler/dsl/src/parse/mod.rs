//! Text to syntax tree.
//!
//! Items are parsed one at a time. A syntax error costs the item it stands in: parsing goes on at the next line that
//! begins like an item.

mod build;
mod term;
mod words;

use crate::ast;
use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};
use qcc_diag::{Diagnostic, FileId, Span};

/// Deepest nesting of brackets. Rules nest ten deep; the parser's stack holds some thousands.
const MAX_DEPTH: usize = 40;

#[derive(pest_derive::Parser)]
#[grammar = "grammar.pest"]
#[allow(missing_docs, reason = "generated from the grammar, which is documented")]
pub(crate) struct Grammar;

/// A pair of the grammar.
type Pair<'a> = pest::iterators::Pair<'a, Rule>;

/// Where a pair's positions lie in its file, and what is wrong with it.
struct Context<'d> {
    file: FileId,
    offset: usize,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl Context<'_> {
    /// The span of a pair without the white space that repetitions take in behind.
    fn span(&self, pair: &Pair<'_>) -> Span {
        let span = pair.as_span();
        self.at(span.start(), span.start() + span.as_str().trim_end().len())
    }

    fn at(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: (self.offset + start) as u32, end: (self.offset + end) as u32 }
    }

    fn name(&self, pair: &Pair<'_>) -> ast::Name {
        ast::Name { text: pair.as_str().to_string(), span: self.span(pair) }
    }
}

/// Parses a file; the result holds all items that could be read.
pub(crate) fn parse(file: FileId, text: &str, diagnostics: &mut Vec<Diagnostic>) -> ast::File {
    let mut result = ast::File::default();
    let before = diagnostics.len();
    for (offset, unit) in units(file, text, diagnostics) {
        build::unit(&mut Context { file, offset, diagnostics }, unit, &mut result);
    }
    if diagnostics.len() > before {
        let names = text.lines().filter_map(|line| line.strip_prefix("rule ")?.split_whitespace().next());
        let read = |name: &&str| result.rules.iter().any(|rule| rule.name.text == *name);
        result.unread = names.filter(|name| !read(name)).map(str::to_string).collect();
    }
    result
}

/// The items that could be read, as pairs of the grammar; positions in a pair count from the offset beside it.
pub(crate) fn units<'t>(file: FileId, text: &'t str, diagnostics: &mut Vec<Diagnostic>) -> Vec<(usize, Pair<'t>)> {
    let mut result = Vec::new();
    let mut offset = 0;
    while let Some(start) = next_item(text, offset) {
        let rest = &text[start..];
        let cx = Context { file, offset: start, diagnostics };
        if let Some(position) = too_deep(rest) {
            let message = format!("brackets nest deeper than {MAX_DEPTH}");
            let diagnostic = Diagnostic::error("syntax", message).label(cx.at(position, position + 1), "here");
            cx.diagnostics.push(diagnostic.help("name parts with `where`"));
            offset = recover(text, start);
            continue;
        }
        match Grammar::parse(Rule::unit, rest) {
            Ok(mut pairs) => {
                let Some(unit) = pairs.next() else { break };
                offset = start + unit.as_span().end().max(1);
                result.push((start, unit));
            }
            Err(error) => {
                let diagnostic = syntax_error(&cx, rest, &error);
                cx.diagnostics.push(diagnostic);
                offset = recover(text, start);
            }
        }
    }
    result
}

/// Start of the next item: skips white space and comments.
fn next_item(text: &str, mut offset: usize) -> Option<usize> {
    loop {
        let rest = text.get(offset..)?;
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        offset = text.len() - trimmed.len();
        if trimmed.is_empty() {
            return None;
        }
        let doc = (trimmed.starts_with("///") && !trimmed.starts_with("////")) || trimmed.starts_with("//!");
        if !trimmed.starts_with("//") || doc {
            return Some(offset);
        }
        offset += trimmed.find('\n').unwrap_or(trimmed.len());
    }
}

/// The next line behind `start` that begins like an item and does not belong to the one that could not be read.
fn recover(text: &str, start: usize) -> usize {
    let line_end = |from: usize| text[from..].find('\n').map_or(text.len(), |i| from + i + 1);
    let mut keyword_seen = starts_item(&text[start..]);
    let mut at = line_end(start);
    while at < text.len() {
        let line = &text[at..];
        let doc = line.starts_with("///") || line.starts_with("//!");
        let begins = doc || line.starts_with('@') || starts_item(line);
        if begins && keyword_seen {
            return at;
        }
        keyword_seen |= starts_item(line);
        at = line_end(at);
    }
    text.len()
}

fn starts_item(line: &str) -> bool {
    const KEYWORDS: [&str; 12] =
        ["module", "import", "class", "commutative", "fn", "pred", "rule", "test", "schedule", "op", "def", "cost"];
    let word = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
    KEYWORDS.contains(&word)
}

/// Position of a bracket that nests too deep, looking no further than the next item.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut in_string = false;
    let mut keyword_seen = starts_item(text);
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((i, b)) = bytes.next() {
        match b {
            b'\\' if in_string => {
                bytes.next();
            }
            b'\n' => in_string = false,
            b'"' => in_string = !in_string,
            b'/' if !in_string && text.as_bytes().get(i + 1) == Some(&b'/') => {
                while bytes.peek().is_some_and(|(_, b)| *b != b'\n') {
                    bytes.next();
                }
            }
            b'(' | b'[' | b'{' if !in_string => depth += 1,
            b')' | b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(i);
        }
        if depth == 0 && b == b'\n' && starts_item(&text[i + 1..]) {
            if keyword_seen {
                return None;
            }
            keyword_seen = true;
        }
    }
    None
}

/// What was expected where the text stops making sense, in words.
fn syntax_error(cx: &Context<'_>, text: &str, error: &pest::error::Error<Rule>) -> Diagnostic {
    let position = match error.location {
        InputLocation::Pos(p) | InputLocation::Span((p, _)) => p,
    };
    let (found, end) = words::found(text, position);
    let expected = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => words::expected(positives),
        ErrorVariant::CustomError { message } => message.clone(),
    };
    let message = format!("expected {expected}, found {found}");
    let diagnostic = Diagnostic::error("syntax", message).label(cx.at(position, end), format!("expected {expected}"));
    match found.as_str() {
        "`=`" => diagnostic.help("`==` compares"),
        "`?`" => diagnostic.help("`?` marks an argument that may be absent: a variable or `_`"),
        _ => diagnostic,
    }
}
