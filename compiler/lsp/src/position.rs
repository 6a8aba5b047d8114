//! Bytes of a text and positions as editors count them.

use lsp_types::{Position, PositionEncodingKind, Range};
use qcc_diag::Span;

/// How an editor counts columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Columns {
    /// In bytes.
    Utf8,
    /// In 16-bit units, which every editor can.
    Utf16,
}

impl Columns {
    /// Bytes if the editor offers them.
    pub(crate) fn negotiate(offered: Option<&[PositionEncodingKind]>) -> Columns {
        let bytes = offered.is_some_and(|kinds| kinds.contains(&PositionEncodingKind::UTF8));
        if bytes { Columns::Utf8 } else { Columns::Utf16 }
    }

    /// The kind as the protocol names it.
    pub(crate) fn kind(self) -> PositionEncodingKind {
        match self {
            Columns::Utf8 => PositionEncodingKind::UTF8,
            Columns::Utf16 => PositionEncodingKind::UTF16,
        }
    }

    fn of(self, c: char) -> usize {
        match self {
            Columns::Utf8 => c.len_utf8(),
            Columns::Utf16 => c.len_utf16(),
        }
    }

    /// The position of a byte; the end of the text for bytes behind it.
    pub(crate) fn position(self, text: &str, offset: usize) -> Position {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line = before.matches('\n').count();
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        let column: usize = before[start..].chars().map(|c| self.of(c)).sum();
        Position { line: line as u32, character: column as u32 }
    }

    /// The byte of a position; the end of its line for columns behind it.
    pub(crate) fn offset(self, text: &str, position: Position) -> usize {
        let mut start = 0;
        for _ in 0..position.line {
            match text[start..].find('\n') {
                Some(i) => start += i + 1,
                None => return text.len(),
            }
        }
        let mut column = 0;
        for (i, c) in text[start..].char_indices() {
            if c == '\n' || column >= position.character as usize {
                return start + i;
            }
            column += self.of(c);
        }
        text.len()
    }

    /// The range of a span.
    pub(crate) fn range(self, text: &str, span: Span) -> Range {
        Range { start: self.position(text, span.start as usize), end: self.position(text, span.end as usize) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_lead_back_to_their_bytes() {
        let text = "a é\n𝄞 x\n\nend";
        for columns in [Columns::Utf8, Columns::Utf16] {
            for (offset, _) in text.char_indices().chain([(text.len(), ' ')]) {
                let position = columns.position(text, offset);
                assert_eq!(columns.offset(text, position), offset, "{columns:?} {position:?}");
            }
        }
        assert_eq!(Columns::Utf16.position(text, 9), Position { line: 1, character: 2 });
        assert_eq!(Columns::Utf8.position(text, 9), Position { line: 1, character: 4 });
        assert_eq!(Columns::Utf8.offset(text, Position { line: 9, character: 9 }), text.len());
        assert_eq!(Columns::Utf8.offset(text, Position { line: 2, character: 9 }), 12);
    }
}
