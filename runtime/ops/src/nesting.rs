//! How deep things read from a file may nest.
//!
//! Reading a structure that contains itself calls itself, so a file of a few kilobytes could exhaust the stack. Every field
//! through which a structure of the artifact contains itself is read by [`within`].

use serde::{Deserialize, Deserializer, de::Error};
use std::cell::Cell;

/// Deepest nesting that is read: far beyond real programs (branches in branches, loops of kernels), and with the frames of
/// the reading code a few hundred kibibytes of stack.
pub const DEEPEST: usize = 64;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Reads a field one level deeper than what it stands in; for `#[serde(deserialize_with)]`.
///
/// # Errors
/// Nesting deeper than [`DEEPEST`]; those of the field.
pub fn within<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    let depth = DEPTH.get();
    if depth == DEEPEST {
        return Err(D::Error::custom(format!("nested deeper than {DEEPEST}")));
    }
    DEPTH.set(depth + 1);
    let read = T::deserialize(d);
    DEPTH.set(depth);
    read
}
