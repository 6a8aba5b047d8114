//! Words of `.qir`.

use qcc_diag::{Diagnostic, FileId, Span};

/// What a word is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// `graph`, `Conv`, `inf`
    Ident,
    /// `%x`
    Value,
    /// `-1`, `1.5e-3`, `-inf`
    Number,
    /// `#9a3b`
    Hash,
    /// `"text"`, with its content
    Text(String),
    /// One of `{}[](),:=?_` or `...`
    Punct,
    /// `// name` behind other words on its line, with its content
    Name(String),
    /// After the last word.
    End,
}

/// A word and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) word: Word,
    pub(super) span: Span,
}

/// All words of the text, the last one [`Word::End`].
pub(super) fn lex(text: &str, file: FileId) -> Result<Vec<Token>, Diagnostic> {
    let span = |start: usize, end: usize| Span { file, start: start as u32, end: end as u32 };
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    let mut line_has_words = false;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let while_in =
            |skip: usize, ok: fn(char) -> bool| skip + rest[skip..].find(|c| !ok(c)).unwrap_or(rest.len() - skip);
        let (word, length) = match c {
            '\n' => {
                line_has_words = false;
                at += 1;
                continue;
            }
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '/' if rest.starts_with("//") => {
                let length = rest.find('\n').unwrap_or(rest.len());
                if line_has_words {
                    let word = Word::Name(rest[2..length].trim().to_string());
                    tokens.push(Token { word, span: span(at, at + length) });
                }
                at += length;
                continue;
            }
            '"' => text_literal(rest).ok_or_else(|| {
                Diagnostic::error("qir-syntax", "a text is not closed, or has an unknown escape")
                    .label(span(at, at + 1), "it begins here")
            })?,
            '%' => (Word::Value, while_in(1, is_name)),
            '#' => (Word::Hash, while_in(1, |c| c.is_ascii_hexdigit())),
            '.' if rest.starts_with("...") => (Word::Punct, 3),
            '-' | '0'..='9' => {
                (Word::Number, while_in(1, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+')))
            }
            c if is_name(c) && (c != '_' || while_in(1, is_name) > 1) => (Word::Ident, while_in(1, is_name)),
            '{' | '}' | '[' | ']' | '(' | ')' | ',' | ':' | '=' | '?' | '_' => (Word::Punct, 1),
            c => {
                let message = format!("`{c}` is not part of the `.qir` language");
                return Err(Diagnostic::error("qir-syntax", message).label(span(at, at + c.len_utf8()), "here"));
            }
        };
        line_has_words = true;
        tokens.push(Token { word, span: span(at, at + length) });
        at += length;
    }
    tokens.push(Token { word: Word::End, span: span(text.len(), text.len()) });
    Ok(tokens)
}

/// Whether a character may stand in a name behind `%`, or in an identifier.
pub(super) fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

/// The content and length of a text literal; escapes are those that Rust prints.
fn text_literal(rest: &str) -> Option<(Word, usize)> {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Some((Word::Text(out), i + 1)),
            '\n' => return None,
            '\\' => out.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '0' => '\0',
                c @ ('"' | '\\' | '\'') => c,
                'u' => {
                    let digits: String =
                        chars.by_ref().map(|(_, c)| c).skip(1).take_while(|&c| c != '}').take(6).collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                }
                _ => return None,
            }),
            c => out.push(c),
        }
    }
    None
}
