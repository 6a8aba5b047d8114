//! Terms as compile-time computations.

use super::calls::counted;
use super::context::{Env, Meaning, RuleContext, describe};
use crate::ast::{Argument, Call, Name, Operator, Term, TermKind};
use crate::builtins::{self, Kind};
use crate::{Builtin, Let, Meta, MetaOp, VarId, VarKind};
use qcc_diag::{Diagnostic, Span};

impl<'d> RuleContext<'_, 'd> {
    /// The computation a term means.
    pub(super) fn meta<'e>(&mut self, term: &'e Term, env: Env<'e>) -> Option<Meta>
    where
        'd: 'e,
    {
        match &term.kind {
            TermKind::Int(x) => Some(Meta::Int(*x)),
            TermKind::Float(x) => Some(Meta::Float(*x)),
            TermKind::Str(x) => Some(Meta::Str(x.clone())),
            TermKind::Name(name) => self.meta_name(name, term.span, env),
            TermKind::List(items) => {
                let items: Vec<Option<Meta>> = items.iter().map(|item| self.meta(item, env)).collect();
                Some(Meta::List(items.into_iter().collect::<Option<_>>()?))
            }
            TermKind::Neg(inner) => Some(match self.meta(inner, env)? {
                Meta::Int(x) => Meta::Int(x.wrapping_neg()),
                Meta::Float(x) => Meta::Float(-x),
                other => Meta::Neg(Box::new(other)),
            }),
            TermKind::Not(inner) => Some(Meta::Not(Box::new(self.meta(inner, env)?))),
            TermKind::Binary(operator, a, b) => {
                let (a, b) = (self.meta(a, env), self.meta(b, env));
                Some(Meta::Binary(operation(*operator), Box::new(a?), Box::new(b?)))
            }
            TermKind::Index(list, i) => {
                let (list, i) = (self.meta(list, env), self.meta(i, env));
                Some(Meta::Index(Box::new(list?), Box::new(i?)))
            }
            TermKind::Field(inner, attribute) => match &inner.kind {
                TermKind::Name(name) => self.attribute_of(name, inner.span, attribute, env),
                _ => {
                    let message = "only bundles of attributes have parts".to_string();
                    self.fail(
                        "wrong-kind",
                        message,
                        attribute.span,
                        "of what?",
                        "bind a bundle with `..a` and write `a.name`",
                    )
                }
            },
            TermKind::Call(call) => self.meta_call(call, term.span, env),
            TermKind::Error => None,
            TermKind::Wild | TermKind::Bind(..) | TermKind::Typed(..) | TermKind::Tensor(_) => {
                let message = "this has no value at compile time".to_string();
                self.fail("wrong-kind", message, term.span, "no value", "")
            }
        }
    }

    fn meta_name<'e>(&mut self, name: &'e str, span: Span, env: Env<'e>) -> Option<Meta>
    where
        'd: 'e,
    {
        if env.frame.is_none() {
            self.touch(name);
        }
        match self.meaning(name, env) {
            Meaning::Var(id) if self.kind(id) == VarKind::Attr => Some(Meta::Var(id)),
            Meaning::Var(id) => {
                let kind = self.kind(id);
                let help = match kind {
                    VarKind::Attrs => "write `a.name` for one attribute",
                    VarKind::Op => "an operator variable can only be called",
                    _ => "ask for its `shape`, `rank`, `dtype`, `elements` or `value`",
                };
                let message = format!("`{name}` is {}, no number or list", describe(kind));
                self.fail("wrong-kind", message, span, "used as a number or list", help)
            }
            Meaning::Term(term, env) => {
                self.count_expansion(span)?;
                self.meta(term, env)
            }
            Meaning::Type(dtype) => Some(Meta::DType(dtype)),
            Meaning::Bool(x) => Some(Meta::Bool(x)),
            Meaning::Float(x) => Some(Meta::Float(x)),
            Meaning::Acc => {
                let message = "the accumulator has no value at compile time".to_string();
                self.fail("wrong-kind", message, span, "used as a number or list", "")
            }
            Meaning::Unknown => self.unbound(name, span, env),
        }
    }

    fn attribute_of<'e>(&mut self, name: &'e str, span: Span, attribute: &Name, env: Env<'e>) -> Option<Meta>
    where
        'd: 'e,
    {
        if env.frame.is_none() {
            self.touch(name);
        }
        match self.meaning(name, env) {
            Meaning::Var(id) if self.kind(id) == VarKind::Attrs => {
                let bundle = self.bundles.get(&id)?;
                if bundle.has(&attribute.text) {
                    return Some(Meta::AttrOf(id, attribute.text.clone()));
                }
                let named = bundle.named.contains(&attribute.text);
                let (ops, help) = (bundle.ops.clone(), "it is bound beside the bundle; use that variable");
                let message = format!("`{}` is not in `..{name}`", attribute.text);
                if named {
                    return self.fail("unknown-attribute", message, attribute.span, "not in the bundle", help);
                }
                super::attributes::definition(&ops, attribute, self.diagnostics);
                None
            }
            Meaning::Term(Term { kind: TermKind::Name(inner), span }, env) => {
                self.attribute_of(inner, *span, attribute, env)
            }
            Meaning::Unknown => self.unbound(name, span, env),
            _ => {
                let message = format!("`{name}` is no bundle of attributes");
                self.fail("wrong-kind", message, span, "has no parts", "bind a bundle with `..a`")
            }
        }
    }

    fn meta_call<'e>(&mut self, call: &'e Call, span: Span, env: Env<'e>) -> Option<Meta>
    where
        'd: 'e,
    {
        let name = &call.callee;
        if let Some((_, builtin, kinds)) = builtins::find(&name.text) {
            return self.builtin(call, *builtin, kinds, span, env);
        }
        if self.scope.function(self.file(env), &name.text).is_some() {
            return self.expand(call, span, env, |cx, body, env| cx.meta(body, env));
        }
        let tensor = builtins::TERM_FUNCTIONS.iter().any(|(n, _)| *n == name.text);
        if tensor || self.op_var(&name.text, env).is_some() || name.text.starts_with(|c: char| c.is_ascii_uppercase()) {
            let message = format!("`{}` gives a tensor, no number or list", name.text);
            return self.fail("wrong-kind", message, span, "used as a number or list", "");
        }
        if crate::scope::Scope::lower_case_op(&name.text).is_some() {
            let message = format!("`{}` is an operator on tensors", name.text);
            return self.fail("wrong-kind", message, span, "used as a number or list", "apply it to a tensor");
        }
        self.unknown_function(name, env)
    }

    fn builtin<'e>(
        &mut self,
        call: &'e Call,
        builtin: Builtin,
        kinds: &[Kind],
        span: Span,
        env: Env<'e>,
    ) -> Option<Meta>
    where
        'd: 'e,
    {
        let any_number = builtin == Builtin::Const;
        let fits = if any_number { !call.arguments.is_empty() } else { call.arguments.len() == kinds.len() };
        if !fits {
            let wanted = if any_number { "at least 1 argument".to_string() } else { counted(kinds.len(), "argument") };
            let message = format!("`{}` takes {wanted}, got {}", call.callee.text, call.arguments.len());
            return self.fail("wrong-arguments", message, span, "this call", "");
        }
        let mut args = Vec::new();
        let mut complete = true;
        for (i, argument) in call.arguments.iter().enumerate() {
            let kind = kinds.get(i).or(kinds.last()).copied().unwrap_or(Kind::Meta);
            let Argument::One(term) = argument else {
                let message = format!("arguments of `{}` are plain terms", call.callee.text);
                self.fail::<()>("wrong-arguments", message, span, "this call", "");
                return None;
            };
            let arg = match kind {
                Kind::Meta => self.meta(term, env),
                Kind::ValueOrType if !self.is_tensor(term, env) => self.meta(term, env),
                _ => self.value_argument(term, kind, env).map(Meta::Var),
            };
            complete &= arg.is_some();
            args.extend(arg);
        }
        complete.then_some(Meta::Call(builtin, args))
    }

    /// A tensor as an argument: a variable, or a term that becomes a constant of its own.
    fn value_argument<'e>(&mut self, term: &'e Term, kind: Kind, env: Env<'e>) -> Option<VarId>
    where
        'd: 'e,
    {
        if let TermKind::Name(name) = &term.kind {
            if env.frame.is_none() {
                self.touch(name);
            }
            match self.meaning(name, env) {
                Meaning::Var(id) => {
                    let message = match self.kind(id) {
                        VarKind::Value | VarKind::Optional | VarKind::Let => return Some(id),
                        VarKind::Variadic if kind == Kind::Values => return Some(id),
                        other => format!("`{name}` is {}, not one tensor", describe(other)),
                    };
                    return self.fail("wrong-kind", message, term.span, "a tensor is needed", "");
                }
                Meaning::Term(term, env) => {
                    self.count_expansion(term.span)?;
                    return self.value_argument(term, kind, env);
                }
                Meaning::Unknown => return self.unbound(name, term.span, env),
                _ => {}
            }
        }
        if !self.is_tensor(term, env) {
            let message = "this is no tensor".to_string();
            return self.fail("wrong-kind", message, term.span, "a tensor is needed", "");
        }
        let value = self.expr(term, env)?;
        if matches!(value, crate::Expr::Acc) {
            let message = "the accumulator has no value at compile time".to_string();
            return self.fail("wrong-kind", message, term.span, "not known", "");
        }
        let text =
            (1..).map(|i| format!("term{i}")).find(|n| !self.names.contains_key(n) && !self.aliases.contains_key(n))?;
        let var = self.fresh(&Name { text, span: term.span }, VarKind::Let);
        self.uses[var.0 as usize] += 1;
        self.lets.push(Let { var, value });
        Some(var)
    }

    /// A condition; reports what cannot be true or false.
    pub(super) fn condition(&mut self, term: &'d Term) -> Option<Meta> {
        let condition = self.meta(term, Env::default())?;
        let truth = match &condition {
            Meta::Bool(_) | Meta::Var(_) | Meta::AttrOf(..) | Meta::Index(..) | Meta::Not(_) => true,
            Meta::Binary(op, ..) => !matches!(op, MetaOp::Add | MetaOp::Sub | MetaOp::Mul | MetaOp::Div | MetaOp::Mod),
            Meta::Call(builtin, _) => matches!(
                builtin,
                Builtin::Const
                    | Builtin::Absent
                    | Builtin::Present
                    | Builtin::Closed
                    | Builtin::AllRank
                    | Builtin::AllClose
                    | Builtin::SumFits
                    | Builtin::All
                    | Builtin::Any
                    | Builtin::KeepsOrder
                    | Builtin::IsPowerOfTwo
                    | Builtin::Value
            ),
            _ => false,
        };
        if !truth {
            let message = "a condition must be true or false".to_string();
            return self.fail("not-a-condition", message, term.span, "this is neither", "compare it with something");
        }
        Some(condition)
    }

    /// Reports a variable of the wrong kind with the place that binds it.
    pub(super) fn wrong_variable<T>(&mut self, id: VarId, message: String, span: Span, help: &str) -> Option<T> {
        let bound = self.vars[id.0 as usize].span;
        let diagnostic = Diagnostic::error("wrong-kind", message).label(span, "used here").label(bound, "bound here");
        self.report(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
        None
    }
}

fn operation(operator: Operator) -> MetaOp {
    match operator {
        Operator::Or => MetaOp::Or,
        Operator::And => MetaOp::And,
        Operator::Eq => MetaOp::Eq,
        Operator::Ne => MetaOp::Ne,
        Operator::Lt => MetaOp::Lt,
        Operator::Le => MetaOp::Le,
        Operator::Gt => MetaOp::Gt,
        Operator::Ge => MetaOp::Ge,
        Operator::Add => MetaOp::Add,
        Operator::Sub => MetaOp::Sub,
        Operator::Mul => MetaOp::Mul,
        Operator::Div => MetaOp::Div,
        Operator::Mod => MetaOp::Mod,
    }
}
