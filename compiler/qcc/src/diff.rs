//! Two texts line by line: what went, what came, and a little of what stayed.

use similar::{ChangeTag, TextDiff};

/// Unchanged lines that are shown around a change.
const CONTEXT: usize = 2;

/// The difference of two texts: lines that went begin with `-`, lines that came with `+`, others with a blank; far from any
/// change lines are left out, with `…` in their place. Empty if both are the same.
pub fn lines(old: &str, new: &str) -> String {
    let (old, new) = (old.lines().collect::<Vec<_>>(), new.lines().collect::<Vec<_>>());
    let diff = TextDiff::from_slices(&old, &new);
    let (mut out, mut shown) = (String::new(), 0);
    for group in diff.grouped_ops(CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        if first.old_range().start > shown {
            out += "  …\n";
        }
        shown = last.old_range().end;
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            out += format!("{sign} {}", change.value()).trim_end();
            out.push('\n');
        }
    }
    if shown > 0 && shown < old.len() {
        out += "  …\n";
    }
    out
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn equal_texts_do_not_differ() {
        assert_eq!(lines("a\nb", "a\nb\n"), "");
        assert_eq!(lines("", ""), "");
    }

    #[test]
    fn a_changed_line_is_shown_with_its_neighbours() {
        assert_eq!(lines("1\n2\n3\n4\n5\n6\n7", "1\n2\n3\nx\n5\n6\n7"), "  …\n  2\n  3\n- 4\n+ x\n  5\n  6\n  …\n");
    }

    #[test]
    fn lines_that_come_and_go_do_not_move_the_others() {
        assert_eq!(lines("a\nb", "b"), "- a\n  b\n");
        assert_eq!(lines("b", "b\n\na"), "  b\n+\n+ a\n");
    }
}
