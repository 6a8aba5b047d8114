//! A graph with every way to compute its layers, for rules to choose from.
//!
//! The value of a layer is written once for each precision that is allowed, and `Approximate` says that one may stand for the
//! other. So is the value of every other operator that can read codes. Which of them the fastest graph within a budget uses is
//! told by the constants it reads: the codes of weights.

use crate::insert::Writer;
use crate::plan::{Choice, Plan};
use crate::{Calibration, Precision};
use qcc_ir::{Graph, Node, NodeId, OpNode, TypedGraph, ValueId};
use qcc_ops::Attrs;
use rustc_hash::FxHashMap;

/// A graph with alternatives.
#[derive(Debug, Clone)]
pub struct Alternatives {
    /// The graph.
    pub graph: Graph,
    /// Codes of weights, with the layer and the precision that read them.
    pub codes: Vec<(ValueId, usize, Precision)>,
}

/// Writes what is allowed for each layer into the graph. A layer must be allowed something.
pub fn alternatives(calibration: &Calibration, allowed: &[Vec<Precision>]) -> Alternatives {
    let graph = &calibration.graph;
    let plans = Precision::QUANTIZED.map(|wanted| {
        // A layer that is not allowed what is wanted reads codes if it may: other operators' inputs follow from that.
        let of = |allowed: &Vec<Precision>| {
            let given = allowed.iter().copied();
            let of_codes = given.clone().find(|p| p.reads_codes());
            given.clone().find(|p| *p == wanted).or(of_codes).unwrap_or(Precision::Float)
        };
        calibration.plan(&allowed.iter().map(of).collect::<Vec<_>>())
    });
    let layers = plans[0].layers.iter().enumerate().map(|(i, l)| (l.node, i)).collect();
    let mut builder = Builder { graph, plans, layers, writer: Writer::new(graph), codes: Vec::new() };
    for id in graph.graph().node_ids() {
        builder.node(id, allowed);
    }
    let Builder { mut writer, codes, .. } = builder;
    for (name, value) in graph.graph().outputs() {
        writer.out.add_output(name.clone(), writer.map[value]);
    }
    Alternatives { graph: writer.out, codes }
}

struct Builder<'a> {
    graph: &'a TypedGraph,
    /// Everything in each of [`Precision::QUANTIZED`], where that is allowed.
    plans: [Plan; Precision::QUANTIZED.len()],
    layers: FxHashMap<NodeId, usize>,
    writer: Writer,
    codes: Vec<(ValueId, usize, Precision)>,
}

impl Builder<'_> {
    fn node(&mut self, id: NodeId, allowed: &[Vec<Precision>]) {
        match (self.graph.graph().node(id), self.layers.get(&id)) {
            (Node::Op(node), Some(&layer)) => {
                let value = self.layer(node, layer, &allowed[layer]);
                self.writer.map.insert(id.output(0), value);
            }
            (Node::Op(node), None) => self.op(id, node),
            _ => self.writer.copy(self.graph, id),
        }
    }

    /// The value of a layer in every precision that is allowed.
    fn layer(&mut self, node: &OpNode, at: usize, allowed: &[Precision]) -> ValueId {
        let mut values = Vec::new();
        if allowed.contains(&Precision::Float) {
            let node = self.writer.mapped(node);
            values.push(self.writer.out.add_op(node).output(0));
        }
        for (plan, wanted) in self.plans.iter().zip(Precision::QUANTIZED) {
            let Choice::Integer(precision, integer) = &plan.choices[at] else { continue };
            if *precision != wanted || !allowed.contains(precision) {
                continue;
            }
            let (value, codes) = self.writer.integer(self.graph, plan, &plan.layers[at], *precision, integer);
            self.codes.push((codes, at, *precision));
            values.push(value);
        }
        self.one_of(values)
    }

    /// An operator that reads floats, or codes where that is possible.
    fn op(&mut self, id: NodeId, node: &OpNode) {
        let mut reading = self.writer.mapped(node);
        let float = self.writer.out.add_op(reading.clone());
        let plan = &self.plans[0];
        let mut reads = false;
        for (i, slot) in node.inputs.iter().enumerate() {
            let Some(v) = slot.filter(|_| plan.flow.edges.contains(&(id, i))) else { continue };
            let Some(&class) = plan.flow.class_of.get(&v) else { continue };
            let grid = plan.grids[class].grid;
            reading.inputs[i] = Some(self.writer.codes(self.graph, v, &grid, plan.factors.get(&v)));
            reads = true;
        }
        let codes = reads.then(|| self.writer.out.add_op(reading));
        for o in 0..node.outputs as u32 {
            let values = std::iter::once(float).chain(codes).map(|n| n.output(o)).collect();
            let value = self.one_of(values);
            self.writer.map.insert(id.output(o), value);
        }
    }

    fn one_of(&mut self, values: Vec<ValueId>) -> ValueId {
        let all = values
            .into_iter()
            .reduce(|a, b| self.writer.op("Approximate", Attrs::new(), vec![Some(a), Some(b)], String::new()));
        all.expect("a value has at least one form")
    }
}
