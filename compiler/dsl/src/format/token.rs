//! Tokens with the comments around them.
//!
//! The grammar says what a token is (`a-b` is one name where a name may have dashes, and a difference elsewhere); what the
//! grammar names no rule for (brackets, commas) is found between its leaves.

use crate::parse::{Rule, units};
use pest::iterators::Pair;
use qcc_diag::{Diagnostic, FileId};

/// A token.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub text: String,
    /// The grammar's rule of the token; for punctuation the rule it stands in.
    pub kind: Rule,
    /// The rule it stands in.
    pub within: Rule,
    /// Comments on lines of their own in front of it.
    pub leading: Vec<Comment>,
    /// The comment that follows on the same line.
    pub trailing: Option<String>,
    /// Lines begun between the token in front, or the last comment, and this one.
    pub lines: usize,
}

/// A comment on a line of its own.
#[derive(Debug, Clone)]
pub(super) struct Comment {
    pub text: String,
    /// Whether an empty line stands in front.
    pub apart: bool,
}

impl Token {
    /// Whether a new line begins with this token or with the comments in front of it.
    pub(super) fn begins_line(&self) -> bool {
        self.lines > 0 || !self.leading.is_empty()
    }

    /// Its text where that is a sign of the language: not within what is not read.
    pub(super) fn sign(&self) -> &str {
        if self.kind == Rule::unread { "" } else { &self.text }
    }

    /// Whether an empty line stands in front of it and its comments.
    pub(super) fn apart(&self) -> bool {
        self.leading.first().map_or(self.lines > 1, |comment| comment.apart)
    }
}

/// The items of a file, each with its tokens, and the comments behind the last one.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub items: Vec<Vec<Token>>,
    pub rest: Vec<Comment>,
}

/// Reads a file.
pub(super) fn read(file: FileId, text: &str, diagnostics: &mut Vec<Diagnostic>) -> Tokens {
    let mut reader = Reader { text, at: 0, leading: Vec::new(), lines: 1, items: Vec::new() };
    for (start, unit) in units(file, text, diagnostics) {
        reader.items.push(Vec::new());
        reader.pair(&unit, start, Rule::unit);
    }
    reader.gap(text.len(), Rule::EOI);
    for item in &mut reader.items {
        drop_optional(item);
    }
    reader.items.retain(|item| !item.is_empty());
    Tokens { items: reader.items, rest: reader.leading }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    leading: Vec<Comment>,
    lines: usize,
    items: Vec<Vec<Token>>,
}

impl Reader<'_> {
    fn pair(&mut self, pair: &Pair<'_, Rule>, start: usize, within: Rule) {
        let span = pair.as_span();
        let kind = pair.as_rule();
        let mut inner = pair.clone().into_inner().peekable();
        if inner.peek().is_none() {
            let text = token_text(span.as_str(), kind);
            if !text.is_empty() {
                self.gap(start + span.start(), within);
                self.token(text, kind, within);
                self.at = start + span.start() + text.len();
            }
            return;
        }
        self.gap(start + span.start(), within);
        for child in inner {
            self.pair(&child, start, kind);
        }
        self.gap(start + span.start() + span.as_str().trim_end().len(), kind);
    }

    /// White space, comments and punctuation up to a position.
    fn gap(&mut self, end: usize, within: Rule) {
        while self.at < end {
            let rest = &self.text[self.at..end];
            let Some(first) = rest.chars().next() else { return };
            if first.is_whitespace() {
                self.lines += usize::from(first == '\n');
                self.at += first.len_utf8();
            } else if rest.starts_with("//") {
                let line = &self.text[self.at..];
                let length = line.find('\n').unwrap_or(line.len());
                self.comment(line[..length].trim_end().to_string());
                self.at += length;
            } else {
                let length = punctuation(rest);
                let text = rest[..length].to_string();
                self.token(&text, within, within);
                self.at += length;
            }
        }
    }

    fn comment(&mut self, text: String) {
        let lines = std::mem::take(&mut self.lines);
        match self.items.iter_mut().rev().find_map(|item| item.last_mut()) {
            Some(previous) if lines == 0 && previous.trailing.is_none() => previous.trailing = Some(text),
            _ => self.leading.push(Comment { text, apart: lines > 1 }),
        }
    }

    fn token(&mut self, text: &str, kind: Rule, within: Rule) {
        let (leading, lines) = (std::mem::take(&mut self.leading), std::mem::take(&mut self.lines));
        let token = Token { text: text.to_string(), kind, within, leading, trailing: None, lines };
        if let Some(item) = self.items.last_mut() {
            item.push(token);
        }
    }
}

/// A leaf without the white space and comments that a look-ahead takes in behind it.
fn token_text(text: &str, kind: Rule) -> &str {
    match kind {
        Rule::string | Rule::doc_line | Rule::module_doc | Rule::unread => text.trim_end(),
        _ => {
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            &text[..text[..end].find("//").unwrap_or(end)]
        }
    }
}

/// Length of the punctuation or word at the start of a text.
fn punctuation(text: &str) -> usize {
    for sign in ["...", "..", "::"] {
        if text.starts_with(sign) {
            return sign.len();
        }
    }
    let word = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if word > 0 { word } else { text.chars().next().map_or(0, char::len_utf8) }
}

/// Comments in front of a comma belong behind it.
fn comments_behind_comma(item: &mut [Token], comma: usize) {
    if !item[comma].leading.is_empty() {
        let last = item[comma].trailing.take().map(|text| Comment { text, apart: false });
        let mut comments = std::mem::take(&mut item[comma].leading);
        comments.extend(last);
        if let Some(next) = item.get_mut(comma + 1) {
            comments.append(&mut next.leading);
            next.leading = comments;
        }
    }
    if item[comma].trailing.is_none() {
        item[comma].trailing = item[comma - 1].trailing.take();
    } else if let Some(earlier) = item[comma - 1].trailing.take() {
        let later = item[comma].trailing.replace(earlier).map(|text| Comment { text, apart: false });
        if let Some(next) = item.get_mut(comma + 1) {
            next.leading.splice(0..0, later);
        }
    }
}

/// Drops commas in front of a closing bracket and semicolons, and keeps their comments.
fn drop_optional(item: &mut Vec<Token>) {
    let mut i = 0;
    while i < item.len() {
        if item[i].sign() == "," && i > 0 {
            comments_behind_comma(item, i);
        }
        let closes = item.get(i + 1).is_some_and(|next| matches!(next.sign(), ")" | "]" | "}"));
        let optional = item[i].sign() == ";" || (item[i].sign() == "," && closes);
        if !optional || i == 0 {
            i += 1;
            continue;
        }
        let dropped = item.remove(i);
        let mut comments = dropped.leading;
        match (dropped.trailing, item[i - 1].trailing.is_none() && comments.is_empty()) {
            (Some(text), true) => item[i - 1].trailing = Some(text),
            (Some(text), false) => comments.push(Comment { text, apart: false }),
            (None, _) => {}
        }
        if let Some(next) = item.get_mut(i) {
            next.lines += dropped.lines;
            comments.append(&mut next.leading);
            next.leading = comments;
        }
    }
}
