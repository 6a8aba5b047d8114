//! Bodies of functions make sense even where nobody calls them.

use crate::ast::{Argument, Function, Term, TermKind};
use crate::builtins;
use crate::scope::Scope;
use qcc_diag::Diagnostic;
use qcc_diag::nearest;
use qcc_tensor::DType;

/// Reports names that are no parameters and calls of functions that do not exist.
pub(crate) fn body(scope: &Scope<'_>, file: usize, function: &Function, diagnostics: &mut Vec<Diagnostic>) {
    term(scope, file, function, &function.body, diagnostics);
}

fn term(scope: &Scope<'_>, file: usize, function: &Function, at: &Term, diagnostics: &mut Vec<Diagnostic>) {
    let mut inner: Vec<&Term> = Vec::new();
    match &at.kind {
        TermKind::Name(name) => {
            let constant = matches!(name.as_str(), "acc" | "true" | "false" | "inf" | "nan");
            let parameters = function.parameters.iter().map(|p| p.text.as_str());
            if !constant && DType::from_name(name).is_none() && !parameters.clone().any(|p| p == name) {
                let diagnostic = Diagnostic::error("unbound-variable", format!("`{name}` is not bound"));
                let help = match nearest(name, parameters) {
                    Some(other) => format!("did you mean `{other}`?"),
                    None => "a function sees its parameters only".to_string(),
                };
                diagnostics.push(diagnostic.label(at.span, "not bound").help(help));
            }
        }
        TermKind::Call(call) => {
            let name = call.callee.text.as_str();
            let known = builtins::find(name).is_some()
                || builtins::TERM_FUNCTIONS.iter().any(|(n, _)| *n == name)
                || scope.function(file, name).is_some()
                || Scope::lower_case_op(name).is_some();
            if !known && name.starts_with(|c: char| c.is_ascii_uppercase()) {
                scope.op(file, &call.callee, diagnostics);
            } else if !known {
                let message = format!("there is no function `{name}`");
                let diagnostic = Diagnostic::error("unknown-function", message).label(call.callee.span, "not known");
                let names = builtins::BUILTINS.iter().map(|(n, ..)| *n).chain(scope.functions(file));
                diagnostics.push(match nearest(name, names) {
                    Some(other) => diagnostic.help(format!("did you mean `{other}`?")),
                    None => diagnostic,
                });
            }
            inner.extend(call.arguments.iter().filter_map(|a| if let Argument::One(t) = a { Some(t) } else { None }));
            inner.extend(call.attributes.iter().flat_map(|a| &a.named).map(|(_, t)| t));
        }
        TermKind::List(items) => inner.extend(items),
        TermKind::Binary(_, a, b) | TermKind::Index(a, b) => inner.extend([a.as_ref(), b.as_ref()]),
        TermKind::Neg(a) | TermKind::Not(a) | TermKind::Field(a, _) | TermKind::Bind(_, a) => inner.push(a),
        _ => {}
    }
    inner.into_iter().for_each(|t| term(scope, file, function, t, diagnostics));
}
