//! Diagnostics: what a user reads when something is wrong.
//!
//! Every step of the compiler reports user errors as [`Diagnostic`] values and collects them, so that one run shows all
//! of them. A diagnostic points at text (a [`Span`] of a `.rules` or `.qir` file held by a [`SourceMap`]) or names a
//! node of the model, says what was expected, and says what to do. Rendering is plain text, the same on every terminal.

mod diagnostic;
mod render;
mod source;
mod suggest;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use render::render;
pub use source::{FileId, SourceMap, Span};
pub use suggest::nearest;
