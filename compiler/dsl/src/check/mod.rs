//! What a rule must fulfil beyond making sense name by name.

pub(crate) mod expects;
pub(crate) mod variables;

use crate::Rule;
use qcc_diag::{Diagnostic, Span};

/// Checks a resolved rule and adds the guards that follow from its terms.
pub(crate) fn rule(_rule: &mut Rule, _name: Span, _diagnostics: &mut Vec<Diagnostic>) {}
