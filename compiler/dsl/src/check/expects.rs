//! Tests expect rules and reasons that exist.

use crate::Rule;
use crate::ast::{self, Name};
use indexmap::IndexMap;
use qcc_diag::Diagnostic;
use qcc_diag::nearest;

/// Reports unknown rules and reasons. Reasons of rules that have errors cannot be checked; rules that could not be read are
/// there all the same.
pub(crate) fn test(
    test: &ast::Test,
    rules: &[Rule],
    declared: &IndexMap<&str, &Name>,
    unread: &[&str],
    diagnostics: &mut Vec<Diagnostic>,
) {
    for expect in &test.expects {
        let (name, reason) = match expect {
            ast::Expect::Fired(name, ..) => (name, None),
            ast::Expect::Blocked(name, reason, _) => (name, Some(reason)),
            _ => continue,
        };
        let rule = rules.iter().find(|r| r.name == name.text);
        let base = name.text.strip_suffix("/reverse").unwrap_or(&name.text);
        if rule.is_none() && !declared.contains_key(base) && !unread.contains(&base) {
            let diagnostic = Diagnostic::error("unknown-rule", format!("there is no rule `{}`", name.text));
            let diagnostic = diagnostic.label(name.span, "not known");
            diagnostics.push(match nearest(&name.text, declared.keys().copied()) {
                Some(other) => diagnostic.help(format!("did you mean `{other}`?")),
                None => diagnostic,
            });
        }
        if rule.is_none() && base != name.text && rules.iter().any(|r| r.name == base) {
            let diagnostic = Diagnostic::error("unknown-rule", format!("`{base}` is read one way only"));
            let diagnostic = diagnostic.label(name.span, "there is no reverse");
            diagnostics.push(diagnostic.help("only `<=>` has a reverse"));
        }
        let (Some(rule), Some(reason)) = (rule, reason) else { continue };
        if rule.guards.iter().any(|g| g.reason == reason.text) {
            continue;
        }
        let message = format!("`{}` never says \"{}\"", name.text, reason.text);
        let mut diagnostic = Diagnostic::error("unknown-reason", message).label(reason.span, "no reason of the rule");
        diagnostic = match rule.guards.first() {
            None => diagnostic.help("it has no conditions"),
            Some(_) => rule.guards.iter().fold(diagnostic, |d, g| d.help(format!("it says \"{}\"", g.reason))),
        };
        diagnostics.push(diagnostic);
    }
}
