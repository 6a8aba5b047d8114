//! Both sides of one application as graphs.
//!
//! Leaves are what the rule's variables stand for: run-time values become graph inputs, constants stay constants. Ids are
//! those of the time of the match, so a value that the right side shares with the left is one value.

use crate::analysis::{EGraph, Kind, Scope};
use crate::bindings::{Binding, Matched};
use crate::history::Application;
use crate::language::{Node, OpId};
use crate::values;
use egg::Id;
use qcc_dsl::{ArgPattern, Expr, Pattern, Rule};
use qcc_ir::{Dim, Graph, InputNode, OpNode, ValueId};
use qcc_ops::{AttrValue, Attrs};
use rustc_hash::FxHashMap;

/// How kernels are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As the terms they are, for reading.
    Terms,
    /// Bodies applied to the whole core, for evaluation.
    Values,
}

/// One application as two graphs. A graph input of one name is one value in both.
pub(super) struct Sides {
    /// The left sides.
    pub(super) left: Graph,
    /// The right sides.
    pub(super) right: Graph,
    /// Name and class of every graph input, for bounds of its values.
    pub(super) inputs: Vec<(String, Id)>,
}

/// Writes both sides.
///
/// # Errors
/// What cannot be written as a graph.
pub(super) fn sides(egraph: &EGraph, rule: &Rule, application: &Application, form: Form) -> Result<Sides, String> {
    let mut writer = Writer {
        egraph,
        rule,
        application,
        form,
        graph: Graph::new(rule.name.clone()),
        known: FxHashMap::default(),
        accumulator: None,
        inputs: Vec::new(),
        built: application.built.iter().map(|(id, node)| (*id, node)).collect(),
        open: Vec::new(),
    };
    let mut trail = application.bindings.trail.iter();
    let roots = application.bindings.roots.iter();
    let mut outputs = Vec::new();
    for (pattern, &root) in rule.roots.iter().zip(roots) {
        outputs.push(writer.pattern(pattern, root, &mut trail)?);
    }
    let mut left = writer.graph.clone();
    for (i, value) in outputs.iter().enumerate() {
        left.add_output(format!("y{i}"), *value);
    }
    writer.accumulator = None;
    for (i, (&result, expr)) in application.results.iter().zip(&rule.results).enumerate() {
        let value = match expr {
            Expr::Folded(_) => {
                let tensor = values::value(egraph, application.bindings.roots[i])?;
                writer.graph.add_const(tensor)
            }
            _ => writer.built(result)?,
        };
        writer.graph.add_output(format!("y{i}"), value);
    }
    Ok(Sides { left: left.pruned(), right: writer.graph.pruned(), inputs: writer.inputs })
}

struct Writer<'a> {
    egraph: &'a EGraph,
    rule: &'a Rule,
    application: &'a Application,
    form: Form,
    graph: Graph,
    known: FxHashMap<Id, ValueId>,
    /// What `acc` is, where bodies are applied.
    accumulator: Option<ValueId>,
    /// Names and classes of the graph inputs.
    inputs: Vec<(String, Id)>,
    built: FxHashMap<Id, &'a Node>,
    /// Nodes that are being written.
    open: Vec<Id>,
}

type Trail<'t> = std::slice::Iter<'t, Matched>;

impl Writer<'_> {
    fn pattern(&mut self, pattern: &Pattern, id: Id, trail: &mut Trail<'_>) -> Result<ValueId, String> {
        match pattern {
            Pattern::Bind(_, inner) => self.pattern(inner, id, trail),
            Pattern::Op(op) => {
                let matched = trail.next().ok_or("this is a bug in qcc: a match without its nodes")?;
                let inputs = matched.node.inputs();
                let mut values: Vec<Option<ValueId>> = vec![None; inputs.len()];
                let saved = self.accumulator;
                let fused = self.name(&matched.node) == Some("Fused") && self.form == Form::Values;
                for (i, arg) in op.args.iter().enumerate() {
                    let ArgPattern::One(inner) = arg else { continue };
                    let j = if matched.swapped && i < 2 { 1 - i } else { i };
                    if let Some(&input) = inputs.get(j) {
                        values[j] = Some(self.pattern(inner, input, trail)?);
                    }
                    if fused && j == 0 {
                        self.accumulator = values[0];
                    }
                }
                for (value, &input) in values.iter_mut().zip(inputs) {
                    if value.is_none() {
                        *value = self.leaf(input)?;
                    }
                }
                let value = self.call(&matched.node, values, op.output)?;
                if fused {
                    self.accumulator = saved;
                }
                self.known.insert(id, value);
                Ok(value)
            }
            _ => self.leaf(id)?.ok_or_else(|| "an absent value".to_string()),
        }
    }

    fn name(&self, node: &Node) -> Option<&'static str> {
        match node.op {
            OpId::Call(call) => Some(self.egraph.analysis.tables.get_call(call).op.name),
            _ => None,
        }
    }

    /// A node of the right side, or what the left side knows by the id.
    fn built(&mut self, id: Id) -> Result<ValueId, String> {
        let node = match self.built.get(&id) {
            Some(&node) if !self.open.contains(&id) => node,
            _ => return self.leaf(id)?.ok_or_else(|| "an absent value".to_string()),
        };
        match node.op {
            OpId::Const(c) => {
                let tensor = self.egraph.analysis.tables.get_constant(c).clone();
                Ok(self.graph.add_const(tensor))
            }
            OpId::Proj(output) => {
                let tuple = self.built.get(&node.children[0]).copied();
                match tuple {
                    Some(tuple) => self.built_call(id, tuple, output),
                    None => Err("an output of a call that is not there".into()),
                }
            }
            OpId::Call(_) => self.built_call(id, node, 0),
            _ => self.leaf(id)?.ok_or_else(|| "an absent value".to_string()),
        }
    }

    fn built_call(&mut self, id: Id, node: &Node, output: u32) -> Result<ValueId, String> {
        if self.name(node) == Some("Acc")
            && let Some(value) = self.accumulator
        {
            return Ok(value);
        }
        self.open.push(id);
        let fused = self.name(node) == Some("Fused") && self.form == Form::Values;
        let saved = self.accumulator;
        let mut values = Vec::new();
        for (i, &input) in node.inputs().iter().enumerate() {
            values.push(if self.is_absent(input) { None } else { Some(self.built(input)?) });
            if fused && i == 0 {
                self.accumulator = values[0];
            }
        }
        self.accumulator = saved;
        self.open.pop();
        self.call(node, values, output)
    }

    fn is_absent(&self, id: Id) -> bool {
        match self.built.get(&id) {
            Some(node) => node.op == OpId::Absent,
            None => self.egraph[self.egraph.find(id)].data.kind == Kind::Absent,
        }
    }

    fn attrs(&self, node: &Node) -> Result<Attrs, String> {
        let id = *node.children.last().ok_or("a call without attributes")?;
        let tables = &self.egraph.analysis.tables;
        let index = match self.built.get(&id).map(|n| n.op) {
            Some(OpId::Attrs(index)) => index,
            _ => match self.egraph[self.egraph.find(id)].data.kind {
                Kind::Attrs(index) => index,
                _ => return Err("a call without attributes".into()),
            },
        };
        Ok(Attrs::clone(tables.get_attrs(index)))
    }

    fn call(&mut self, node: &Node, inputs: Vec<Option<ValueId>>, output: u32) -> Result<ValueId, String> {
        let OpId::Call(call) = node.op else { return Err("a node that is no call".into()) };
        let call = self.egraph.analysis.tables.get_call(call);
        if self.form == Form::Values && call.op.name == "Fused" {
            return inputs.get(1).copied().flatten().ok_or_else(|| "a kernel without a body".into());
        }
        let (name, outputs) = (String::new(), call.outputs as usize);
        let attrs = self.attrs(node)?;
        let node = OpNode { name, op: call.op, attrs, inputs, outputs, regions: Vec::new() };
        Ok(self.graph.add_op(node).output(output))
    }

    /// A value that the rule does not look into; `None` if it is absent.
    fn leaf(&mut self, id: Id) -> Result<Option<ValueId>, String> {
        if let Some(&value) = self.known.get(&id) {
            return Ok(Some(value));
        }
        let class = self.egraph.find(id);
        let data = &self.egraph[class].data;
        let Some(ty) = data.ty() else {
            return if data.kind == Kind::Absent { Ok(None) } else { Err("a value that is no tensor".into()) };
        };
        let is_acc = self.egraph[class].iter().any(|n| self.name(n) == Some("Acc"));
        let value = if is_acc && data.scope != Scope::Closed {
            match self.accumulator {
                // It is another one in another kernel.
                Some(value) => return Ok(Some(value)),
                None => self.acc(class, ty)?,
            }
        } else if let (Some(_), Ok(tensor)) = (data.constant, values::value(self.egraph, class)) {
            self.graph.add_const(tensor)
        } else {
            self.input(id, ty)
        };
        self.known.insert(id, value);
        Ok(Some(value))
    }

    fn acc(&mut self, class: Id, ty: &qcc_tensor::TensorType) -> Result<ValueId, String> {
        if self.form == Form::Values {
            return Ok(self.input(class, ty));
        }
        let shape = ty.shape.iter().map(|&d| d as i64).collect();
        let attrs = Attrs::new().with("dtype", AttrValue::Type(ty.dtype)).with("shape", AttrValue::Ints(shape));
        let op = qcc_ops::find("Acc").ok_or("this is a bug in qcc: no op `Acc`")?;
        let (name, inputs) = (String::new(), Vec::new());
        Ok(self.graph.add_op(OpNode { name, op, attrs, inputs, outputs: 1, regions: Vec::new() }).output(0))
    }

    fn input(&mut self, id: Id, ty: &qcc_tensor::TensorType) -> ValueId {
        let dims = ty.shape.iter().map(|&d| Dim::Known(d)).collect();
        let name = self.variable(id);
        self.inputs.push((name.clone(), id));
        self.graph.add_input(InputNode { name, dtype: ty.dtype, dims: Some(dims) })
    }

    /// The name of the rule's variable that stands for a value.
    fn variable(&self, id: Id) -> String {
        let taken: Vec<String> = self.graph.inputs().iter().map(|&i| self.graph.input(i).name.clone()).collect();
        let stands = |binding: Option<&Binding>| match binding {
            Some(Binding::Value(value)) => *value == id,
            Some(Binding::Many(values)) => values.contains(&Some(id)),
            _ => false,
        };
        let bound = self.application.bindings.all().position(stands).map(|i| self.rule.vars[i].name.clone());
        let base = bound.unwrap_or_else(|| "v".into());
        if !taken.contains(&base) {
            return base;
        }
        (1..).map(|i| format!("{base}{i}")).find(|n| !taken.contains(n)).unwrap_or(base)
    }
}
