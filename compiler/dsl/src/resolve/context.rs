//! What is known while a rule is resolved, and how names find their meaning.

use super::calls::counted;
use crate::ast::{self, Argument, Call, ClassRef, Name, Operator, Term, TermKind};
use crate::scope::Scope;
use crate::{Builtin, Guard, Let, VarId, VarKind, Variable, builtins};
use indexmap::{IndexMap, IndexSet};
use qcc_diag::nearest;
use qcc_diag::{Diagnostic, SourceMap, Span};
use qcc_ops::{AttrKind, Op};
use qcc_tensor::DType;
use std::cell::Cell;

/// Deepest nesting of function calls; functions cannot recurse.
const MAX_CALLS: usize = 32;

/// Most functions, arguments and `where` definitions expanded in one rule. The standard rules expand some dozens; every
/// level of doubling functions doubles the number.
const MAX_EXPANSIONS: usize = 10_000;

/// A rule with so many errors is not expanded further: one wrong name in a function is an error at every call.
const ENOUGH_DIAGNOSTICS: usize = 50;

/// Most terms looked at to tell tensors from numbers in one rule. The standard rules need some hundreds.
const MAX_PROBES: usize = 100_000;

/// The state of one rule.
pub(crate) struct RuleContext<'a, 'd> {
    pub scope: &'d Scope<'a>,
    pub sources: &'d SourceMap,
    pub file: usize,
    pub diagnostics: &'d mut Vec<Diagnostic>,
    pub vars: Vec<Variable>,
    /// Visible variables.
    pub names: IndexMap<String, VarId>,
    /// How often each variable is used behind its first place.
    pub uses: Vec<usize>,
    /// Operators an operator variable may be.
    pub classes: IndexMap<VarId, Vec<Op>>,
    /// Kinds of attribute variables.
    pub attr_kinds: IndexMap<VarId, AttrKind>,
    /// Attributes a bundle variable may hold.
    pub bundles: IndexMap<VarId, Bundle>,
    /// `where` definitions of numbers and lists, expanded in place.
    pub aliases: IndexMap<String, (&'d Term, Span)>,
    pub used_aliases: IndexSet<String>,
    pub lets: Vec<Let>,
    /// Guards that follow from the pattern (`x: f32`).
    pub implied: Vec<Guard>,
    pub hints: Hints<'d>,
    pub expansions: usize,
    /// How often [`RuleContext::is_tensor`] was asked.
    pub probes: Cell<usize>,
    /// Diagnostics there were before the rule.
    pub first_diagnostic: usize,
    /// Whether it was reported that the rule expands to too much.
    pub too_large: bool,
}

/// What stands for a definition that has errors.
pub(crate) static UNREADABLE: Term =
    Term { kind: TermKind::Error, span: Span { file: qcc_diag::FileId(0), start: 0, end: 0 } };

/// What `..a` holds.
pub(crate) struct Bundle {
    /// Operators whose attributes it holds.
    pub ops: Vec<Op>,
    /// The operator variable that stands for them.
    pub op_var: Option<VarId>,
    /// Attributes that are named beside it and therefore not in it.
    pub named: Vec<String>,
}

impl Bundle {
    /// Whether every operator of the bundle has the attribute in it.
    pub(crate) fn has(&self, attribute: &str) -> bool {
        !self.named.iter().any(|n| n == attribute)
            && self.ops.iter().all(|op| op.attrs.iter().any(|d| d.name == attribute))
    }
}

/// What one side of a `<=>` says about names that stand on the other.
#[derive(Default)]
pub(crate) struct Hints<'t> {
    pub both_ways: bool,
    pub optional: IndexSet<&'t str>,
    pub types: IndexMap<&'t str, DType>,
    pub classes: IndexMap<&'t str, &'t ClassRef>,
}

impl<'t> Hints<'t> {
    /// Collects what the terms say.
    pub(crate) fn collect(&mut self, term: &'t Term) {
        match &term.kind {
            TermKind::Call(call) => {
                if let Some(class) = &call.class {
                    self.classes.insert(&call.callee.text, class);
                }
                for argument in &call.arguments {
                    match argument {
                        Argument::One(term) | Argument::Each { body: term, .. } => self.collect(term),
                        Argument::Optional(name) => {
                            self.optional.insert(&name.text);
                        }
                        Argument::OptionalWild(_) | Argument::Spread(_) => {}
                    }
                }
            }
            TermKind::Typed(name, dtype) => {
                self.types.insert(&name.text, *dtype);
            }
            TermKind::Bind(_, a) | TermKind::Field(a, _) | TermKind::Neg(a) => self.collect(a),
            TermKind::Binary(_, a, b) => {
                self.collect(a);
                self.collect(b);
            }
            _ => {}
        }
    }
}

/// Where a term stands: in the rule, or in the body of a function that is expanded.
#[derive(Clone, Copy, Default)]
pub(crate) struct Env<'e> {
    pub frame: Option<&'e Frame<'e>>,
}

/// A call of a function.
pub(crate) struct Frame<'e> {
    file: usize,
    function: &'e ast::Function,
    arguments: Vec<&'e Term>,
    caller: Env<'e>,
    depth: usize,
}

/// What a name means.
pub(crate) enum Meaning<'e> {
    Var(VarId),
    /// A term to read in its place.
    Term(&'e Term, Env<'e>),
    Type(DType),
    Bool(bool),
    Float(f64),
    Acc,
    Unknown,
}

impl<'a, 'd> RuleContext<'a, 'd> {
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Reports an error with one place; the result is for `return`.
    pub(crate) fn fail<T>(
        &mut self,
        code: &'static str,
        message: String,
        span: Span,
        label: &str,
        help: &str,
    ) -> Option<T> {
        let mut diagnostic = Diagnostic::error(code, message).label(span, label);
        if !help.is_empty() {
            diagnostic = diagnostic.help(help);
        }
        self.report(diagnostic);
        None
    }

    /// Binds a name, or finds it bound already.
    pub(crate) fn bind(&mut self, name: &Name, kind: VarKind) -> Option<VarId> {
        if constant_name(&name.text).is_some() {
            let message = format!("`{}` has a meaning of its own", name.text);
            return self.fail("reserved-name", message, name.span, "cannot be a variable", "use another name");
        }
        if let Some(&id) = self.names.get(&name.text) {
            let known = &self.vars[id.0 as usize];
            if known.kind == kind
                && matches!(kind, VarKind::Value | VarKind::Optional | VarKind::Attr | VarKind::Variadic)
            {
                self.uses[id.0 as usize] += 1;
                return Some(id);
            }
            let (first, before) = (known.span, known.kind);
            let message = if before == kind {
                format!("`{}` is bound twice", name.text)
            } else {
                format!("`{}` is {} and {}", name.text, describe(before), describe(kind))
            };
            let diagnostic = Diagnostic::error("duplicate-name", message)
                .label(name.span, format!("here it is {}", describe(kind)))
                .label(first, "bound first");
            self.report(diagnostic.help("use another name"));
            return None;
        }
        if let Some((_, first)) = self.aliases.get(&name.text) {
            let diagnostic = Diagnostic::error("duplicate-name", format!("`{}` is bound twice", name.text));
            let diagnostic = diagnostic.label(name.span, "again").label(*first, "bound first");
            self.report(diagnostic.help("use another name"));
            return None;
        }
        Some(self.fresh(name, kind))
    }

    /// Adds a variable.
    pub(crate) fn fresh(&mut self, name: &Name, kind: VarKind) -> VarId {
        let id = VarId(self.vars.len() as u32);
        self.vars.push(Variable { name: name.text.clone(), kind, span: name.span });
        self.uses.push(0);
        self.names.insert(name.text.clone(), id);
        id
    }

    pub(crate) fn kind(&self, id: VarId) -> VarKind {
        self.vars[id.0 as usize].kind
    }

    /// Counts a use of a name.
    pub(crate) fn touch(&mut self, name: &str) {
        if let Some(id) = self.names.get(name) {
            self.uses[id.0 as usize] += 1;
        } else if self.aliases.contains_key(name) {
            self.used_aliases.insert(name.to_string());
        }
    }

    /// The meaning of a name.
    pub(crate) fn meaning<'e>(&self, name: &str, env: Env<'e>) -> Meaning<'e>
    where
        'd: 'e,
    {
        if let Some(frame) = env.frame {
            if let Some(i) = frame.function.parameters.iter().position(|p| p.text == name) {
                return match frame.arguments.get(i) {
                    Some(term) => Meaning::Term(term, frame.caller),
                    None => Meaning::Unknown,
                };
            }
        } else if let Some(id) = self.names.get(name) {
            return Meaning::Var(*id);
        } else if let Some((term, _)) = self.aliases.get(name) {
            return Meaning::Term(term, Env::default());
        }
        constant_name(name).unwrap_or(Meaning::Unknown)
    }

    /// The file whose names the terms of an environment see.
    pub(crate) fn file(&self, env: Env<'_>) -> usize {
        env.frame.map_or(self.file, |frame| frame.file)
    }

    /// Whether a name is an operator variable.
    pub(crate) fn op_var(&self, name: &str, env: Env<'_>) -> Option<VarId> {
        let id = *self.names.get(name).filter(|_| env.frame.is_none())?;
        (self.kind(id) == VarKind::Op).then_some(id)
    }

    /// Whether a term is a tensor (the alternative: a number, a list, a condition …).
    pub(crate) fn is_tensor(&self, term: &Term, env: Env<'_>) -> bool {
        self.probes.set(self.probes.get() + 1);
        if self.probes.get() > MAX_PROBES {
            return false;
        }
        match &term.kind {
            TermKind::Name(name) => match self.meaning(name, env) {
                Meaning::Var(id) => !matches!(self.kind(id), VarKind::Attr | VarKind::Attrs | VarKind::Op),
                Meaning::Term(term, env) => self.is_tensor(term, env),
                Meaning::Acc => true,
                _ => false,
            },
            TermKind::Call(call) => self.call_is_tensor(call, env),
            TermKind::Field(inner, _) => matches!(inner.kind, TermKind::Call(_)) && self.is_tensor(inner, env),
            TermKind::Neg(a) => self.is_tensor(a, env),
            TermKind::Binary(operator, a, b) => {
                let arithmetic =
                    matches!(operator, Operator::Add | Operator::Sub | Operator::Mul | Operator::Div | Operator::Mod);
                arithmetic && (self.is_tensor(a, env) || self.is_tensor(b, env))
            }
            TermKind::Bind(..) | TermKind::Typed(..) | TermKind::Tensor(_) => true,
            _ => false,
        }
    }

    fn call_is_tensor(&self, call: &Call, env: Env<'_>) -> bool {
        let name = call.callee.text.as_str();
        if builtins::TERM_FUNCTIONS.iter().any(|(n, _)| *n == name) || self.op_var(name, env).is_some() {
            return true;
        }
        if let Some((_, builtin, _)) = builtins::find(name) {
            let both = matches!(builtin, Builtin::Min | Builtin::Max | Builtin::Abs);
            let tensor = |a: &Argument| matches!(a, Argument::One(term) if self.is_tensor(term, env));
            return both && call.arguments.iter().any(tensor);
        }
        if let Some((file, function)) = self.scope.function(self.file(env), name) {
            let depth = env.frame.map_or(0, |f| f.depth) + 1;
            let arguments = call.arguments.iter().filter_map(|a| if let Argument::One(t) = a { Some(t) } else { None });
            let frame = Frame { file, function, arguments: arguments.collect(), caller: env, depth };
            return depth <= MAX_CALLS && self.is_tensor(&function.body, Env { frame: Some(&frame) });
        }
        true
    }

    /// Resolves the body of a function in place of a call. `None` without a report if the name is no function.
    pub(crate) fn expand<T>(
        &mut self,
        call: &Call,
        span: Span,
        env: Env<'_>,
        body: impl FnOnce(&mut Self, &Term, Env<'_>) -> Option<T>,
    ) -> Option<T> {
        let (file, function) = self.scope.function(self.file(env), &call.callee.text)?;
        let (wanted, given) = (function.parameters.len(), call.arguments.len());
        if wanted != given {
            let message = format!("`{}` takes {}, got {given}", call.callee.text, counted(wanted, "argument"));
            let diagnostic = Diagnostic::error("wrong-arguments", message).label(span, "this call");
            self.report(diagnostic.label(function.name.span, "declared here"));
            return None;
        }
        let mut arguments = Vec::new();
        for argument in &call.arguments {
            let Argument::One(term) = argument else {
                let message = format!("arguments of the function `{}` are plain terms", call.callee.text);
                return self.fail("wrong-arguments", message, span, "this call", "");
            };
            arguments.push(term);
        }
        let depth = env.frame.map_or(0, |f| f.depth) + 1;
        let mut caller = env.frame;
        while let Some(frame) = caller {
            if frame.function.name.span == function.name.span {
                let message = format!("the function `{}` calls itself", call.callee.text);
                return self.fail("recursive-function", message, span, "this call", "functions are expanded in place");
            }
            caller = frame.caller.frame;
        }
        if depth > MAX_CALLS {
            let message = format!("functions call each other more than {MAX_CALLS} deep");
            return self.fail("too-large", message, span, "at this call", "");
        }
        self.count_expansion(span)?;
        let frame = Frame { file, function, arguments, caller: env, depth };
        body(self, &function.body, Env { frame: Some(&frame) })
    }

    /// Counts something that is read in place of its name; reports when it is too much.
    pub(crate) fn count_expansion(&mut self, span: Span) -> Option<()> {
        self.expansions += 1;
        if self.diagnostics.len() > self.first_diagnostic + ENOUGH_DIAGNOSTICS {
            return None;
        }
        if self.expansions <= MAX_EXPANSIONS && self.probes.get() <= MAX_PROBES {
            return Some(());
        }
        if self.too_large {
            return None;
        }
        self.too_large = true;
        let message = "the functions and definitions of this rule expand to too much".to_string();
        self.fail("too-large", message, span, "at the latest here", "")
    }

    /// Reports a name that is not bound.
    pub(crate) fn unbound<T>(&mut self, name: &str, span: Span, env: Env<'_>) -> Option<T> {
        let known: Vec<&str> = match env.frame {
            Some(frame) => frame.function.parameters.iter().map(|p| p.text.as_str()).collect(),
            None => self.names.keys().chain(self.aliases.keys()).map(String::as_str).collect(),
        };
        let help = match nearest(name, known) {
            Some(other) => format!("did you mean `{other}`?"),
            None if env.frame.is_some() => "a function sees its parameters only".to_string(),
            None => "the left side or a `where` must bind it".to_string(),
        };
        self.fail("unbound-variable", format!("`{name}` is not bound"), span, "not bound", &help)
    }

    /// Reports a function that does not exist.
    pub(crate) fn unknown_function<T>(&mut self, name: &Name, env: Env<'_>) -> Option<T> {
        let file = self.file(env);
        let mut known: Vec<&str> = builtins::BUILTINS.iter().map(|(n, ..)| *n).collect();
        known.extend(builtins::TERM_FUNCTIONS.iter().map(|(n, _)| *n));
        known.extend(self.scope.functions(file));
        known.extend(crate::scope::lower_case_names());
        let help = match nearest(&name.text, known) {
            Some(other) => format!("did you mean `{other}`?"),
            None => "declare it: `fn name(x) = …`, or import the file that does".to_string(),
        };
        let message = format!("there is no function `{}`", name.text);
        self.fail("unknown-function", message, name.span, "not known", &help)
    }
}

/// Names that are no variables.
fn constant_name<'e>(name: &str) -> Option<Meaning<'e>> {
    Some(match name {
        "acc" => Meaning::Acc,
        "true" => Meaning::Bool(true),
        "false" => Meaning::Bool(false),
        "inf" => Meaning::Float(f64::INFINITY),
        "nan" => Meaning::Float(f64::NAN),
        other => Meaning::Type(DType::from_name(other)?),
    })
}

/// A kind of variable in words.
pub(crate) fn describe(kind: VarKind) -> &'static str {
    match kind {
        VarKind::Value => "a tensor",
        VarKind::Optional => "an optional tensor",
        VarKind::Variadic => "a list of tensors",
        VarKind::Attr => "an attribute",
        VarKind::Attrs => "a bundle of attributes",
        VarKind::Op => "an operator",
        VarKind::Let => "a computed constant",
    }
}
