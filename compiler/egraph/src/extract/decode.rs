//! The chosen terms as a graph.

use super::ExtractError;
use super::problem::{ClassId, CoreForm, Form, Problem};
use super::select::{Chosen, Kernel, Selection};
use crate::analysis::Kind;
use crate::language::{Node, OpId};
use crate::saturate::Saturated;
use crate::tables::Call;
use crate::values;
use qcc_ir::{Core, Dim, FusedNode, Graph, InputNode, OpNode, ValueId};
use qcc_ops::Attrs;
use qcc_tensor::{Tensor, TensorType};
use rustc_hash::FxHashMap;

/// Builds the graph, and the cost of each of its nodes by name.
///
/// # Errors
/// A constant that cannot be evaluated, a violated invariant.
pub(super) fn decode(
    saturated: &Saturated,
    problem: &Problem,
    selection: &Selection,
    chosen: &Chosen,
) -> Result<(Graph, Vec<(String, f64)>), ExtractError> {
    let origin = &saturated.origin;
    let mut graph = Graph::new(origin.graph.name.clone());
    graph.metadata = origin.graph.metadata.clone();
    let inputs = origin.graph.inputs().iter().map(|&id| graph.add_input(origin.graph.input(id).clone())).collect();
    let mut names: FxHashMap<ClassId, &str> = FxHashMap::default();
    for (id, name) in &origin.names {
        if let Some(&class) = problem.index.get(&saturated.egraph.find(*id)) {
            names.entry(class).or_insert(name);
        }
    }
    let mut decoder = Decoder {
        saturated,
        problem,
        selection,
        graph,
        inputs,
        values: FxHashMap::default(),
        names,
        table: Vec::new(),
    };
    for (class, kernel) in &chosen.kernels {
        decoder.stored(*class, kernel)?;
    }
    for ((name, _), root) in origin.graph.outputs().iter().zip(&problem.roots) {
        let value = decoder.values[root];
        decoder.graph.add_output(name.clone(), value);
    }
    Ok((decoder.graph, decoder.table))
}

/// The kernel that stores one class as a graph of its own, whose inputs are what it reads.
pub(crate) fn kernel(
    saturated: &Saturated,
    problem: &Problem,
    selection: &Selection,
    class: ClassId,
    chosen: &Chosen,
) -> Result<Graph, ExtractError> {
    let found = chosen.kernels.iter().find(|(c, _)| *c == class);
    let (_, kernel) = found.ok_or("a class that is not chosen")?;
    let mut decoder = Decoder {
        saturated,
        problem,
        selection,
        graph: Graph::new("kernel"),
        inputs: Vec::new(),
        values: FxHashMap::default(),
        names: FxHashMap::default(),
        table: Vec::new(),
    };
    for &read in &kernel.reads {
        let value = if problem.classes[read].constant {
            let tensor = decoder.constant(read)?;
            decoder.graph.add_const(tensor)
        } else {
            let (_, name) = crate::explain::name::of_class(saturated, problem.ids[read]);
            let input = decoder.body_input(&name, read)?;
            decoder.graph.add_input(input)
        };
        decoder.values.insert(read, value);
    }
    let leaf = selection.stored[class].map(|i| &problem.classes[class].stored[i].form);
    if matches!(leaf, Some(Form::Leaf)) && !problem.classes[class].constant {
        let (_, name) = crate::explain::name::of_class(saturated, problem.ids[class]);
        let input = decoder.body_input(&name, class)?;
        let value = decoder.graph.add_input(input);
        decoder.values.insert(class, value);
    } else {
        decoder.stored(class, kernel)?;
    }
    let value = decoder.values[&class];
    decoder.graph.add_output("y", value);
    Ok(decoder.graph)
}

struct Decoder<'a> {
    saturated: &'a Saturated,
    problem: &'a Problem,
    selection: &'a Selection,
    graph: Graph,
    inputs: Vec<ValueId>,
    /// Value of each stored class; a tuple stands for its first output.
    values: FxHashMap<ClassId, ValueId>,
    names: FxHashMap<ClassId, &'a str>,
    table: Vec<(String, f64)>,
}

impl Decoder<'_> {
    fn stored(&mut self, class: ClassId, kernel: &Kernel) -> Result<(), ExtractError> {
        let problem = self.problem;
        let choice = self.selection.stored[class].ok_or("a class without a choice")?;
        let stored = &problem.classes[class].stored[choice];
        let value = match &stored.form {
            Form::Leaf => match stored.node.op {
                OpId::Input(i) => self.inputs[i as usize],
                _ => {
                    let tensor = self.constant(class)?;
                    self.graph.add_const(tensor)
                }
            },
            Form::Proj(tuple) => {
                let OpId::Proj(output) = stored.node.op else { return Err("an output without a number".into()) };
                self.values[tuple].node.output(output)
            }
            Form::Op { .. } => self.op(class, &stored.node, kernel.cost)?,
            Form::Fused { core, body } => self.fused(class, *core, *body, kernel)?,
        };
        self.values.insert(class, value);
        Ok(())
    }

    fn name(&self, class: ClassId) -> String {
        self.names.get(&class).map_or(String::new(), |n| n.to_string())
    }

    fn note(&mut self, name: &str, op: &str, cost: f64) {
        self.table.push((if name.is_empty() { op.to_string() } else { format!("{name} ({op})") }, cost));
    }

    fn constant(&self, class: ClassId) -> Result<Tensor, ExtractError> {
        values::value(&self.saturated.egraph, self.problem.ids[class])
            .map_err(|why| ExtractError::Constant { node: self.name(class), why })
    }

    fn call(&self, node: &Node) -> Result<(Call, Attrs), ExtractError> {
        let egraph = &self.saturated.egraph;
        let OpId::Call(call) = node.op else { return Err("a node that is no call".into()) };
        let attrs = match node.children.last().map(|&c| &egraph[c].data.kind) {
            Some(Kind::Attrs(a)) => Attrs::clone(egraph.analysis.tables.get_attrs(*a)),
            _ => return Err("a call without attributes".into()),
        };
        Ok((egraph.analysis.tables.get_call(call), attrs))
    }

    /// Values of a call's inputs; `value` gives that of a class.
    fn arguments(&self, node: &Node, value: impl Fn(ClassId) -> ValueId) -> Vec<Option<ValueId>> {
        let egraph = &self.saturated.egraph;
        let argument =
            |&c: &egg::Id| (egraph[c].data.kind != Kind::Absent).then(|| value(self.problem.index[&egraph.find(c)]));
        node.inputs().iter().map(argument).collect()
    }

    fn op(&mut self, class: ClassId, node: &Node, cost: f64) -> Result<ValueId, ExtractError> {
        let (call, attrs) = self.call(node)?;
        let inputs = self.arguments(node, |c| self.values[&c]);
        let regions = match call.regions {
            Some(r) => self.saturated.egraph.analysis.tables.regions[r as usize].clone(),
            None => Vec::new(),
        };
        let name = self.name(class);
        self.note(&name, call.op.name, cost);
        let node = OpNode { name, op: call.op, attrs, inputs, outputs: call.outputs as usize, regions };
        Ok(self.graph.add_op(node).output(0))
    }

    fn fused(
        &mut self,
        class: ClassId,
        core: ClassId,
        body: ClassId,
        kernel: &Kernel,
    ) -> Result<ValueId, ExtractError> {
        let mut inner = Graph::new("body");
        let mut known: FxHashMap<ClassId, ValueId> = FxHashMap::default();
        let mut inputs: Vec<Option<ValueId>> = Vec::new();
        let core_form: Option<&CoreForm> = self.selection.core[core].map(|i| &self.problem.classes[core].cores[i]);
        let (head, acc) = match core_form {
            Some(form) => {
                let (call, attrs) = self.call(&form.node)?;
                inputs = self.arguments(&form.node, |c| self.values[&c]);
                let acc = inner.add_input(self.body_input("acc", core)?);
                (Some(Core { op: call.op, attrs, inputs: inputs.len() }), acc)
            }
            None => {
                let acc = inner.add_input(self.body_input("x0", core)?);
                inputs.push(Some(self.values[&core]));
                known.insert(core, acc);
                (None, acc)
            }
        };
        let computed: rustc_hash::FxHashSet<ClassId> = kernel.inside.iter().copied().collect();
        for &read in &kernel.reads {
            if known.contains_key(&read) || !self.read_by_body(read, body, &computed) {
                continue;
            }
            let name = format!("x{}", inner.inputs().len());
            known.insert(read, inner.add_input(self.body_input(&name, read)?));
            inputs.push(Some(self.values[&read]));
        }
        for &id in &kernel.inside {
            let choice = self.selection.inlined[id].ok_or("a class without a choice")?;
            let form = &self.problem.classes[id].inlined[choice];
            for &operand in &form.operands {
                self.leaf(operand, acc, &mut inner, &mut known)?;
            }
            let (call, attrs) = self.call(&form.node)?;
            let args = self.arguments(&form.node, |c| known[&c]);
            let node =
                OpNode { name: String::new(), op: call.op, attrs, inputs: args, outputs: 1, regions: Vec::new() };
            let value = inner.add_op(node).output(0);
            known.insert(id, value);
        }
        self.leaf(body, acc, &mut inner, &mut known)?;
        inner.add_output("y", known[&body]);
        let name = self.name(class);
        let what = head.as_ref().map_or("map", |c| c.op.name);
        self.note(&name, &format!("fused {what}"), kernel.cost);
        Ok(self.graph.add_fused(FusedNode { name, core: head, inputs, body: inner }))
    }

    /// Whether the body reads a class from memory, which the core alone may do too.
    fn read_by_body(&self, read: ClassId, body: ClassId, computed: &rustc_hash::FxHashSet<ClassId>) -> bool {
        let operands = computed.iter().flat_map(|&c| {
            let choice = self.selection.inlined[c];
            choice.map(|i| self.problem.classes[c].inlined[i].operands.as_slice()).unwrap_or_default()
        });
        let leaf = &self.problem.classes[read];
        !computed.contains(&read)
            && !leaf.constant
            && !leaf.acc
            && (body == read || operands.into_iter().any(|&o| o == read))
    }

    /// Constants and the accumulator enter the body where they are first used.
    fn leaf(
        &self,
        id: ClassId,
        acc: ValueId,
        inner: &mut Graph,
        known: &mut FxHashMap<ClassId, ValueId>,
    ) -> Result<(), ExtractError> {
        let class = &self.problem.classes[id];
        if known.contains_key(&id) {
            return Ok(());
        }
        if class.acc {
            known.insert(id, acc);
        } else if class.constant {
            known.insert(id, inner.add_const(self.constant(id)?));
        }
        Ok(())
    }

    fn body_input(&self, name: &str, class: ClassId) -> Result<InputNode, ExtractError> {
        let data = &self.saturated.egraph[self.problem.ids[class]].data;
        let ty: &TensorType = data.ty().ok_or("a kernel reads something that is no tensor")?;
        let dims = ty.shape.iter().map(|&d| Dim::Known(d)).collect();
        Ok(InputNode { name: name.to_string(), dtype: ty.dtype, dims: Some(dims) })
    }
}
