//! Every variable that is bound is used, and both sides of a `<=>` bind the same ones.

use crate::resolve::RuleContext;
use crate::{VarKind, Variable};
use qcc_diag::Diagnostic;

/// Reports variables that are bound and not used; a forgotten bias is the classic silent miscompile. Names of roots and
/// of operators may be there for the reader alone.
pub(crate) fn unused(cx: &mut RuleContext<'_, '_>, exempt: &[&str]) {
    let mut reports = Vec::new();
    for (variable, uses) in cx.vars.iter().zip(&cx.uses) {
        let ignored =
            variable.kind == VarKind::Op || variable.name.starts_with('_') || exempt.contains(&variable.name.as_str());
        if *uses > 0 || ignored {
            continue;
        }
        let help = match variable.kind {
            VarKind::Optional => "write `_?` if its value does not matter",
            VarKind::Attrs => "write `.._` if the other attributes do not matter",
            VarKind::Attr | VarKind::Value => "write `_` if its value does not matter",
            VarKind::Variadic => "begin its name with `_` if the values do not matter",
            VarKind::Let | VarKind::Op => "remove it, or use it",
        };
        let diagnostic = Diagnostic::error("unused-variable", format!("`{}` is bound and not used", variable.name));
        reports.push(diagnostic.label(variable.span, "not used").help(help));
    }
    for (name, (_, span)) in &cx.aliases {
        if !cx.used_aliases.contains(name) && !exempt.contains(&name.as_str()) {
            let diagnostic = Diagnostic::error("unused-variable", format!("`{name}` is defined and not used"));
            reports.push(diagnostic.label(*span, "not used").help("remove it, or use it"));
        }
    }
    cx.diagnostics.extend(reports);
}

/// Reports variables that only one side of a `<=>` binds.
pub(crate) fn same_on_both_sides(left: &[Variable], right: &[Variable], diagnostics: &mut Vec<Diagnostic>) {
    for (here, there) in [(left, right), (right, left)] {
        for variable in here.iter().filter(|v| !there.iter().any(|w| w.name == v.name)) {
            let message = format!("`{}` stands on one side only", variable.name);
            let diagnostic = Diagnostic::error("one-sided-variable", message).label(variable.span, "only here");
            diagnostics.push(diagnostic.help("`<=>` needs both sides to bind the same variables; write `=>`"));
        }
    }
}
