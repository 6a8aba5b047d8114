//! Terms as patterns.

use super::attributes;
use super::calls::{arity, check_count, infix, negation, output};
use super::context::{Bundle, RuleContext};
use crate::ast::{Argument, Attributes, Call, Name, Rest, Term, TermKind};
use crate::{
    ArgPattern, AttrMatch, AttrPattern, AttrRest, Builtin, Guard, Meta, MetaOp, OpMatch, OpPattern, Pattern, VarKind,
};
use qcc_diag::{Diagnostic, Span};
use qcc_ops::{Arity, Op};
use qcc_tensor::DType;

impl RuleContext<'_, '_> {
    /// The pattern a term means.
    pub(super) fn pattern(&mut self, term: &Term) -> Option<Pattern> {
        if let Some(number) = attributes::number(term) {
            return Some(Pattern::Number(number));
        }
        match &term.kind {
            TermKind::Name(name) if name == "acc" => Some(Pattern::Acc),
            TermKind::Name(name) => {
                let dtype = self.hints.types.get(name.as_str()).copied();
                let name = Name { text: name.clone(), span: term.span };
                match dtype {
                    Some(dtype) => self.typed_variable(&name, dtype),
                    None => Some(Pattern::Var(self.bind(&name, VarKind::Value)?)),
                }
            }
            TermKind::Error => None,
            TermKind::Wild => Some(Pattern::Wild),
            TermKind::Typed(name, dtype) => self.typed_variable(name, *dtype),
            TermKind::Bind(name, inner) => {
                let id = self.bind(name, VarKind::Value);
                let inner = self.pattern(inner)?;
                Some(Pattern::Bind(id?, Box::new(inner)))
            }
            TermKind::Call(call) => self.call_pattern(call, None, term.span),
            TermKind::Field(inner, name) if matches!(inner.kind, TermKind::Call(_)) => match &inner.kind {
                TermKind::Call(call) => self.call_pattern(call, Some(name), term.span),
                _ => None,
            },
            TermKind::Binary(operator, a, b) if infix(*operator).is_some() => {
                let (a, b) = (self.pattern(a), self.pattern(b));
                Some(plain(infix(*operator)?, [a?, b?]))
            }
            TermKind::Neg(a) => {
                let a = self.pattern(a)?;
                Some(plain(negation()?, [a]))
            }
            _ => {
                let message = "this cannot be matched".to_string();
                let help = "a pattern is an operator call, a variable, a number, `_`, `acc` or `name @ pattern`";
                self.fail("not-a-pattern", message, term.span, "no pattern", help)
            }
        }
    }

    /// `x: f32` is a variable and a guard.
    fn typed_variable(&mut self, name: &Name, dtype: DType) -> Option<Pattern> {
        let id = self.bind(name, VarKind::Value)?;
        let is = Meta::Call(Builtin::Dtype, vec![Meta::Var(id)]);
        let condition = Meta::Binary(MetaOp::Eq, Box::new(is), Box::new(Meta::DType(dtype)));
        if !self.implied.iter().any(|g| g.condition == condition) {
            let reason = format!("`{}` is not {dtype}", name.text);
            self.implied.push(Guard { condition, reason, span: name.span });
        }
        Some(Pattern::Var(id))
    }

    fn call_pattern(&mut self, call: &Call, field: Option<&Name>, span: Span) -> Option<Pattern> {
        if let (Some(def), None) = (self.definition(self.file, &call.callee), &call.class) {
            if let Some(name) = field {
                let message = format!("{} has one output", call.callee.text);
                return self.fail("unknown-output", message, name.span, "not known", "");
            }
            return self.defined_pattern(def, call, span);
        }
        let class = call.class.as_ref().or_else(|| self.hints.classes.get(call.callee.text.as_str()).copied());
        let open = call.arguments.iter().any(|a| matches!(a, Argument::Spread(_)));
        let count = call.arguments.len() - usize::from(open);
        let (op, ops, op_var) = match class {
            Some(class) => {
                let ops = self.scope.class(self.file, class, self.diagnostics);
                let id = self.bind(&call.callee, VarKind::Op);
                let (Some(mut ops), Some(id)) = (ops, id) else {
                    self.arguments(call, &[]);
                    return None;
                };
                if crate::scope::is_any(&ops) {
                    ops.retain(|op| check_count(*op, count, open, span, &mut Vec::new()).is_some());
                }
                self.classes.insert(id, ops.clone());
                (OpMatch::Class(id, ops.clone()), ops, Some(id))
            }
            None => {
                let Some(op) = self.pattern_op(&call.callee) else {
                    self.arguments(call, &[]);
                    return None;
                };
                (OpMatch::One(op), vec![op], None)
            }
        };
        let counted = ops.iter().all(|op| check_count(*op, count, open, span, self.diagnostics).is_some());
        let args = self.arguments(call, &ops);
        let attrs = self.attribute_pattern(call.attributes.as_ref(), &ops, op_var, span);
        let output = match field {
            Some(name) => output(*ops.first()?, name, self.diagnostics)?,
            None => 0,
        };
        if !counted {
            return None;
        }
        Some(Pattern::Op(OpPattern { op, args: args?, attrs: attrs?, output }))
    }

    fn pattern_op(&mut self, callee: &Name) -> Option<Op> {
        if callee.text.starts_with(|c: char| c.is_ascii_lowercase()) {
            if let Some(op) = crate::scope::Scope::lower_case_op(&callee.text) {
                return Some(op);
            }
            let message = format!("`{}` cannot be matched", callee.text);
            let help = "only operators can: write `f:class(…)` for an operator variable";
            return self.fail("not-a-pattern", message, callee.span, "no operator", help);
        }
        self.scope.op(self.file, callee, self.diagnostics)
    }

    /// Arguments; without operators (after an error) they are read for the names they bind.
    fn arguments(&mut self, call: &Call, ops: &[Op]) -> Option<Vec<ArgPattern>> {
        let mut args = Vec::new();
        let mut complete = true;
        for (i, argument) in call.arguments.iter().enumerate() {
            let last = i + 1 == call.arguments.len();
            let arg = self.argument(argument, i, last, ops);
            complete &= arg.is_some();
            args.extend(arg);
        }
        complete.then_some(args)
    }

    fn argument(&mut self, argument: &Argument, position: usize, last: bool, ops: &[Op]) -> Option<ArgPattern> {
        let required = ops.iter().find(|op| arity(**op, position) != Arity::Optional);
        match argument {
            Argument::One(Term { kind: TermKind::Name(name), span }) if self.hints.optional.contains(name.as_str()) => {
                if let Some(op) = required {
                    let message = format!("`{name}` may be absent, this input of {} never is", op.name);
                    return self.fail("not-optional", message, *span, "always there", "write `=>`");
                }
                let name = Name { text: name.clone(), span: *span };
                Some(ArgPattern::Optional(self.bind(&name, VarKind::Optional)?))
            }
            Argument::One(term) => Some(ArgPattern::One(self.pattern(term)?)),
            Argument::Optional(Name { span, .. }) | Argument::OptionalWild(span) if required.is_some() => {
                let op = required.map_or("", |op| op.name);
                let message = format!("this input of {op} is never absent");
                self.fail("not-optional", message, *span, "always there", "remove the `?`")
            }
            Argument::Optional(name) => Some(ArgPattern::Optional(self.bind(name, VarKind::Optional)?)),
            Argument::OptionalWild(_) => Some(ArgPattern::OptionalWild),
            Argument::Spread(name) if !last => {
                let message = format!("`{}...` takes all remaining arguments", name.text);
                self.fail("wrong-arguments", message, name.span, "must stand last", "")
            }
            Argument::Spread(name) => Some(ArgPattern::Variadic(self.bind(name, VarKind::Variadic)?)),
            Argument::Each { element, .. } => {
                let message = "`map` cannot be matched".to_string();
                self.fail(
                    "not-a-pattern",
                    message,
                    element.span,
                    "on the left side",
                    "match `xs...` and map on the right",
                )
            }
        }
    }

    fn attribute_pattern(
        &mut self,
        attributes: Option<&Attributes>,
        ops: &[Op],
        op_var: Option<crate::VarId>,
        span: Span,
    ) -> Option<AttrPattern> {
        let mut result = AttrPattern::default();
        let mut complete = true;
        for (i, (name, term)) in attributes.iter().flat_map(|a| &a.named).enumerate() {
            let twice = attributes.iter().flat_map(|a| &a.named).take(i).find(|(n, _)| n.text == name.text);
            if let Some((first, _)) = twice {
                self.report(crate::scope::duplicate("attribute", name, first));
                complete = false;
            }
            let definition = attributes::definition(ops, name, self.diagnostics);
            let wanted = match &term.kind {
                TermKind::Wild => Some(AttrMatch::Ignore),
                TermKind::Name(text) if !constant(text) => {
                    let name = Name { text: text.clone(), span: term.span };
                    let id = self.bind(&name, VarKind::Attr);
                    if let (Some(id), Some(definition)) = (id, definition) {
                        self.attr_kinds.entry(id).or_insert(definition.kind);
                    }
                    id.map(AttrMatch::Var)
                }
                TermKind::Call(_)
                | TermKind::Binary(..)
                | TermKind::Index(..)
                | TermKind::Field(..)
                | TermKind::Not(_) => {
                    let message = "a computed attribute cannot be matched".to_string();
                    let help = if self.hints.both_ways {
                        "`<=>` needs both sides to be patterns; write `=>`"
                    } else {
                        "bind it to a variable and compare it with `if`"
                    };
                    self.fail("not-a-pattern", message, term.span, "computed", help)
                }
                _ => definition.and_then(|d| attributes::literal(d, term, self.diagnostics)).map(AttrMatch::Value),
            };
            complete &= definition.is_some() && wanted.is_some();
            result.named.extend(wanted.map(|m| (name.text.clone(), m)));
        }
        let named: Vec<String> = attributes.iter().flat_map(|a| &a.named).map(|(n, _)| n.text.clone()).collect();
        match attributes.and_then(|a| a.rest.as_ref()) {
            Some(Rest::Ignore(_)) => result.rest = AttrRest::Ignore,
            Some(Rest::Bind(name)) => {
                let id = self.bind(name, VarKind::Attrs)?;
                self.bundles.insert(id, Bundle { ops: ops.to_vec(), op_var, named });
                result.rest = AttrRest::Bind(id);
            }
            None => complete &= self.all_handled(&named, ops, attributes.map_or(span, |a| a.span)),
        }
        complete.then_some(result)
    }

    /// An attribute that a rule does not look at is the classic silent miscompile.
    fn all_handled(&mut self, named: &[String], ops: &[Op], span: Span) -> bool {
        for op in ops {
            let missing: Vec<&str> =
                op.attrs.iter().map(|d| d.name).filter(|d| !named.iter().any(|n| n == d)).collect();
            if missing.is_empty() {
                continue;
            }
            let are = if missing.len() == 1 { "attribute" } else { "attributes" };
            let message = format!("the {are} {} of {} may have any value here", attributes::quoted(&missing), op.name);
            let diagnostic = Diagnostic::error("unhandled-attribute", message).label(span, "not mentioned here");
            self.report(diagnostic.help("name them, bind them with `..a` and forward them, or ignore them with `.._`"));
            return false;
        }
        true
    }
}

/// Whether a name is a value and no variable.
pub(super) fn constant(name: &str) -> bool {
    matches!(name, "true" | "false" | "inf" | "nan") || DType::from_name(name).is_some()
}

fn plain(op: Op, args: impl IntoIterator<Item = Pattern>) -> Pattern {
    let args = args.into_iter().map(ArgPattern::One).collect();
    Pattern::Op(OpPattern { op: OpMatch::One(op), args, attrs: AttrPattern::default(), output: 0 })
}
