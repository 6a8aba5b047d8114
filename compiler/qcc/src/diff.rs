//! Two texts line by line: what went, what came, and a little of what stayed.

/// Unchanged lines that are shown around a change.
const CONTEXT: usize = 2;

/// Most cells of the table of common lines; graphs of tests have some tens of lines. Longer texts are shown one after the
/// other.
const CELLS: usize = 1 << 22;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'t> {
    Same(&'t str),
    Gone(&'t str),
    New(&'t str),
}

/// The difference of two texts: lines that went begin with `-`, lines that came with `+`, others with a blank; far from any
/// change lines are left out, with `…` in their place. Empty if both are the same.
pub fn lines(old: &str, new: &str) -> String {
    let all = compare(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>());
    let changed: Vec<usize> = (0..all.len()).filter(|&i| !matches!(all[i], Line::Same(_))).collect();
    let near = |i: usize| changed.iter().any(|&c| c.abs_diff(i) <= CONTEXT);
    let mut out = String::new();
    let mut skipped = false;
    for (i, line) in all.iter().enumerate() {
        if !near(i) {
            skipped = !changed.is_empty();
            continue;
        }
        if std::mem::take(&mut skipped) {
            out += "  …\n";
        }
        let (sign, text) = match line {
            Line::Same(text) => (' ', text),
            Line::Gone(text) => ('-', text),
            Line::New(text) => ('+', text),
        };
        out += format!("{sign} {text}").trim_end();
        out.push('\n');
    }
    if skipped {
        out += "  …\n";
    }
    out
}

/// Lines in the order of both texts, along a longest common subsequence.
fn compare<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    let (n, m) = (old.len(), new.len());
    if (n + 1).saturating_mul(m + 1) > CELLS {
        return old.iter().map(|l| Line::Gone(l)).chain(new.iter().map(|l| Line::New(l))).collect();
    }
    // `common[i][j]` lines are common to the ends of the texts from `i` and `j` on.
    let mut common = vec![vec![0usize; m + 1]; n + 1];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            common[i][j] = match old[i] == new[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < n || j < m {
        if i < n && j < m && old[i] == new[j] {
            out.push(Line::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == m || (i < n && common[i + 1][j] >= common[i][j + 1]) {
            out.push(Line::Gone(old[i]));
            i += 1;
        } else {
            out.push(Line::New(new[j]));
            j += 1;
        }
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
