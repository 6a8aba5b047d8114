//! The `.rules` language: text in, checked [`RuleSet`] out.

mod ruleset;

pub use ruleset::*;
