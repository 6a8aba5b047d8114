//! Calls of operators that are defined by others, in rules: on both sides they stand for their terms.
//!
//! What a definition leaves to the model, the attributes, is a number in the term. A pattern therefore needs their values; a
//! right side may compute them.

use super::attributes;
use super::calls::counted;
use super::context::{Env, RuleContext};
use super::def;
use crate::ast::{self, Argument, Call, Name, Rest, Term, TermKind};
use crate::def::{Def, DefTerm, DefValue};
use crate::{
    ArgExpr, ArgPattern, AttrExpr, AttrMatch, AttrPattern, Expr, Meta, OpExpr, OpMatch, OpPattern, OpRef, Pattern,
    TestConst, VarKind,
};
use qcc_diag::{Diagnostic, Span};
use qcc_ops::{AttrDef, AttrValue, Default, Op};

impl<'d> RuleContext<'_, 'd> {
    /// The definition that a call means, if it means one.
    pub(super) fn definition(&self, file: usize, callee: &Name) -> Option<(usize, &'d ast::Def)> {
        self.scope.def(file, &callee.text)
    }

    /// The pattern of the term that a call stands for.
    pub(super) fn defined_pattern(
        &mut self,
        (home, def): (usize, &'d ast::Def),
        call: &Call,
        span: Span,
    ) -> Option<Pattern> {
        // What is wrong with the definition itself is reported where it stands.
        let def = def::def(self.scope, home, "", def, &mut Vec::new());
        let terms = self.plain_arguments(def.as_ref(), call, span);
        let terms: Vec<&Term> = terms?;
        let mut reads = vec![0; terms.len()];
        if let Some(def) = &def {
            count_inputs(&def.body, &mut reads);
        }
        let inputs: Vec<Option<Pattern>> =
            terms.iter().zip(&reads).map(|(term, &reads)| self.input_pattern(term, reads)).collect();
        let def = def?;
        let values = self.matched_attributes(&def, call, span);
        let mut inputs: Vec<Pattern> = inputs.into_iter().collect::<Option<_>>()?;
        let unread = inputs.iter().zip(&reads).position(|(pattern, &n)| n == 0 && *pattern != Pattern::Wild);
        if let Some(i) = unread {
            let message = format!("{} does not read its input `{}`", def.name, def.inputs[i]);
            return self.fail("not-a-pattern", message, terms[i].span, "cannot be matched", "write `_`");
        }
        self.pattern_of(&def.body, &mut inputs, &values?, &def, span)
    }

    /// The pattern of an input. One that is read in several places is named, so that it is the same value in all of them.
    fn input_pattern(&mut self, term: &Term, reads: usize) -> Option<Pattern> {
        let one_value = matches!(term.kind, TermKind::Name(_) | TermKind::Typed(..) | TermKind::Bind(..));
        if reads < 2 || one_value || attributes::number(term).is_some() {
            return self.pattern(term);
        }
        let taken = |name: &String| self.names.contains_key(name) || self.aliases.contains_key(name);
        let text = (1..).map(|i| format!("value{i}")).find(|name| !taken(name))?;
        let id = self.fresh(&Name { text, span: term.span }, VarKind::Value);
        self.uses[id.0 as usize] += 1;
        Some(match self.pattern(term)? {
            Pattern::Wild => Pattern::Var(id),
            other => Pattern::Bind(id, Box::new(other)),
        })
    }

    fn pattern_of(
        &mut self,
        term: &DefTerm,
        inputs: &mut [Pattern],
        values: &[AttrValue],
        def: &Def,
        span: Span,
    ) -> Option<Pattern> {
        match term {
            DefTerm::Input(i) => {
                let first = inputs[*i].clone();
                // Later places are that value again, without what it looks like.
                if let Pattern::Bind(id, _) = &first {
                    inputs[*i] = Pattern::Var(*id);
                }
                Some(first)
            }
            DefTerm::Number(x) => Some(Pattern::Number(*x)),
            DefTerm::Attr(i) => match &values[*i] {
                AttrValue::Int(x) => Some(Pattern::Number(*x as f64)),
                AttrValue::Float(x) => Some(Pattern::Number(f64::from(*x))),
                other => self.unmatchable(def, &format!("its attribute {other} is no number"), span),
            },
            DefTerm::Constant(TestConst::Values(_, elements)) if all_equal(elements) => {
                Some(Pattern::Number(elements[0]))
            }
            DefTerm::Constant(_) => self.unmatchable(def, "it has a constant of several numbers", span),
            DefTerm::Call { op, args, attrs, output, .. } => {
                let last = args.iter().rposition(Option::is_some).map_or(0, |i| i + 1);
                let mut patterns = Vec::new();
                for arg in &args[..last] {
                    let Some(arg) = arg else {
                        let why = format!("an input of {} in front of others is absent", op.name);
                        return self.unmatchable(def, &why, span);
                    };
                    patterns.push(ArgPattern::One(self.pattern_of(arg, inputs, values, def, span)?));
                }
                let attrs = self.attributes_of(*op, attrs, values, def, span)?;
                let op = OpMatch::One(*op);
                Some(Pattern::Op(OpPattern { op, args: patterns, attrs, output: *output }))
            }
        }
    }

    /// All attributes of an operator in a definition: those that are given, and the defaults of the others.
    fn attributes_of(
        &mut self,
        op: Op,
        given: &[(String, DefValue)],
        values: &[AttrValue],
        def: &Def,
        span: Span,
    ) -> Option<AttrPattern> {
        let mut named = Vec::new();
        for attr in op.0.attrs {
            let value = match given.iter().find(|(name, _)| name == attr.name) {
                Some((_, DefValue::Value(value))) => value.clone(),
                Some((_, DefValue::Attr(i))) => values[*i].clone(),
                None => match attr.default {
                    Default::Int(x) => AttrValue::Int(x),
                    Default::Float(x) => AttrValue::Float(x),
                    Default::Str(x) => AttrValue::Str(x.to_string()),
                    Default::Ints(x) => AttrValue::Ints(x.to_vec()),
                    Default::Type(x) => AttrValue::Type(x),
                    Default::Required | Default::Computed | Default::Absent => {
                        let why = format!("the attribute `{}` of {} is not given", attr.name, op.name);
                        return self.unmatchable(def, &why, span);
                    }
                },
            };
            let value = match (value, attr.kind) {
                (AttrValue::Int(x), qcc_ops::AttrKind::Float) => AttrValue::Float(x as f32),
                (value, _) => value,
            };
            named.push((attr.name.to_string(), AttrMatch::Value(value)));
        }
        Some(AttrPattern { named, ..AttrPattern::default() })
    }

    fn unmatchable<T>(&mut self, def: &Def, why: &str, span: Span) -> Option<T> {
        let message = format!("{} cannot be matched: {why}", def.name);
        let help = "write the term that it stands for as a pattern";
        let diagnostic = Diagnostic::error("not-a-pattern", message).label(span, "in a pattern");
        self.report(diagnostic.label(def.span, "defined here").help(help));
        None
    }

    /// The term that a call stands for.
    pub(super) fn defined_expr<'e>(
        &mut self,
        (home, def): (usize, &'d ast::Def),
        call: &'e Call,
        span: Span,
        env: Env<'e>,
    ) -> Option<Expr>
    where
        'd: 'e,
    {
        let def = def::def(self.scope, home, "", def, &mut Vec::new());
        let terms = self.plain_arguments(def.as_ref(), call, span)?;
        let inputs: Vec<Option<Expr>> = terms.iter().map(|term| self.tensor_argument(term, env)).collect();
        let def = def?;
        let mut values: Vec<Option<Meta>> = Vec::new();
        for attr in &def.attrs {
            let given = call.attributes.iter().flat_map(|a| &a.named).find(|(name, _)| name.text == attr.name);
            values.push(match (given, &attr.default) {
                (Some((name, term)), _) => {
                    let value = self.meta(term, env);
                    value.and_then(|value| self.fitting(attr.kind, &name.text, value, term.span))
                }
                (None, Some(default)) => Some(meta_of(default)),
                (None, None) => {
                    let message = format!("{} needs the attribute `{}`", def.name, attr.name);
                    self.fail("missing-attribute", message, span, "not given", "")
                }
            });
        }
        self.count_expansion(span)?;
        let inputs: Vec<Expr> = inputs.into_iter().collect::<Option<_>>()?;
        let values: Vec<Meta> = values.into_iter().collect::<Option<_>>()?;
        self.expr_of(&def.body, &inputs, &values, span)
    }

    fn expr_of(&mut self, term: &DefTerm, inputs: &[Expr], values: &[Meta], span: Span) -> Option<Expr> {
        Some(match term {
            DefTerm::Input(i) => inputs[*i].clone(),
            DefTerm::Number(x) => Expr::Number(Meta::Float(*x)),
            DefTerm::Attr(i) => Expr::Number(values[*i].clone()),
            DefTerm::Constant(TestConst::Values(ty, elements)) => {
                let all = vec![elements.first().copied().unwrap_or(0.0); ty.elements()];
                let elements = if elements.len() == 1 { &all } else { elements };
                let number = |x: &f64| if ty.dtype.is_float() { Meta::Float(*x) } else { Meta::Int(*x as i64) };
                let dtype = Meta::DType(ty.dtype);
                if ty.rank() == 0 {
                    let value = elements.first().map_or(Meta::Int(0), number);
                    return Some(Expr::Constant { value, dtype });
                }
                let flat = Expr::Constant { value: Meta::List(elements.iter().map(number).collect()), dtype };
                if ty.rank() == 1 {
                    return Some(flat);
                }
                let shape = ty.shape.iter().map(|&size| Meta::Int(size as i64)).collect();
                Expr::Reshape(Box::new(flat), Meta::List(shape))
            }
            // Definitions have no random constants.
            DefTerm::Constant(_) => return None,
            DefTerm::Call { op, args, attrs, output, .. } => {
                let mut built = Vec::new();
                for arg in args {
                    built.push(ArgExpr::One(match arg {
                        Some(arg) => self.expr_of(arg, inputs, values, span)?,
                        None => Expr::Absent,
                    }));
                }
                let value = |value: &DefValue| match value {
                    DefValue::Value(value) => meta_of(value),
                    DefValue::Attr(i) => values[*i].clone(),
                };
                let set = attrs.iter().map(|(name, v)| (name.clone(), value(v))).collect();
                let attrs = AttrExpr { base: None, set };
                return self.typed(OpExpr { op: OpRef::One(*op), args: built, attrs, output: *output, span });
            }
        })
    }

    /// The arguments of a call; reports a wrong number of them, what is no plain term, and attributes that do not exist.
    fn plain_arguments<'e>(&mut self, def: Option<&Def>, call: &'e Call, span: Span) -> Option<Vec<&'e Term>> {
        let mut terms = Vec::new();
        for argument in &call.arguments {
            let Argument::One(term) = argument else {
                let message = format!("the arguments of `{}` are plain terms", call.callee.text);
                return self.fail("wrong-arguments", message, span, "this call", "it is defined by other operators");
            };
            terms.push(term);
        }
        let Some(def) = def else { return Some(terms) };
        if terms.len() != def.inputs.len() {
            let wanted = counted(def.inputs.len(), "input");
            let message = format!("{} takes {wanted}, got {}", def.name, terms.len());
            let help = format!("it is {}({})", def.name, def.inputs.join(", "));
            return self.fail("wrong-arguments", message, span, "this call", &help);
        }
        for (name, _) in call.attributes.iter().flat_map(|a| &a.named) {
            if !def.attrs.iter().any(|a| a.name == name.text) {
                let message = format!("{} has no attribute `{}`", def.name, name.text);
                let known = def.attrs.iter().map(|a| a.name.as_str());
                let help = qcc_diag::nearest(&name.text, known).map(|other| format!("did you mean `{other}`?"));
                return self.fail("unknown-attribute", message, name.span, "not known", &help.unwrap_or_default());
            }
        }
        let rest = call.attributes.as_ref().and_then(|a| a.rest.as_ref());
        let rest = rest.map(|rest| if let Rest::Ignore(span) = rest { *span } else { span });
        if let Some(span) = rest {
            let message = format!("the attributes of {} are numbers in its term", def.name);
            return self.fail("wrong-attribute", message, span, "no bundle", "name each with its value");
        }
        Some(terms)
    }

    /// The values of all attributes in a pattern.
    fn matched_attributes(&mut self, def: &Def, call: &Call, span: Span) -> Option<Vec<AttrValue>> {
        let mut values = Vec::new();
        let mut complete = true;
        for attr in &def.attrs {
            let given = call.attributes.iter().flat_map(|a| &a.named).find(|(name, _)| name.text == attr.name);
            let value = match given {
                None => {
                    let message = format!("the attribute `{}` of {} may have any value here", attr.name, def.name);
                    let help = "name it with the value that is meant";
                    self.fail("unhandled-attribute", message, span, "not mentioned here", help)
                }
                Some((_, Term { kind: TermKind::Wild | TermKind::Name(_), span })) if !self.is_literal(given) => {
                    let message = format!("the attribute `{}` of {} is a number in its term", attr.name, def.name);
                    let help = "give its value, or write the term that it stands for";
                    self.fail("not-a-pattern", message, *span, "no value", help)
                }
                Some((_, term)) => {
                    let known = AttrDef::new("the attribute", attr.kind, Default::Required);
                    attributes::literal(&known, term, self.diagnostics)
                }
            };
            complete &= value.is_some();
            values.extend(value);
        }
        complete.then_some(values)
    }

    /// Whether a name is a value: `true`, `inf`, `f32` …
    fn is_literal(&self, given: Option<&(Name, Term)>) -> bool {
        match given {
            Some((_, Term { kind: TermKind::Name(name), .. })) => super::pattern::constant(name),
            _ => false,
        }
    }
}

fn all_equal(elements: &[f64]) -> bool {
    elements.first().is_some_and(|first| elements.iter().all(|x| x == first))
}

/// How often each input is read.
fn count_inputs(term: &DefTerm, reads: &mut [usize]) {
    match term {
        DefTerm::Input(i) => reads[*i] += 1,
        DefTerm::Call { args, .. } => args.iter().flatten().for_each(|arg| count_inputs(arg, reads)),
        DefTerm::Number(_) | DefTerm::Attr(_) | DefTerm::Constant(_) => {}
    }
}

fn meta_of(value: &AttrValue) -> Meta {
    match value {
        AttrValue::Int(x) => Meta::Int(*x),
        AttrValue::Float(x) => Meta::Float(f64::from(*x)),
        AttrValue::Str(x) => Meta::Str(x.clone()),
        AttrValue::Type(x) => Meta::DType(*x),
        AttrValue::Ints(x) => Meta::List(x.iter().map(|&x| Meta::Int(x)).collect()),
        AttrValue::Floats(x) => Meta::List(x.iter().map(|&x| Meta::Float(f64::from(x))).collect()),
        AttrValue::Strs(x) => Meta::List(x.iter().map(|x| Meta::Str(x.clone())).collect()),
    }
}
