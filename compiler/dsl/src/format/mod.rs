//! Text of a `.rules` file in the one style: `qcc rules fmt`.
//!
//! Tokens (`token`) -> brackets (`tree`) -> documents (`item`, `term`) -> lines (`layout`). Nothing but white space,
//! semicolons and commas in front of closing brackets changes, so the result means the same. What an author decides stays:
//! empty lines (at most one), whether a short right side stands on a line of its own, whether a graph that only returns
//! something stands on one line, and which members of a class share a line.

mod item;
mod layout;
#[cfg(test)]
mod random;
mod term;
#[cfg(test)]
mod tests;
mod token;
mod tree;

use layout::{Doc, cat};
use qcc_diag::{Diagnostic, SourceMap};

/// A file in the one style.
///
/// # Errors
/// A file that cannot be parsed is not formatted: its errors, with the text the spans point into.
pub fn format(path: &str, text: &str) -> Result<String, (SourceMap, Vec<Diagnostic>)> {
    let mut map = SourceMap::default();
    let mut diagnostics = Vec::new();
    let file = map.add(path, text);
    let tokens = token::read(file, text, &mut diagnostics);
    if !diagnostics.is_empty() {
        return Err((map, diagnostics));
    }
    let items: Vec<Vec<tree::Node>> = tokens.items.into_iter().map(tree::tree).collect();
    let mut docs = Vec::new();
    for (i, item) in items.iter().enumerate() {
        if let Some(earlier) = i.checked_sub(1).and_then(|i| items.get(i)) {
            docs.push(item::separation(earlier, item));
        }
        docs.push(item::item(item));
    }
    for comment in &tokens.rest {
        docs.extend([if comment.apart { Doc::Blank } else { Doc::Hard }, Doc::Comment(comment.text.clone())]);
    }
    Ok(layout::print(&cat(docs)))
}
