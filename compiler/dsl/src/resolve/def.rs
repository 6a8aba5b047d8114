//! Definitions of operators: their terms with names resolved.

use super::attributes;
use super::calls::{check_count, infix, negation, output};
use crate::TestConst;
use crate::ast::{self, Argument, Call, Content, Name, Term, TermKind};
use crate::def::{Def, DefAttr, DefTerm, DefValue};
use crate::scope::{Scope, duplicate};
use qcc_diag::nearest;
use qcc_diag::{Diagnostic, Span};
use qcc_ops::{AttrKind, AttrValue, Default, Op};
use qcc_tensor::{DType, TensorType};

/// Definitions that call each other may nest so deep; they cannot recurse.
const MAX_CALLS: usize = 16;

/// A definition, or nothing if it has errors.
pub(super) fn def(
    scope: &Scope<'_>,
    file: usize,
    module: &str,
    def: &ast::Def,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Def> {
    let before = diagnostics.len();
    for (i, name) in def.parameters.iter().enumerate() {
        if let Some(earlier) = def.parameters[..i].iter().find(|p| p.text == name.text) {
            diagnostics.push(duplicate("parameter", name, earlier));
        }
    }
    if def.parameters.is_empty() {
        let diagnostic = Diagnostic::error("wrong-arguments", format!("`{}` has no input", def.name.text));
        diagnostics.push(diagnostic.label(def.name.span, "nothing to compute from"));
    }
    if !def.name.text.starts_with(|c: char| c.is_ascii_uppercase()) {
        let diagnostic = Diagnostic::error("reserved-name", format!("`{}` is no name of an operator", def.name.text));
        let help = "operators begin with a capital letter; a function is declared with `fn`";
        diagnostics.push(diagnostic.label(def.name.span, "begins with a small letter").help(help));
    }
    let mut attrs: Vec<DefAttr> = Vec::new();
    for (i, attr) in def.attributes.iter().enumerate() {
        let twice = def.attributes[..i].iter().map(|a| &a.name).chain(&def.parameters);
        if let Some(earlier) = twice.into_iter().find(|n| n.text == attr.name.text) {
            diagnostics.push(duplicate("attribute", &attr.name, earlier));
        }
        let default = attr.default.as_ref().map(|term| default(attr, term, diagnostics));
        attrs.push(DefAttr { name: attr.name.text.clone(), kind: attr.kind, default: default.flatten() });
    }
    let mut cx = Context { scope, file, diagnostics, frames: vec![Frame { def, arguments: None }], attrs };
    let body = cx.term(&def.body);
    let attrs = cx.attrs;
    let body = body?;
    if !matches!(body, DefTerm::Call { .. }) {
        let diagnostic = Diagnostic::error("not-a-term", format!("`{}` computes nothing", def.name.text));
        diagnostics.push(diagnostic.label(def.body.span, "no operator call"));
    }
    (diagnostics.len() == before).then(|| Def {
        name: def.name.text.clone(),
        domain: def.domain.as_ref().map(|d| d.text.clone()),
        doc: def.doc.clone(),
        module: module.to_string(),
        inputs: def.parameters.iter().map(|p| p.text.clone()).collect(),
        attrs,
        body,
        span: def.span,
    })
}

fn default(attr: &ast::DefAttr, term: &Term, diagnostics: &mut Vec<Diagnostic>) -> Option<AttrValue> {
    // The definition of an attribute needs a static name only for its messages.
    let name: &'static str = match attr.kind {
        AttrKind::Int => "the integer",
        AttrKind::Float => "the float",
        AttrKind::Ints => "the list of integers",
        AttrKind::Floats => "the list of floats",
        AttrKind::Type => "the element type",
        _ => "the text",
    };
    attributes::literal(&qcc_ops::AttrDef::new(name, attr.kind, Default::Required), term, diagnostics)
}

/// A definition that is being read; one that another calls has arguments.
struct Frame<'d> {
    def: &'d ast::Def,
    arguments: Option<Arguments>,
}

/// Inputs of a call, and its attributes by name.
type Arguments = (Vec<DefTerm>, Vec<(String, DefValue)>);

struct Context<'a, 'd> {
    scope: &'d Scope<'a>,
    file: usize,
    diagnostics: &'d mut Vec<Diagnostic>,
    frames: Vec<Frame<'d>>,
    attrs: Vec<DefAttr>,
}

impl<'d> Context<'_, 'd> {
    fn fail<T>(&mut self, code: &'static str, message: String, span: Span, label: &str, help: &str) -> Option<T> {
        let diagnostic = Diagnostic::error(code, message).label(span, label);
        self.diagnostics.push(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
        None
    }

    fn term(&mut self, term: &'d Term) -> Option<DefTerm> {
        match &term.kind {
            TermKind::Name(name) => self.name(name, term.span),
            TermKind::Int(x) => Some(DefTerm::Number(*x as f64)),
            TermKind::Float(x) => Some(DefTerm::Number(*x)),
            TermKind::Neg(inner) => match self.term(inner)? {
                DefTerm::Number(x) => Some(DefTerm::Number(-x)),
                inner => self.call_of(negation()?, vec![Some(inner)], Vec::new(), term.span),
            },
            TermKind::Binary(operator, a, b) => {
                let (a, b) = (self.term(a), self.term(b));
                let Some(op) = infix(*operator) else { return self.not_a_term(term.span) };
                self.call_of(op, vec![Some(a?), Some(b?)], Vec::new(), term.span)
            }
            TermKind::Call(call) => self.call(call, None, term.span),
            TermKind::Field(inner, name) => match &inner.kind {
                TermKind::Call(call) => self.call(call, Some(name), term.span),
                _ => self.not_a_term(term.span),
            },
            TermKind::Tensor(tensor) => match &tensor.content {
                Content::Values(values) => {
                    let ty = TensorType::new(tensor.dtype, tensor.shape.iter().copied());
                    Some(DefTerm::Constant(TestConst::Values(ty, values.clone())))
                }
                _ => {
                    let message = "a definition has no random numbers".to_string();
                    self.fail("not-a-term", message, term.span, "random", "write the numbers")
                }
            },
            TermKind::Error => None,
            _ => self.not_a_term(term.span),
        }
    }

    fn not_a_term<T>(&mut self, span: Span) -> Option<T> {
        let help = "a definition consists of operator calls, its parameters, its attributes and numbers";
        self.fail("not-a-term", "this cannot be built".to_string(), span, "no term", help)
    }

    fn name(&mut self, name: &'d str, span: Span) -> Option<DefTerm> {
        let frame = self.frames.last()?;
        if let Some(i) = frame.def.parameters.iter().position(|p| p.text == name) {
            return match &frame.arguments {
                Some((terms, _)) => terms.get(i).cloned(),
                None => Some(DefTerm::Input(i)),
            };
        }
        if frame.def.attributes.iter().any(|a| a.name.text == name) {
            return match self.attribute(name, span)? {
                DefValue::Attr(i) => match self.attrs[i].kind {
                    AttrKind::Int | AttrKind::Float => Some(DefTerm::Attr(i)),
                    kind => {
                        let message = format!("`{name}` is {}, no number", attributes::describe(kind));
                        self.fail("wrong-kind", message, span, "used as a number", "")
                    }
                },
                DefValue::Value(AttrValue::Int(x)) => Some(DefTerm::Number(x as f64)),
                DefValue::Value(AttrValue::Float(x)) => Some(DefTerm::Number(f64::from(x))),
                DefValue::Value(_) => {
                    self.fail("wrong-kind", format!("`{name}` is no number"), span, "used as one", "")
                }
            };
        }
        match name {
            "inf" => return Some(DefTerm::Number(f64::INFINITY)),
            "nan" => return Some(DefTerm::Number(f64::NAN)),
            _ => {}
        }
        let known = frame.def.parameters.iter().chain(frame.def.attributes.iter().map(|a| &a.name));
        let help = match nearest(name, known.map(|n| n.text.as_str())) {
            Some(other) => format!("did you mean `{other}`?"),
            None => "a definition sees its parameters and attributes only".to_string(),
        };
        self.fail("unbound-variable", format!("`{name}` is not bound"), span, "not bound", &help)
    }

    /// An attribute of the definition that is being read.
    fn attribute(&mut self, name: &str, span: Span) -> Option<DefValue> {
        let frame = self.frames.last()?;
        let position = frame.def.attributes.iter().position(|a| a.name.text == name)?;
        let Some((_, given)) = &frame.arguments else { return Some(DefValue::Attr(position)) };
        if let Some((_, value)) = given.iter().find(|(n, _)| n == name) {
            return Some(value.clone());
        }
        let attr = &frame.def.attributes[position];
        match &attr.default {
            Some(term) => default(attr, term, self.diagnostics).map(DefValue::Value),
            None => {
                let message = format!("`{}` needs the attribute `{name}`", frame.def.name.text);
                self.fail("missing-attribute", message, span, "not given", "")
            }
        }
    }

    fn call(&mut self, call: &'d Call, field: Option<&Name>, span: Span) -> Option<DefTerm> {
        let name = &call.callee;
        if call.class.is_some() {
            return self.not_a_term(span);
        }
        let mut args: Vec<Option<DefTerm>> = Vec::new();
        let mut complete = true;
        for argument in &call.arguments {
            match argument {
                Argument::One(Term { kind: TermKind::Wild, .. }) => args.push(None),
                Argument::One(term) => match self.term(term) {
                    Some(term) => args.push(Some(term)),
                    None => complete = false,
                },
                _ => {
                    let message = "a definition has plain arguments".to_string();
                    self.fail::<()>("wrong-arguments", message, span, "in this call", "");
                    complete = false;
                }
            }
        }
        if let Some((home, other)) = self.scope.def(self.file, &name.text) {
            return if complete { self.inner(home, other, call, args, span) } else { None };
        }
        let lower = name.text.starts_with(|c: char| c.is_ascii_lowercase());
        let op = match Scope::lower_case_op(&name.text).filter(|_| lower) {
            Some(op) => Some(op),
            None => self.scope.op(self.file, name, self.diagnostics),
        }?;
        let attrs = self.attributes(op, call);
        if !complete {
            return None;
        }
        let term = self.call_of(op, args, attrs?, span)?;
        match (field, term) {
            (Some(field), DefTerm::Call { op, args, attrs, span, .. }) => {
                let output = output(op, field, self.diagnostics)?;
                Some(DefTerm::Call { op, args, attrs, output, span })
            }
            (_, term) => Some(term),
        }
    }

    fn call_of(
        &mut self,
        op: Op,
        args: Vec<Option<DefTerm>>,
        attrs: Vec<(String, DefValue)>,
        span: Span,
    ) -> Option<DefTerm> {
        check_count(op, args.len(), false, span, self.diagnostics)?;
        Some(DefTerm::Call { op, args, attrs, output: 0, span })
    }

    fn attributes(&mut self, op: Op, call: &'d Call) -> Option<Vec<(String, DefValue)>> {
        let mut result = Vec::new();
        let mut complete = true;
        for (name, term) in call.attributes.iter().flat_map(|a| &a.named) {
            let Some(definition) = attributes::definition(&[op], name, self.diagnostics) else {
                complete = false;
                continue;
            };
            let value = match &term.kind {
                TermKind::Name(attr) if self.frames.last()?.def.attributes.iter().any(|a| a.name.text == *attr) => {
                    self.attribute(attr, term.span)
                }
                _ => attributes::literal(definition, term, self.diagnostics).map(DefValue::Value),
            };
            complete &= value.is_some();
            result.extend(value.map(|v| (name.text.clone(), v)));
        }
        complete.then_some(result)
    }

    /// A call of another definition is its term.
    fn inner(
        &mut self,
        home: usize,
        other: &'d ast::Def,
        call: &'d Call,
        args: Vec<Option<DefTerm>>,
        span: Span,
    ) -> Option<DefTerm> {
        let name = &other.name.text;
        if self.frames.len() > MAX_CALLS || self.frames.iter().any(|f| f.def.name.span == other.name.span) {
            let message = format!("the definition of `{name}` leads to itself");
            return self.fail("recursive-function", message, span, "this call", "definitions are expanded in place");
        }
        let arguments: Option<Vec<DefTerm>> = args.into_iter().collect();
        let Some(arguments) = arguments.filter(|a| a.len() == other.parameters.len()) else {
            let message = format!("`{name}` takes {} inputs", other.parameters.len());
            return self.fail("wrong-arguments", message, span, "this call", "");
        };
        let mut given = Vec::new();
        for (attr, term) in call.attributes.iter().flat_map(|a| &a.named) {
            let Some(known) = other.attributes.iter().find(|a| a.name.text == attr.text) else {
                let message = format!("`{name}` has no attribute `{}`", attr.text);
                return self.fail("unknown-attribute", message, attr.span, "not known", "");
            };
            let own = self.frames.last()?.def;
            let value = match &term.kind {
                TermKind::Name(n) if own.attributes.iter().any(|a| a.name.text == *n) => {
                    self.attribute(n, term.span)?
                }
                _ => DefValue::Value(default(known, term, self.diagnostics)?),
            };
            given.push((attr.text.clone(), value));
        }
        let file = std::mem::replace(&mut self.file, home);
        self.frames.push(Frame { def: other, arguments: Some((arguments, given)) });
        let term = self.term(&other.body);
        self.frames.pop();
        self.file = file;
        term
    }
}

/// The kind of an attribute by its name in a declaration.
pub(crate) fn attribute_kind(name: &str) -> Option<AttrKind> {
    Some(match name {
        "int" => AttrKind::Int,
        "float" => AttrKind::Float,
        "ints" => AttrKind::Ints,
        "floats" => AttrKind::Floats,
        "string" => AttrKind::Str,
        "type" => AttrKind::Type,
        _ => return None,
    })
}

/// The name of a kind of attribute in a declaration.
pub(crate) fn attribute_type(kind: AttrKind) -> &'static str {
    match kind {
        AttrKind::Int => "int",
        AttrKind::Float => "float",
        AttrKind::Ints => "ints",
        AttrKind::Floats => "floats",
        AttrKind::Type => "type",
        AttrKind::Str | AttrKind::Strs => "string",
    }
}

/// The element type of a value of a test graph, as far as it can be told without shapes.
pub(super) fn dtype(graph: &crate::TestGraph, value: &crate::TestValue) -> Option<DType> {
    use crate::TestValue;
    match value {
        TestValue::Input(i) => Some(graph.inputs[*i].1.dtype),
        TestValue::Const(TestConst::Rand(ty) | TestConst::RandPositive(ty) | TestConst::Values(ty, _)) => {
            Some(ty.dtype)
        }
        TestValue::Node(node, _) => {
            let node = &graph.nodes[*node];
            let of = |i: usize| node.inputs.get(i).and_then(Option::as_ref).and_then(|v| dtype(graph, v));
            match node.op.name {
                "Cast" => node.attrs.iter().find(|(n, _)| n == "to").and_then(|(_, v)| match v {
                    AttrValue::Type(dtype) => Some(*dtype),
                    _ => None,
                }),
                "DequantizeLinear" => of(1),
                "QuantizeLinear" => of(2),
                _ => of(0),
            }
        }
    }
}
