//! Where lines break: a small language of texts, possible breaks and groups, and its printer.
//!
//! A group is printed on one line if it fits, else all its own breaks become new lines. A comment runs to the end of its
//! line, so what holds one is never printed on one line.

/// Columns that code may take.
pub(super) const WIDTH: usize = 100;

/// Something to print.
#[derive(Debug, Clone)]
pub(super) enum Doc {
    /// A text without line breaks.
    Text(String),
    /// Blank, or a new line in a broken group.
    Line,
    /// Nothing, or a new line in a broken group.
    Soft,
    /// A new line.
    Hard,
    /// A new line behind an empty one.
    Blank,
    /// Documents in a row.
    Cat(Vec<Doc>),
    /// The same, two columns further in.
    Indent(Box<Doc>),
    /// On one line if it fits; made by [`group`].
    Group(Box<Doc>, Fate),
    /// Items with a break behind each but the last, as many on a line as fit.
    Fill(Vec<Doc>, Box<Doc>),
    /// A comment on a line of its own.
    Comment(String),
    /// A comment behind what stands on the line.
    Trailing(String),
}

/// Whether a group has a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// On one line if it fits.
    Open,
    /// It holds a comment or a line break.
    Broken,
}

/// A text.
pub(super) fn text(text: impl Into<String>) -> Doc {
    Doc::Text(text.into())
}

/// Documents in a row.
pub(super) fn cat(docs: impl IntoIterator<Item = Doc>) -> Doc {
    Doc::Cat(docs.into_iter().collect())
}

/// Two columns further in.
pub(super) fn indent(doc: Doc) -> Doc {
    Doc::Indent(Box::new(doc))
}

/// On one line if it fits.
pub(super) fn group(doc: Doc) -> Doc {
    let fate = if breaks_inside(&doc) { Fate::Broken } else { Fate::Open };
    Doc::Group(Box::new(doc), fate)
}

/// Whether a document, and something behind it, cannot stand on one line.
pub(super) fn breaks(doc: &Doc) -> bool {
    match doc {
        Doc::Text(_) | Doc::Line | Doc::Soft => false,
        Doc::Hard | Doc::Blank | Doc::Comment(_) | Doc::Trailing(_) => true,
        Doc::Cat(docs) | Doc::Fill(docs, _) => docs.iter().any(breaks),
        Doc::Group(_, Fate::Broken) => true,
        Doc::Indent(inner) | Doc::Group(inner, _) => breaks(inner),
    }
}

/// Whether a document cannot stand on one line by itself: a comment at its end does no harm.
fn breaks_inside(doc: &Doc) -> bool {
    match doc {
        Doc::Trailing(_) => false,
        Doc::Cat(docs) | Doc::Fill(docs, _) => {
            let mut docs = docs.iter().rev().skip_while(|doc| matches!(doc, Doc::Text(text) if text.is_empty()));
            let Some(last) = docs.next() else { return false };
            match last {
                Doc::Trailing(_) => docs.any(breaks),
                last => breaks_inside(last) || docs.any(breaks),
            }
        }
        Doc::Group(_, fate) => *fate == Fate::Broken,
        Doc::Indent(inner) => breaks_inside(inner),
        other => breaks(other),
    }
}

/// Columns of a document on one line.
pub(super) fn width(doc: &Doc) -> usize {
    match doc {
        Doc::Text(text) => text.chars().count(),
        Doc::Line => 1,
        Doc::Soft | Doc::Hard | Doc::Blank | Doc::Comment(_) | Doc::Trailing(_) => 0,
        Doc::Cat(docs) => docs.iter().map(width).sum(),
        Doc::Indent(inner) | Doc::Group(inner, _) => width(inner),
        Doc::Fill(docs, between) => {
            docs.iter().map(width).sum::<usize>() + docs.len().saturating_sub(1) * width(between)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Flat,
    Broken,
}

/// What is still to be printed: indentation, mode, document.
type Task<'d> = (usize, Mode, &'d Doc);

/// The text of a document, every line without blanks at its end.
pub(super) fn print(doc: &Doc) -> String {
    let mut printer = Printer { out: String::new(), column: 0, line: State::Empty };
    let mut tasks: Vec<Task<'_>> = vec![(0, Mode::Broken, doc)];
    while let Some(task) = tasks.pop() {
        printer.step(task, &mut tasks);
    }
    while printer.out.ends_with(['\n', ' ']) {
        printer.out.pop();
    }
    if !printer.out.is_empty() {
        printer.out.push('\n');
    }
    printer.out
}

/// What stands on the current line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At most its indentation.
    Empty,
    /// Something.
    Begun,
    /// It ends in a comment.
    Full,
}

struct Printer {
    out: String,
    column: usize,
    line: State,
}

impl Printer {
    fn step<'d>(&mut self, (indentation, mode, doc): Task<'d>, tasks: &mut Vec<Task<'d>>) {
        match doc {
            Doc::Text(text) if text.is_empty() => {}
            Doc::Text(text) => {
                if self.line == State::Full {
                    self.new_line(indentation);
                }
                self.out.push_str(text);
                self.column += text.chars().count();
                self.line = State::Begun;
            }
            Doc::Line if mode == Mode::Flat && self.line != State::Full => {
                self.out.push(' ');
                self.column += 1;
            }
            Doc::Soft if mode == Mode::Flat && self.line != State::Full => {}
            Doc::Line | Doc::Soft | Doc::Hard => {
                if self.line != State::Empty {
                    self.new_line(indentation);
                } else {
                    self.indent(indentation);
                }
            }
            Doc::Blank => {
                if self.line != State::Empty {
                    self.new_line(0);
                }
                if !self.out.is_empty() && !self.out.ends_with("\n\n") {
                    self.out.push('\n');
                }
                self.indent(indentation);
            }
            Doc::Cat(docs) => tasks.extend(docs.iter().rev().map(|doc| (indentation, mode, doc))),
            Doc::Indent(inner) => tasks.push((indentation + 2, mode, inner)),
            Doc::Group(inner, fate) => {
                let flat = *fate == Fate::Open
                    && (mode == Mode::Flat || fits(self.room(), &[(indentation, Mode::Flat, inner)], tasks));
                tasks.push((indentation, if flat { Mode::Flat } else { Mode::Broken }, inner));
            }
            Doc::Fill(docs, between) => self.fill(indentation, docs, between, tasks),
            Doc::Comment(text) => {
                match self.line {
                    State::Empty => self.indent(indentation),
                    State::Begun | State::Full => self.new_line(indentation),
                }
                self.out.push_str(text);
                self.line = State::Full;
            }
            Doc::Trailing(text) => {
                match self.line {
                    State::Empty => self.indent(indentation),
                    State::Begun => self.out.push_str("  "),
                    State::Full => self.new_line(indentation),
                }
                self.out.push_str(text);
                self.line = State::Full;
            }
        }
    }

    fn room(&self) -> usize {
        WIDTH.saturating_sub(self.column)
    }

    fn new_line(&mut self, indentation: usize) {
        let end = self.out.trim_end_matches(' ').len();
        self.out.truncate(end);
        self.out.push('\n');
        self.column = 0;
        self.line = State::Empty;
        self.indent(indentation);
    }

    /// Moves to a column of a line that is empty so far.
    fn indent(&mut self, indentation: usize) {
        let start = self.out.rfind('\n').map_or(0, |i| i + 1);
        self.out.truncate(start);
        self.out.extend(std::iter::repeat_n(' ', indentation));
        self.column = indentation;
    }

    fn fill<'d>(&mut self, indentation: usize, docs: &'d [Doc], between: &'d Doc, tasks: &mut Vec<Task<'d>>) {
        // Placement is decided item by item as they are printed, so what is behind an item waits on the stack.
        for (i, doc) in docs.iter().enumerate() {
            let rest: &[Task<'_>] = if i + 1 == docs.len() { tasks } else { &[] };
            let flat = (indentation, Mode::Flat, doc);
            if i > 0 {
                let together =
                    !breaks_inside(doc) && fits(self.room(), &[flat, (indentation, Mode::Flat, between)], rest);
                self.now((indentation, if together { Mode::Flat } else { Mode::Broken }, between));
            }
            let whole = !breaks_inside(doc) && fits(self.room(), &[flat], rest);
            self.now((indentation, if whole { Mode::Flat } else { Mode::Broken }, doc));
        }
    }

    fn now(&mut self, task: Task<'_>) {
        let mut tasks = vec![task];
        while let Some(task) = tasks.pop() {
            self.step(task, &mut tasks);
        }
    }
}

/// Whether `tasks` (the last one first) and what of `rest` follows up to the first possible break fit into the room.
fn fits(room: usize, tasks: &[Task<'_>], rest: &[Task<'_>]) -> bool {
    let mut room = room as isize;
    let mut stack = tasks.to_vec();
    let mut rest = rest.iter().rev();
    while room >= 0 {
        let Some((indentation, mode, doc)) = stack.pop().or_else(|| rest.next().copied()) else { return true };
        match (doc, mode) {
            (Doc::Text(text), _) => room -= text.chars().count() as isize,
            (Doc::Line, Mode::Flat) => room -= 1,
            (Doc::Soft, Mode::Flat) => {}
            (Doc::Line | Doc::Soft, Mode::Broken) => return true,
            (Doc::Hard | Doc::Blank | Doc::Comment(_) | Doc::Trailing(_), _) => return true,
            (Doc::Cat(docs), _) => stack.extend(docs.iter().rev().map(|doc| (indentation, mode, doc))),
            (Doc::Indent(inner), _) => stack.push((indentation, mode, inner)),
            (Doc::Group(inner, _), _) => stack.push((indentation, mode, inner)),
            (Doc::Fill(docs, between), _) => {
                for (i, doc) in docs.iter().enumerate().rev() {
                    stack.push((indentation, mode, doc));
                    if i > 0 {
                        stack.push((indentation, mode, between));
                    }
                }
            }
        }
    }
    false
}
