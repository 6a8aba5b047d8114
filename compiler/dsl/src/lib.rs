//! The `.rules` language: text in, checked [`RuleSet`] out.
//!
//! `grammar.pest` -> syntax tree (`ast`) -> names and imports (`scope`, `load`) -> rules (`resolve`) -> checks (`check`).
//! All errors of all files are reported together; a syntax error costs the item it stands in.

mod ast;
mod builtins;
mod check;
mod compile;
mod def;
mod explore;
mod format;
mod load;
mod parse;
mod print;
mod reference;
mod resolve;
mod ruleset;
mod scope;

pub use compile::compile;
pub use def::{Def, DefAttr, DefTerm, DefValue};
pub use explore::*;
pub use format::format;
pub use load::{LoadError, Source};
pub use print::print;
pub use qcc_diag::nearest;
pub use reference::{
    AttributeEntry, BuiltinEntry, CONTRACTS, KEYWORDS, OperatorEntry, builtin_functions, operator, operators,
    term_functions,
};
pub use ruleset::*;
