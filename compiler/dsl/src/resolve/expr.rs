//! Terms of right sides and `where` constants.

use super::attributes;
use super::calls::{arity, check_count, counted, infix, negation, output};
use super::context::{Env, Meaning, RuleContext, describe};
use crate::ast::{Argument, Attributes, Call, Name, Rest, Term, TermKind};
use crate::scope::Scope;
use crate::{ArgExpr, AttrExpr, Builtin, Expr, Meta, MetaOp, OpExpr, OpRef, VarId, VarKind, builtins};
use qcc_diag::{Diagnostic, Span};
use qcc_ops::{Arity, AttrKind, Default, Op};

impl<'d> RuleContext<'_, 'd> {
    /// The term that is built.
    pub(super) fn expr<'e>(&mut self, term: &'e Term, env: Env<'e>) -> Option<Expr>
    where
        'd: 'e,
    {
        match &term.kind {
            TermKind::Error => None,
            TermKind::Wild if self.hints.both_ways => {
                let message = "what `_` matches cannot be built".to_string();
                self.fail("not-a-term", message, term.span, "in a `<=>`", "bind it to a variable")
            }
            TermKind::Wild => Some(Expr::Absent),
            TermKind::Typed(name, _) if self.hints.both_ways => self.expr_name(&name.text, term.span, env),
            TermKind::Name(name) => self.expr_name(name, term.span, env),
            _ if !self.is_tensor(term, env) => {
                let number = self.meta(term, env)?;
                self.number(number, term.span)
            }
            TermKind::Call(call) => self.expr_call(call, None, term.span, env),
            TermKind::Field(inner, name) => match &inner.kind {
                TermKind::Call(call) => self.expr_call(call, Some(name), term.span, env),
                _ => self.not_a_term(term.span),
            },
            TermKind::Binary(operator, a, b) => {
                let (a, b) = (self.expr(a, env), self.expr(b, env));
                let Some(op) = infix(*operator) else { return self.not_a_term(term.span) };
                self.plain(op, [a?, b?], term.span)
            }
            TermKind::Neg(a) => {
                let a = self.expr(a, env)?;
                self.plain(negation()?, [a], term.span)
            }
            _ => self.not_a_term(term.span),
        }
    }

    fn not_a_term<T>(&mut self, span: Span) -> Option<T> {
        let message = "this cannot be built".to_string();
        self.fail(
            "not-a-term",
            message,
            span,
            "no term",
            "a right side consists of operator calls, variables and numbers",
        )
    }

    /// A number among tensors.
    fn number(&mut self, number: Meta, span: Span) -> Option<Expr> {
        match number {
            Meta::List(_) => {
                let message = "a list is no tensor".to_string();
                self.fail("wrong-kind", message, span, "used as a tensor", "write `tensor([…], i64)`")
            }
            Meta::Str(_) | Meta::Bool(_) | Meta::DType(_) => {
                let message = "this is no tensor".to_string();
                self.fail("wrong-kind", message, span, "used as a tensor", "")
            }
            number => Some(Expr::Number(number)),
        }
    }

    fn plain(&mut self, op: Op, args: impl IntoIterator<Item = Expr>, span: Span) -> Option<Expr> {
        let args = args.into_iter().map(ArgExpr::One).collect();
        self.typed(OpExpr { op: OpRef::One(op), args, attrs: AttrExpr::default(), output: 0, span })
    }

    /// A number takes its element type from a tensor beside it; there must be one.
    pub(super) fn typed(&mut self, call: OpExpr) -> Option<Expr> {
        let untyped = |arg: &ArgExpr| matches!(arg, ArgExpr::One(Expr::Number(_) | Expr::Absent));
        let numbers = call.args.iter().any(|a| matches!(a, ArgExpr::One(Expr::Number(_))));
        if numbers && call.args.iter().all(untyped) {
            let message = "the number has no element type".to_string();
            return self.fail("untyped-number", message, call.span, "no tensor beside it", "write `scalar(x, f32)`");
        }
        Some(Expr::Op(call))
    }

    fn expr_name<'e>(&mut self, name: &'e str, span: Span, env: Env<'e>) -> Option<Expr>
    where
        'd: 'e,
    {
        if env.frame.is_none() {
            self.touch(name);
        }
        match self.meaning(name, env) {
            Meaning::Var(id) => match self.kind(id) {
                VarKind::Value | VarKind::Optional | VarKind::Let => Some(Expr::Var(id)),
                VarKind::Attr => Some(Expr::Number(Meta::Var(id))),
                VarKind::Variadic => {
                    let help = format!("write `{name}...` as the last argument, or `map(x in {name}: …)...`");
                    self.wrong_variable(id, format!("`{name}` stands for many tensors"), span, &help)
                }
                kind => self.wrong_variable(id, format!("`{name}` is {}, no tensor", describe(kind)), span, ""),
            },
            Meaning::Term(term, env) => {
                self.count_expansion(span)?;
                self.expr(term, env)
            }
            Meaning::Acc => Some(Expr::Acc),
            Meaning::Float(x) => Some(Expr::Number(Meta::Float(x))),
            Meaning::Type(_) | Meaning::Bool(_) => {
                self.fail("wrong-kind", format!("`{name}` is no tensor"), span, "used as a tensor", "")
            }
            Meaning::Unknown => self.unbound(name, span, env),
        }
    }

    fn expr_call<'e>(&mut self, call: &'e Call, field: Option<&Name>, span: Span, env: Env<'e>) -> Option<Expr>
    where
        'd: 'e,
    {
        let name = call.callee.text.as_str();
        if let Some((_, parameters)) = builtins::TERM_FUNCTIONS.iter().find(|(n, _)| *n == name) {
            return self.term_function(call, parameters, span, env);
        }
        if self.scope.function(self.file(env), name).is_some() && self.op_var(name, env).is_none() {
            return self.expand(call, span, env, |cx, body, env| cx.expr(body, env));
        }
        if let (Some(def), None, None) = (self.definition(self.file(env), &call.callee), self.op_var(name, env), field)
        {
            return self.defined_expr(def, call, span, env);
        }
        if call.class.is_some() && !self.hints.both_ways {
            let message = format!("the class of `{name}` is stated on the left side");
            return self.fail("not-a-term", message, span, "stated again", &format!("write `{name}(…)`"));
        }
        let (op, ops) = if let Some(id) = self.op_var(name, env) {
            self.touch(name);
            (OpRef::Var(id), self.classes.get(&id).cloned().unwrap_or_default())
        } else if name.starts_with(|c: char| c.is_ascii_lowercase()) {
            match Scope::lower_case_op(name) {
                Some(op) => (OpRef::One(op), vec![op]),
                None => {
                    self.build_arguments(call, &[], env);
                    return self.unknown_function(&call.callee, env);
                }
            }
        } else {
            match self.scope.op(self.file(env), &call.callee, self.diagnostics) {
                Some(op) => (OpRef::One(op), vec![op]),
                None => {
                    self.build_arguments(call, &[], env);
                    return None;
                }
            }
        };
        let open = call.arguments.iter().any(|a| matches!(a, Argument::Spread(_) | Argument::Each { .. }));
        let count = call.arguments.iter().filter(|a| !matches!(a, Argument::Spread(_) | Argument::Each { .. })).count();
        let enough = ops.iter().all(|op| check_count(*op, count, open, span, self.diagnostics).is_some());
        let args = self.build_arguments(call, &ops, env);
        let op_var = if let OpRef::Var(id) = op { Some(id) } else { None };
        let attrs = self.build_attributes(call.attributes.as_ref(), &ops, op_var, span, env);
        let output = match field {
            Some(name) => output(*ops.first()?, name, self.diagnostics)?,
            None => 0,
        };
        if !enough {
            return None;
        }
        self.typed(OpExpr { op, args: args?, attrs: attrs?, output, span })
    }

    fn term_function<'e>(&mut self, call: &'e Call, parameters: &[&str], span: Span, env: Env<'e>) -> Option<Expr>
    where
        'd: 'e,
    {
        let name = call.callee.text.as_str();
        let terms: Vec<&Term> =
            call.arguments.iter().filter_map(|a| if let Argument::One(t) = a { Some(t) } else { None }).collect();
        if terms.len() != parameters.len() || terms.len() != call.arguments.len() {
            let message =
                format!("`{name}` takes {}, got {}", counted(parameters.len(), "argument"), call.arguments.len());
            let help = format!("it is {name}({})", parameters.join(", "));
            return self.fail("wrong-arguments", message, span, "this call", &help);
        }
        match (name, terms.as_slice()) {
            ("reshape", [x, shape]) => {
                let (x, shape) = (self.tensor_argument(x, env), self.meta(shape, env));
                Some(Expr::Reshape(Box::new(x?), shape?))
            }
            ("along", [x, axis, rank]) => {
                let (x, axis, rank) = (self.tensor_argument(x, env), self.meta(axis, env), self.meta(rank, env));
                Some(Expr::Reshape(Box::new(x?), along(axis?, rank?)))
            }
            ("constant", [x]) => match &x.kind {
                TermKind::Name(variable) => match self.expr_name(variable, x.span, env)? {
                    Expr::Var(id) => Some(Expr::Folded(id)),
                    _ => self.fail(
                        "wrong-kind",
                        "this is no bound value".to_string(),
                        x.span,
                        "a variable is needed",
                        "",
                    ),
                },
                _ => {
                    let help = "bind the value with `name @ pattern`";
                    self.fail("wrong-kind", "this is no bound value".to_string(), x.span, "a variable is needed", help)
                }
            },
            ("cast", [x, dtype]) => {
                let (x, dtype) = (self.tensor_argument(x, env), self.meta(dtype, env));
                let attrs = AttrExpr { base: None, set: vec![("to".to_string(), dtype?)] };
                let op = OpRef::One(qcc_ops::find("Cast")?);
                self.typed(OpExpr { op, args: vec![ArgExpr::One(x?)], attrs, output: 0, span })
            }
            (_, [value, dtype]) => {
                let (value, dtype) = (self.meta(value, env), self.meta(dtype, env));
                Some(Expr::Constant { value: value?, dtype: dtype? })
            }
            _ => self.not_a_term(span),
        }
    }

    pub(super) fn tensor_argument<'e>(&mut self, term: &'e Term, env: Env<'e>) -> Option<Expr>
    where
        'd: 'e,
    {
        match self.expr(term, env)? {
            Expr::Number(_) | Expr::Absent => {
                self.fail("wrong-kind", "this is no tensor".to_string(), term.span, "a tensor is needed", "")
            }
            other => Some(other),
        }
    }

    fn build_arguments<'e>(&mut self, call: &'e Call, ops: &[Op], env: Env<'e>) -> Option<Vec<ArgExpr>>
    where
        'd: 'e,
    {
        let mut args = Vec::new();
        let mut complete = true;
        for (i, argument) in call.arguments.iter().enumerate() {
            let arg = self.build_argument(argument, i, ops, env);
            complete &= arg.is_some();
            args.extend(arg);
        }
        complete.then_some(args)
    }

    fn build_argument<'e>(
        &mut self,
        argument: &'e Argument,
        position: usize,
        ops: &[Op],
        env: Env<'e>,
    ) -> Option<ArgExpr>
    where
        'd: 'e,
    {
        match argument {
            Argument::One(term) => {
                let expr = self.expr(term, env)?;
                let required = ops.iter().find(|op| arity(**op, position) != Arity::Optional);
                if let (Expr::Absent, Some(op)) = (&expr, required) {
                    let message = format!("this input of {} must be there", op.name);
                    return self.fail("not-optional", message, term.span, "absent", "");
                }
                Some(ArgExpr::One(expr))
            }
            Argument::Optional(name) if self.hints.both_ways => {
                Some(ArgExpr::One(self.expr_name(&name.text, name.span, env)?))
            }
            Argument::Optional(Name { span, .. }) | Argument::OptionalWild(span) => {
                let message = "`?` belongs to the left side".to_string();
                self.fail("not-a-term", message, *span, "on the right side", "an absent optional stays absent")
            }
            Argument::Spread(name) => Some(ArgExpr::Spread(self.variadic(name, env)?)),
            Argument::Each { element, over, body } => {
                let over = self.variadic(over, env)?;
                if self.names.contains_key(&element.text) || self.aliases.contains_key(&element.text) {
                    let message = format!("`{}` is bound already", element.text);
                    return self.fail("duplicate-name", message, element.span, "bound again", "use another name");
                }
                let id = self.bind(element, VarKind::Value)?;
                let body = self.expr(body, env);
                self.names.shift_remove(&element.text);
                match body? {
                    Expr::Number(_) | Expr::Absent => self.not_a_term(element.span),
                    body => Some(ArgExpr::Each { element: id, over, body }),
                }
            }
        }
    }

    fn variadic(&mut self, name: &Name, env: Env<'_>) -> Option<VarId> {
        if env.frame.is_some() {
            let message = "functions have no variadic parameters".to_string();
            return self.fail("wrong-kind", message, name.span, "in a function", "");
        }
        self.touch(&name.text);
        match self.names.get(&name.text).copied() {
            Some(id) if self.kind(id) == VarKind::Variadic => Some(id),
            Some(id) => {
                let message = format!("`{}` is {}, not many", name.text, describe(self.kind(id)));
                self.wrong_variable(id, message, name.span, "remove the `...`")
            }
            None => self.unbound(&name.text, name.span, env),
        }
    }

    fn build_attributes<'e>(
        &mut self,
        attributes: Option<&'e Attributes>,
        ops: &[Op],
        op_var: Option<VarId>,
        span: Span,
        env: Env<'e>,
    ) -> Option<AttrExpr>
    where
        'd: 'e,
    {
        let mut result = AttrExpr::default();
        let mut complete = true;
        for (i, (name, term)) in attributes.iter().flat_map(|a| &a.named).enumerate() {
            let twice = attributes.iter().flat_map(|a| &a.named).take(i).find(|(n, _)| n.text == name.text);
            if let Some((first, _)) = twice {
                self.report(crate::scope::duplicate("attribute", name, first));
                complete = false;
            }
            let definition = attributes::definition(ops, name, self.diagnostics);
            let value = self.meta(term, env);
            let value = match (definition, value) {
                (Some(definition), Some(value)) => self.fitting(definition.kind, definition.name, value, term.span),
                _ => None,
            };
            complete &= value.is_some();
            result.set.extend(value.map(|v| (name.text.clone(), v)));
        }
        match attributes.and_then(|a| a.rest.as_ref()) {
            Some(Rest::Bind(name)) => {
                result.base = self.base(name, ops, op_var, env);
                complete &= result.base.is_some();
            }
            Some(Rest::Ignore(span)) => {
                let message = "`.._` belongs to the left side".to_string();
                self.fail::<()>(
                    "not-a-term",
                    message,
                    *span,
                    "on the right side",
                    "attributes not given take their defaults",
                );
                complete = false;
            }
            None => {}
        }
        if complete {
            complete = self.required_given(&result, ops, attributes.map_or(span, |a| a.span));
        }
        complete.then_some(result)
    }

    /// A bundle to start from; reports attributes the operator does not have.
    fn base(&mut self, name: &Name, ops: &[Op], op_var: Option<VarId>, env: Env<'_>) -> Option<VarId> {
        self.touch(&name.text);
        let Some(&id) = self.names.get(&name.text).filter(|_| env.frame.is_none()) else {
            return self.unbound(&name.text, name.span, env);
        };
        let Some(bundle) = self.bundles.get(&id) else {
            let message = format!("`{}` is {}, no bundle of attributes", name.text, describe(self.kind(id)));
            return self.wrong_variable(id, message, name.span, "bind a bundle with `..a`");
        };
        if op_var.is_some() && bundle.op_var == op_var {
            return Some(id);
        }
        let held = bundle.ops.iter().flat_map(|op| op.attrs.iter().map(|d| d.name));
        let held: Vec<&str> = held.filter(|n| !bundle.named.iter().any(|m| m == n)).collect();
        for op in ops {
            if let Some(lost) = held.iter().find(|n| !op.attrs.iter().any(|d| d.name == **n)) {
                let message = format!("`..{}` may hold `{lost}`, which {} does not have", name.text, op.name);
                let bound = self.vars[id.0 as usize].span;
                let diagnostic = Diagnostic::error("unknown-attribute", message).label(name.span, "forwarded here");
                self.report(diagnostic.label(bound, "bound here").help(format!("match `{lost}` on the left side")));
                return None;
            }
        }
        Some(id)
    }

    fn required_given(&mut self, attrs: &AttrExpr, ops: &[Op], span: Span) -> bool {
        for op in ops {
            let given = |name: &str| {
                attrs.set.iter().any(|(n, _)| n == name)
                    || attrs.base.and_then(|b| self.bundles.get(&b)).is_some_and(|b| !b.named.iter().any(|n| n == name))
            };
            let missing = op.attrs.iter().find(|d| matches!(d.default, Default::Required) && !given(d.name));
            if let Some(missing) = missing {
                let message = format!("{} needs the attribute `{}`", op.name, missing.name);
                self.fail::<()>("missing-attribute", message, span, "not given", "");
                return false;
            }
        }
        true
    }

    /// The value of an attribute of a kind; integers are numbers too.
    pub(super) fn fitting(&mut self, kind: AttrKind, name: &str, value: Meta, span: Span) -> Option<Meta> {
        let fits = match (&value, kind) {
            (Meta::Int(x), AttrKind::Float) => return Some(Meta::Float(*x as f64)),
            (Meta::Bool(x), AttrKind::Int) => return Some(Meta::Int(i64::from(*x))),
            (Meta::Int(_), kind) => kind == AttrKind::Int,
            (Meta::Float(_), kind) => kind == AttrKind::Float,
            (Meta::Str(_), kind) => kind == AttrKind::Str,
            (Meta::DType(_), kind) => kind == AttrKind::Type,
            (Meta::List(_), kind) => matches!(kind, AttrKind::Ints | AttrKind::Floats | AttrKind::Strs),
            (Meta::Bool(_), _) => false,
            (Meta::Var(id), kind) => self.attr_kinds.get(id).is_none_or(|known| *known == kind),
            (Meta::Call(builtin, _), kind) => result_kind(*builtin).is_none_or(|known| known == kind),
            _ => true,
        };
        if !fits {
            let message = format!("`{name}` must be {}", attributes::describe(kind));
            return self.fail("wrong-attribute", message, span, "this is not", "");
        }
        Some(value)
    }
}

/// The kind of attribute that the result of a built-in can be, where it is one.
fn result_kind(builtin: Builtin) -> Option<AttrKind> {
    Some(match builtin {
        Builtin::Shape
        | Builtin::Iota
        | Builtin::Compose
        | Builtin::Inverse
        | Builtin::MapAxes
        | Builtin::Broadcast => AttrKind::Ints,
        Builtin::Rank | Builtin::Elements | Builtin::Len | Builtin::IndexOf => AttrKind::Int,
        Builtin::Dtype => AttrKind::Type,
        _ => return None,
    })
}

/// The shape that lays a vector along an axis: -1 at the axis, ones elsewhere.
fn along(axis: Meta, rank: Meta) -> Meta {
    let ones = |n: Meta| Meta::Call(Builtin::Repeat, vec![Meta::Int(1), n]);
    let join = |a: Meta, b: Meta| Meta::Call(Builtin::ConcatLists, vec![a, b]);
    let minus = |a: Meta, b: Meta| Meta::Binary(MetaOp::Sub, Box::new(a), Box::new(b));
    if let (Meta::Int(axis @ 0..8), Meta::Int(rank @ 0..=8)) = (&axis, &rank) {
        return Meta::List((0..*rank).map(|i| Meta::Int(if i == *axis { -1 } else { 1 })).collect());
    }
    let vector = Meta::List(vec![Meta::Int(-1)]);
    let others = minus(rank, Meta::Int(1));
    if axis == Meta::Int(0) {
        return join(vector, ones(others));
    }
    join(ones(axis.clone()), join(vector, ones(minus(others, axis))))
}
