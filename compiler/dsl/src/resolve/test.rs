//! Test blocks: their graphs in single-assignment form, and what they expect.

use super::attributes;
use super::calls::{arity, check_count, counted, infix, negation, output};
use crate::ast::{self, Argument, Call, Content, Name, Operator, Term, TermKind};
use crate::scope::Scope;
use crate::{Compare, Expect, Test, TestConst, TestGraph, TestNode, TestValue, check};
use indexmap::IndexMap;
use qcc_diag::{Diagnostic, Span};
use qcc_ops::{Arity, AttrValue, Default, Op};
use qcc_tensor::{DType, TensorType};

/// Most elements of a tensor in a test. Tests compare graphs; the largest tensors of the standard rules have thousands.
const MAX_ELEMENTS: usize = 1 << 24;

/// A test, or nothing if its graph has errors.
pub(super) fn test(
    scope: &Scope<'_>,
    file: usize,
    module: &str,
    test: &ast::Test,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Test> {
    let before = diagnostics.len();
    let mut cx = GraphContext { scope, file, diagnostics, names: IndexMap::new(), graph: TestGraph::default() };
    for (name, dtype, shape) in &test.inputs {
        let value = TestValue::Input(cx.graph.inputs.len());
        let ty = TensorType::new(*dtype, shape.iter().copied());
        if !small(shape) {
            cx.fail::<()>("too-large", format!("`{}` is too large for a test", name.text), name.span, "this input", "");
        }
        cx.graph.inputs.push((name.text.clone(), ty));
        cx.define(name, Some(value));
    }
    for (names, term) in &test.statements {
        cx.statement(names, term);
    }
    let outputs: Vec<Option<TestValue>> = test.outputs.iter().map(|term| cx.value(term)).collect();
    let mut graph = cx.graph;
    graph.outputs = outputs.into_iter().flatten().collect();
    if diagnostics.len() == before {
        check::typing::graph(&graph, diagnostics);
    }
    let expects = test.expects.iter().filter_map(|e| expect(scope, file, e, diagnostics)).collect();
    if test.expects.is_empty() {
        let message = format!("the test \"{}\" expects nothing", test.name.text);
        let diagnostic = Diagnostic::error("missing-expect", message).label(test.name.span, "nothing to check");
        diagnostics.push(diagnostic.help("add `expect fired rule-name`"));
    }
    let test = Test { name: test.name.text.clone(), module: module.to_string(), graph, expects, span: test.span };
    (diagnostics.len() == before).then_some(test)
}

fn expect(scope: &Scope<'_>, file: usize, expect: &ast::Expect, diagnostics: &mut Vec<Diagnostic>) -> Option<Expect> {
    Some(match expect {
        ast::Expect::Fired(name, None, span) => Expect::Fired(name.text.clone(), Compare::Ge, 1, *span),
        ast::Expect::Fired(name, Some((op, n)), span) => Expect::Fired(name.text.clone(), compare(*op), *n, *span),
        ast::Expect::Blocked(name, reason, span) => Expect::Blocked(name.text.clone(), reason.text.clone(), *span),
        ast::Expect::Count(name, op, n, span) => {
            Expect::Count(scope.op(file, name, diagnostics)?, compare(*op), *n, *span)
        }
        ast::Expect::Kernels(op, n, span) => Expect::Kernels(compare(*op), *n, *span),
        ast::Expect::Cost(op, bound, span) => Expect::Cost(compare(*op), *bound, *span),
        ast::Expect::Snapshot(span) => Expect::Snapshot(*span),
    })
}

fn compare(operator: Operator) -> Compare {
    match operator {
        Operator::Ne => Compare::Ne,
        Operator::Lt => Compare::Lt,
        Operator::Le => Compare::Le,
        Operator::Gt => Compare::Gt,
        Operator::Ge => Compare::Ge,
        _ => Compare::Eq,
    }
}

fn small(shape: &[usize]) -> bool {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).is_some_and(|n| n <= MAX_ELEMENTS)
}

struct GraphContext<'a, 'd> {
    scope: &'d Scope<'a>,
    file: usize,
    diagnostics: &'d mut Vec<Diagnostic>,
    /// Values by name; `None` for those whose definition has an error.
    names: IndexMap<String, (Option<TestValue>, Span)>,
    graph: TestGraph,
}

impl GraphContext<'_, '_> {
    fn fail<T>(&mut self, code: &'static str, message: String, span: Span, label: &str, help: &str) -> Option<T> {
        let diagnostic = Diagnostic::error(code, message).label(span, label);
        self.diagnostics.push(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
        None
    }

    fn define(&mut self, name: &Name, value: Option<TestValue>) {
        if DType::from_name(&name.text).is_some() {
            let message = format!("`{}` has a meaning of its own", name.text);
            self.fail::<()>("reserved-name", message, name.span, "cannot be a value", "use another name");
        }
        if let Some((_, first)) = self.names.insert(name.text.clone(), (value, name.span)) {
            let diagnostic = Diagnostic::error("duplicate-name", format!("`{}` is defined twice", name.text));
            self.diagnostics.push(diagnostic.label(name.span, "again").label(first, "defined first"));
        }
    }

    fn statement(&mut self, names: &[Name], term: &Term) {
        let value = self.value(term);
        match (names, value) {
            ([name], value) => self.define(name, value),
            (names, Some(TestValue::Node(node, 0))) => {
                let op = self.graph.nodes[node].op;
                let open = op.outputs.last().is_some_and(|p| p.arity == Arity::Variadic);
                if !open && names.len() > op.outputs.len() {
                    let message =
                        format!("{} has {}, {} are named", op.name, counted(op.outputs.len(), "output"), names.len());
                    self.fail::<()>("wrong-arguments", message, term.span, "this call", "");
                }
                let outputs = &mut self.graph.nodes[node].outputs;
                *outputs = (*outputs).max(names.len());
                for (i, name) in names.iter().enumerate() {
                    self.define(name, Some(TestValue::Node(node, i as u32)));
                }
            }
            (names, value) => {
                if value.is_some() {
                    let message = "only a call has several outputs".to_string();
                    self.fail::<()>("wrong-kind", message, term.span, "this is one value", "");
                }
                names.iter().for_each(|name| self.define(name, None));
            }
        }
    }

    /// A value that must be there.
    fn value(&mut self, term: &Term) -> Option<TestValue> {
        match &term.kind {
            TermKind::Name(name) if !matches!(name.as_str(), "inf" | "nan") => match self.names.get(name) {
                Some((value, _)) => value.clone(),
                None => {
                    let known: Vec<String> = self.names.keys().cloned().collect();
                    let help = match qcc_diag::nearest(name, known.iter().map(String::as_str)) {
                        Some(other) => format!("did you mean `{other}`?"),
                        None => "inputs and earlier statements define values".to_string(),
                    };
                    self.fail("unbound-variable", format!("`{name}` is not defined"), term.span, "not defined", &help)
                }
            },
            TermKind::Tensor(tensor) => {
                if !small(&tensor.shape) {
                    let message = "the constant is too large for a test".to_string();
                    return self.fail("too-large", message, term.span, "here", "");
                }
                let ty = TensorType::new(tensor.dtype, tensor.shape.iter().copied());
                Some(TestValue::Const(match &tensor.content {
                    Content::Random => TestConst::Rand(ty),
                    Content::RandomPositive => TestConst::RandPositive(ty),
                    Content::Values(values) => TestConst::Values(ty, values.clone()),
                }))
            }
            TermKind::Call(call) => self.call(call, None, term.span),
            TermKind::Field(inner, name) => match &inner.kind {
                TermKind::Call(call) => self.call(call, Some(name), term.span),
                TermKind::Name(_) => match self.value(inner)? {
                    TestValue::Node(node, 0) => self.output(node, name),
                    _ => self.fail("wrong-kind", "only calls have outputs".to_string(), inner.span, "no call", ""),
                },
                _ => self.fail("wrong-kind", "only calls have outputs".to_string(), inner.span, "no call", ""),
            },
            TermKind::Binary(operator, a, b) if infix(*operator).is_some() => {
                let (a, b) = (self.value(a), self.value(b));
                let op = infix(*operator)?;
                self.node(op, Vec::new(), vec![Some(a?), Some(b?)], term.span)
            }
            TermKind::Error => None,
            _ => {
                if let Some(number) = attributes::number(term) {
                    return Some(TestValue::Const(TestConst::Values(TensorType::new(DType::F32, []), vec![number])));
                }
                if let TermKind::Neg(a) = &term.kind {
                    let a = self.value(a)?;
                    return self.node(negation()?, Vec::new(), vec![Some(a)], term.span);
                }
                let help = "write an operator call, a name, a number, `rand[2,3]`, `full i8[4](0)` or `i64 [1, 2]`";
                self.fail("wrong-kind", "this is no value of a graph".to_string(), term.span, "no value", help)
            }
        }
    }

    fn output(&mut self, node: usize, name: &Name) -> Option<TestValue> {
        let index = output(self.graph.nodes[node].op, name, self.diagnostics)?;
        let outputs = &mut self.graph.nodes[node].outputs;
        *outputs = (*outputs).max(index as usize + 1);
        Some(TestValue::Node(node, index))
    }

    fn node(
        &mut self,
        op: Op,
        attrs: Vec<(String, AttrValue)>,
        inputs: Vec<Option<TestValue>>,
        span: Span,
    ) -> Option<TestValue> {
        self.graph.nodes.push(TestNode { op, attrs, inputs, outputs: 1, span });
        Some(TestValue::Node(self.graph.nodes.len() - 1, 0))
    }

    fn call(&mut self, call: &Call, field: Option<&Name>, span: Span) -> Option<TestValue> {
        if let Some((home, def)) = self.scope.def(self.file, &call.callee.text) {
            return self.defined(home, def, call, span);
        }
        let lower = call.callee.text.starts_with(|c: char| c.is_ascii_lowercase());
        let op = match Scope::lower_case_op(&call.callee.text).filter(|_| lower) {
            Some(op) => Some(op),
            None => self.scope.op(self.file, &call.callee, self.diagnostics),
        };
        let inputs: Vec<Option<Option<TestValue>>> = call
            .arguments
            .iter()
            .enumerate()
            .map(|(i, argument)| match argument {
                Argument::One(Term { kind: TermKind::Wild, span }) => {
                    match op.filter(|op| arity(*op, i) != Arity::Optional) {
                        Some(op) => {
                            let message = format!("this input of {} must be there", op.name);
                            self.fail("not-optional", message, *span, "absent", "")
                        }
                        None => Some(None),
                    }
                }
                Argument::One(term) => self.value(term).map(Some),
                _ => {
                    let message = "test graphs have plain arguments".to_string();
                    self.fail("wrong-arguments", message, span, "in this call", "")
                }
            })
            .collect();
        let op = op?;
        let enough = check_count(op, inputs.len(), false, span, self.diagnostics);
        let attrs = self.attributes(op, call, span);
        let inputs: Option<Vec<Option<TestValue>>> = inputs.into_iter().collect();
        enough?;
        let node = self.node(op, attrs?, inputs?, span)?;
        match (field, &node) {
            (Some(name), TestValue::Node(index, _)) => self.output(*index, name),
            _ => Some(node),
        }
    }

    /// A call of an operator that is defined by others is its term.
    fn defined(&mut self, home: usize, def: &ast::Def, call: &Call, span: Span) -> Option<TestValue> {
        let values: Vec<Option<TestValue>> = call
            .arguments
            .iter()
            .map(|argument| match argument {
                Argument::One(term) => self.value(term),
                _ => {
                    let message = "test graphs have plain arguments".to_string();
                    self.fail("wrong-arguments", message, span, "in this call", "")
                }
            })
            .collect();
        let values: Vec<TestValue> = values.into_iter().collect::<Option<_>>()?;
        // What is wrong with the definition itself is reported where it stands.
        let def = super::def::def(self.scope, home, "", def, &mut Vec::new())?;
        let mut attrs = Vec::new();
        for (name, term) in call.attributes.iter().flat_map(|a| &a.named) {
            let kind = def.attrs.iter().find(|a| a.name == name.text).map_or(qcc_ops::AttrKind::Float, |a| a.kind);
            let definition = qcc_ops::AttrDef::new("the attribute", kind, Default::Required);
            attrs.push((name.text.clone(), attributes::literal(&definition, term, self.diagnostics)?));
        }
        let dtypes: Vec<_> = values.iter().map(|v| super::def::dtype(&self.graph, v)).collect();
        let expanded = match def.expand(&attrs, &dtypes) {
            Ok(expanded) => expanded,
            Err(message) => return self.fail("wrong-arguments", message, span, "this call", ""),
        };
        let offset = self.graph.nodes.len();
        let moved = |value: TestValue| match value {
            TestValue::Input(i) => values[i].clone(),
            TestValue::Node(node, output) => TestValue::Node(node + offset, output),
            constant => constant,
        };
        for mut node in expanded.nodes {
            node.inputs = node.inputs.into_iter().map(|v| v.map(moved)).collect();
            node.span = span;
            self.graph.nodes.push(node);
        }
        expanded.outputs.into_iter().next().map(moved)
    }

    fn attributes(&mut self, op: Op, call: &Call, span: Span) -> Option<Vec<(String, AttrValue)>> {
        let mut result: Vec<(String, AttrValue)> = Vec::new();
        let mut complete = true;
        for (i, (name, term)) in call.attributes.iter().flat_map(|a| &a.named).enumerate() {
            let twice = call.attributes.iter().flat_map(|a| &a.named).take(i).find(|(n, _)| n.text == name.text);
            if let Some((first, _)) = twice {
                self.diagnostics.push(crate::scope::duplicate("attribute", name, first));
                complete = false;
            }
            let definition = attributes::definition(&[op], name, self.diagnostics);
            let value = definition.and_then(|d| attributes::literal(d, term, self.diagnostics));
            complete &= value.is_some();
            result.extend(value.map(|v| (name.text.clone(), v)));
        }
        if call.attributes.as_ref().is_some_and(|a| a.rest.is_some()) {
            let message = "test graphs have no bundles of attributes".to_string();
            return self.fail("wrong-kind", message, span, "in this call", "");
        }
        let given = |name: &str| call.attributes.iter().flat_map(|a| &a.named).any(|(n, _)| n.text == name);
        let missing = op.0.attrs.iter().find(|d| matches!(d.default, Default::Required) && !given(d.name));
        if let Some(missing) = missing {
            let message = format!("{} needs the attribute `{}`", op.name, missing.name);
            return self.fail("missing-attribute", message, span, "not given", "");
        }
        complete.then_some(result)
    }
}
