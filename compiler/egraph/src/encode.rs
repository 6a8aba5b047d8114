//! A typed graph as an e-graph.

use crate::analysis::{self, Data, EGraph, Kind};
use crate::instance::add;
use crate::language::{Children, Node, OpId};
use crate::tables::Call;
use egg::Id;
use qcc_ir::{FusedNode, Graph, Node as IrNode, NodeId, OpNode, TypedGraph, ValueId};
use qcc_ops::{AttrValue, Attrs, Op};
use rustc_hash::FxHashMap;

/// What is kept of the graph beside its terms.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The graph; names of inputs, outputs and the model.
    pub(crate) graph: Graph,
    /// Class of every output.
    pub(crate) roots: Vec<Id>,
    /// The graph's own terms in topological order, with the class they were added to.
    pub(crate) terms: Vec<(Id, Node)>,
    /// Names of the graph's nodes by the class of their value, in order.
    pub(crate) names: Vec<(Id, String)>,
    /// Class of every value of the graph.
    pub(crate) values: FxHashMap<ValueId, Id>,
}

struct Encoder<'a> {
    egraph: &'a mut EGraph,
    terms: Vec<(Id, Node)>,
    names: Vec<(Id, String)>,
    /// Constants that are not one with others of the same content.
    apart: &'a [ValueId],
}

/// Adds a graph. Constants of `apart` are not one with others of the same content.
///
/// # Errors
/// A violated invariant of the graph, which is a bug in qcc.
pub(crate) fn encode(graph: &TypedGraph, apart: &[ValueId], egraph: &mut EGraph) -> Result<Origin, String> {
    let g = graph.graph();
    let mut encoder = Encoder { egraph, terms: Vec::new(), names: Vec::new(), apart };
    let mut values: FxHashMap<ValueId, Id> = FxHashMap::default();
    for (position, &id) in g.inputs().iter().enumerate() {
        let data = Data::of_type(graph.ty(id.output(0)).clone());
        values.insert(id.output(0), encoder.node(Node::leaf(OpId::Input(position as u32)), data));
    }
    encoder.block(graph, &mut values)?;
    let roots = g.outputs().iter().map(|(_, v)| values[v]).collect();
    let Encoder { terms, names, .. } = encoder;
    Ok(Origin { graph: g.clone(), roots, terms, names, values })
}

impl Encoder<'_> {
    fn node(&mut self, node: Node, data: Data) -> Id {
        let id = add(self.egraph, node.clone(), data);
        self.terms.push((id, node));
        id
    }

    fn name(&mut self, id: Id, name: &str) {
        if !name.is_empty() {
            self.names.push((id, name.to_string()));
        }
    }

    /// Adds the nodes of a graph whose inputs have classes.
    fn block(&mut self, graph: &TypedGraph, values: &mut FxHashMap<ValueId, Id>) -> Result<(), String> {
        let g = graph.graph();
        for id in g.node_ids() {
            match g.node(id) {
                IrNode::Input(_) => {}
                IrNode::Const(tensor) => {
                    let data = Data::of_constant(tensor);
                    let tables = &mut self.egraph.analysis.tables;
                    let index = match self.apart.contains(&id.output(0)) {
                        true => tables.constant_apart(tensor.clone()),
                        false => tables.constant(tensor.clone()),
                    };
                    values.insert(id.output(0), self.node(Node::leaf(OpId::Const(index)), data));
                }
                IrNode::Op(node) => self.op(graph, id, node, values)?,
                IrNode::Fused(node) => {
                    let class = self.fused(graph, id, node, values)?;
                    values.insert(id.output(0), class);
                    self.name(class, &node.name);
                }
            }
        }
        Ok(())
    }

    fn op(
        &mut self,
        graph: &TypedGraph,
        id: NodeId,
        node: &OpNode,
        values: &mut FxHashMap<ValueId, Id>,
    ) -> Result<(), String> {
        let inputs: Vec<Option<Id>> = node.inputs.iter().map(|v| v.map(|v| values[&v])).collect();
        let regions = (!node.regions.is_empty()).then(|| {
            let regions = &mut self.egraph.analysis.tables.regions;
            regions.push(node.regions.clone());
            (regions.len() - 1) as u32
        });
        let call = Call { op: node.op, outputs: node.outputs as u32, regions };
        let types: Vec<_> = (0..node.outputs as u32).map(|i| graph.ty(id.output(i)).clone()).collect();
        let kind = match &types[..] {
            [ty] => Kind::Tensor(ty.clone()),
            _ => Kind::Tuple(types.clone()),
        };
        let class = self.call(call, &inputs, &node.attrs, &kind);
        if node.outputs == 1 {
            values.insert(id.output(0), class);
            self.name(class, &node.name);
            return Ok(());
        }
        for (i, ty) in types.into_iter().enumerate() {
            let data = analysis::projection(&self.egraph[class].data, &Kind::Tensor(ty));
            let children: Children = [class].into_iter().collect();
            let output = self.node(Node { op: OpId::Proj(i as u32), children }, data);
            values.insert(id.output(i as u32), output);
        }
        self.name(class, &node.name);
        Ok(())
    }

    fn call(&mut self, call: Call, inputs: &[Option<Id>], attrs: &Attrs, kind: &Kind) -> Id {
        let given = inputs.iter().rposition(Option::is_some).map_or(0, |i| i + 1);
        let mut children = Children::new();
        for input in &inputs[..given] {
            children.push(match input {
                Some(id) => *id,
                None => self.node(Node::leaf(OpId::Absent), Data::leaf(Kind::Absent)),
            });
        }
        let data: Vec<&Data> = children.iter().map(|&c| &self.egraph[c].data).collect();
        let data = analysis::of_call(call, &data, attrs, kind, None);
        let bundle = self.egraph.analysis.tables.attrs(attrs);
        children.push(self.node(Node::leaf(OpId::Attrs(bundle)), Data::leaf(Kind::Attrs(bundle))));
        let index = self.egraph.analysis.tables.call(call);
        self.node(Node { op: OpId::Call(index), children }, data)
    }

    fn plain(&mut self, name: &str, inputs: &[Option<Id>], attrs: &Attrs, kind: &Kind) -> Result<Id, String> {
        let op: Op = qcc_ops::find(name).ok_or_else(|| format!("this is a bug in qcc: no op `{name}`"))?;
        Ok(self.call(Call { op, outputs: 1, regions: None }, inputs, attrs, kind))
    }

    fn fused(
        &mut self,
        graph: &TypedGraph,
        id: NodeId,
        node: &FusedNode,
        values: &FxHashMap<ValueId, Id>,
    ) -> Result<Id, String> {
        let inputs: Vec<Option<Id>> = node.inputs.iter().map(|v| v.map(|v| values[&v])).collect();
        let body = &graph.regions(id)[0];
        let body_inputs = body.graph().inputs();
        let mut inner: FxHashMap<ValueId, Id> = FxHashMap::default();
        let mut core = None;
        let mut read = 0;
        if let Some(c) = &node.core {
            let ty = body.ty(body_inputs[0].output(0)).clone();
            let kind = Kind::Tensor(ty.clone());
            let call = Call { op: c.op, outputs: 1, regions: None };
            core = Some(self.call(call, &inputs[..c.inputs], &c.attrs, &kind));
            let shape = ty.shape.iter().map(|&d| d as i64).collect();
            let attrs = Attrs::new().with("dtype", AttrValue::Type(ty.dtype)).with("shape", AttrValue::Ints(shape));
            inner.insert(body_inputs[0].output(0), self.plain("Acc", &[], &attrs, &kind)?);
            read = c.inputs;
        }
        let body_values = body_inputs.iter().skip(usize::from(core.is_some()));
        for (input, class) in body_values.zip(inputs[read..].iter().flatten()) {
            inner.insert(input.output(0), *class);
        }
        self.block(body, &mut inner)?;
        let result = inner[&body.graph().outputs()[0].1];
        match core {
            Some(core) => {
                let kind = Kind::Tensor(graph.ty(id.output(0)).clone());
                self.plain("Fused", &[Some(core), Some(result)], &Attrs::new(), &kind)
            }
            None => Ok(result),
        }
    }
}
