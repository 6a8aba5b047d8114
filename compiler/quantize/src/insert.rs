//! A plan written into its graph: quantized weights and biases, and a pair of `QuantizeLinear` and `DequantizeLinear` on every
//! edge that carries codes. The rules make integer kernels of it; other runtimes read it as the standard defines it.

use crate::plan::{Choice, IntegerLayer, Plan};
use crate::{ChannelFactors, Grid, Layer, Precision};
use qcc_ir::{Graph, Node, NodeId, OpNode, TypedGraph, ValueId};
use qcc_ops::{AttrValue, Attrs};
use qcc_tensor::{DType, Tensor, TensorType};
use rustc_hash::FxHashMap;

/// The graph with its plan written in. Values of `watched` become further outputs, in each of which an axis became the last.
pub fn insert(graph: &TypedGraph, plan: &Plan, watched: &[(ValueId, usize)]) -> Graph {
    let g = graph.graph();
    let mut writer = Writer::new(graph);
    writer.write(graph, plan);
    for (name, value) in g.outputs() {
        writer.out.add_output(name.clone(), writer.map[value]);
    }
    writer.watch(graph, watched);
    writer.out.pruned()
}

/// A graph whose outputs are, for each of `layers`, its result three times: in the float model; computed on integers from the
/// float model's values; in the quantized model.
pub fn side_by_side(graph: &TypedGraph, plan: &Plan, layers: &[usize]) -> Graph {
    let mut writer = Writer::new(graph);
    writer.copy_all(graph);
    let float: Vec<ValueId> = layers.iter().map(|&i| writer.map[&plan.layers[i].output]).collect();
    let mut local = Vec::new();
    for &i in layers {
        let layer = &plan.layers[i];
        let Choice::Integer(precision, integer) = &plan.choices[i] else { continue };
        local.push(writer.integer(graph, plan, layer, *precision, integer).0);
    }
    writer.pairs.clear();
    writer.dynamic.clear();
    writer.write(graph, plan);
    let whole = layers.iter().map(|&i| writer.map[&plan.layers[i].output]);
    for (i, ((f, l), w)) in float.into_iter().zip(local).zip(whole).enumerate() {
        writer.out.add_output(format!("float {i}"), f);
        writer.out.add_output(format!("local {i}"), l);
        writer.out.add_output(format!("whole {i}"), w);
    }
    writer.out.pruned()
}

pub(crate) struct Writer {
    pub(crate) out: Graph,
    pub(crate) map: FxHashMap<ValueId, ValueId>,
    /// Values behind a pair of quantization and its inverse, by the type of the codes.
    pairs: FxHashMap<(ValueId, DType), ValueId>,
    /// Codes, scale and zero-point of values whose range is found at run time.
    dynamic: FxHashMap<ValueId, [ValueId; 3]>,
}

impl Writer {
    /// A graph with the inputs of another and nothing else.
    pub(crate) fn new(graph: &TypedGraph) -> Self {
        let g = graph.graph();
        let mut out = Graph::new(g.name.clone());
        out.metadata = g.metadata.clone();
        let mut map = FxHashMap::default();
        for &id in g.inputs() {
            map.insert(id.output(0), out.add_input(g.input(id).clone()));
        }
        Self { out, map, pairs: FxHashMap::default(), dynamic: FxHashMap::default() }
    }

    /// Makes values further outputs, named by their position, in each of which an axis became the last: that is how channels
    /// lie in memory, and how they are read fastest.
    pub(crate) fn watch(&mut self, graph: &TypedGraph, values: &[(ValueId, usize)]) {
        for (i, (value, axis)) in values.iter().enumerate() {
            let rank = graph.ty(*value).rank();
            let mut output = self.map[value];
            if axis + 1 < rank {
                let order = (0..rank).filter(|a| a != axis).chain([*axis]).map(|a| a as i64).collect();
                let order = Attrs::new().with("perm", AttrValue::Ints(order));
                output = self.op("Transpose", order, vec![Some(output)], String::new());
            }
            self.out.add_output(format!("watched {i}"), output);
        }
    }

    /// Copies a node as it is.
    pub(crate) fn copy(&mut self, graph: &TypedGraph, id: NodeId) {
        let new = match graph.graph().node(id) {
            Node::Input(_) => return,
            Node::Const(t) => self.out.add_const(t.clone()).node,
            Node::Op(node) => {
                let node = self.mapped(node);
                self.out.add_op(node)
            }
            Node::Fused(node) => {
                let mut node = node.clone();
                node.inputs.iter_mut().flatten().for_each(|v| *v = self.map[v]);
                self.out.add_fused(node).node
            }
        };
        self.copied(graph, id, new);
    }

    /// The node with its inputs in the new graph.
    pub(crate) fn mapped(&self, node: &OpNode) -> OpNode {
        let mut node = node.clone();
        node.inputs.iter_mut().flatten().for_each(|v| *v = self.map[v]);
        node
    }

    fn copied(&mut self, graph: &TypedGraph, id: NodeId, new: NodeId) {
        for i in 0..graph.graph().node(id).outputs() as u32 {
            self.map.insert(id.output(i), new.output(i));
        }
    }

    /// Copies all nodes as they are.
    pub(crate) fn copy_all(&mut self, graph: &TypedGraph) {
        graph.graph().node_ids().for_each(|id| self.copy(graph, id));
    }

    /// Copies all nodes with a plan written in.
    fn write(&mut self, graph: &TypedGraph, plan: &Plan) {
        let g = graph.graph();
        let layers: FxHashMap<NodeId, usize> = plan.layers.iter().enumerate().map(|(i, l)| (l.node, i)).collect();
        for id in g.node_ids() {
            let Node::Op(node) = g.node(id) else {
                self.copy(graph, id);
                continue;
            };
            if let Some(&i) = layers.get(&id)
                && let Choice::Integer(precision, integer) = &plan.choices[i]
            {
                let value = self.integer(graph, plan, &plan.layers[i], *precision, integer).0;
                self.map.insert(id.output(0), value);
                continue;
            }
            let mut node = node.clone();
            for (i, slot) in node.inputs.iter_mut().enumerate() {
                if let Some(v) = slot {
                    let class = plan.flow.class_of.get(v).filter(|_| plan.flow.edges.contains(&(id, i)));
                    *v = match class {
                        Some(&class) => self.codes(graph, *v, &plan.grids[class].grid, plan.factors.get(v)),
                        None => self.map[v],
                    };
                }
            }
            let new = self.out.add_op(node);
            self.copied(graph, id, new);
        }
    }

    /// A value behind its quantization, its channels divided by `factors`.
    pub(crate) fn codes(
        &mut self,
        graph: &TypedGraph,
        value: ValueId,
        grid: &Grid,
        factors: Option<&ChannelFactors>,
    ) -> ValueId {
        if let Some(&pair) = self.pairs.get(&(value, grid.codes.dtype)) {
            return pair;
        }
        let scale = self.out.add_const(grid.scale_tensor());
        let zero = self.out.add_const(grid.zero_tensor());
        let inputs = |x| vec![Some(x), Some(scale), Some(zero)];
        let x = self.divided(graph, value, factors);
        let q = self.op("QuantizeLinear", Attrs::new(), inputs(x), String::new());
        let pair = self.op("DequantizeLinear", Attrs::new(), inputs(q), String::new());
        self.pairs.insert((value, grid.codes.dtype), pair);
        pair
    }

    /// A value with its channels divided by factors, if there are any.
    fn divided(&mut self, graph: &TypedGraph, value: ValueId, factors: Option<&ChannelFactors>) -> ValueId {
        let x = self.map[&value];
        let Some(ChannelFactors { axis, factors }) = factors else { return x };
        let rank = graph.ty(value).rank();
        let shape = (*axis..rank).map(|a| if a == *axis { factors.len() } else { 1 });
        let inverse = self.out.add_const(Tensor::new(shape, factors.iter().map(|f| 1.0 / f).collect()));
        self.op("Mul", Attrs::new(), vec![Some(x), Some(inverse)], String::new())
    }

    /// A layer of a plan that computes on integers, and the constant that holds the codes of its weights.
    pub(crate) fn integer(
        &mut self,
        graph: &TypedGraph,
        plan: &Plan,
        layer: &Layer,
        precision: Precision,
        integer: &IntegerLayer,
    ) -> (ValueId, ValueId) {
        let factors = plan.factors.get(&layer.input);
        if precision == Precision::Dynamic {
            return self.dynamic_layer(graph, layer, integer, factors);
        }
        let Node::Op(node) = graph.graph().node(layer.node) else { unreachable!("a layer is an operator") };
        let mut node = self.mapped(node);
        if precision.is_weight_only() {
            return self.layer(node, layer, precision, integer, None);
        }
        let grid = integer.input.or(plan.input_grid(layer));
        if let Some(grid) = &grid {
            node.inputs[0] = Some(self.codes(graph, layer.input, grid, factors));
        }
        // Codes of 16 bits leave no room for a bias in the sum.
        self.layer(node, layer, precision, integer, grid.filter(|_| integer.input.is_none()))
    }

    /// A matrix product on codes whose grid is found at run time, as dynamic quantization is written in the standard:
    /// `Cast(MatMulInteger(q, w, z)) * (s * scales) + bias`.
    fn dynamic_layer(
        &mut self,
        graph: &TypedGraph,
        layer: &Layer,
        integer: &IntegerLayer,
        factors: Option<&ChannelFactors>,
    ) -> (ValueId, ValueId) {
        let [codes, scale, zero] = match self.dynamic.get(&layer.input) {
            Some(known) => *known,
            None => {
                let x = self.divided(graph, layer.input, factors);
                let found = self.ops("DynamicQuantizeLinear", Attrs::new(), vec![Some(x)], 3);
                let found = [0, 1, 2].map(|i| found.output(i));
                self.dynamic.insert(layer.input, found);
                found
            }
        };
        let both = |a, b| vec![Some(a), Some(b)];
        let weights = self.out.add_const(columns(layer, integer));
        let product = vec![Some(codes), Some(weights), Some(zero)];
        let product = self.op("MatMulInteger", Attrs::new(), product, layer.name.clone());
        let to = Attrs::new().with("to", AttrValue::Type(DType::F32));
        let product = self.op("Cast", to, vec![Some(product)], String::new());
        let scales = self.out.add_const(Tensor::new([layer.outputs()], integer.scales.clone()));
        let scale = self.op("Mul", Attrs::new(), both(scale, scales), String::new());
        let mut value = self.op("Mul", Attrs::new(), both(product, scale), String::new());
        if !integer.bias.is_empty() {
            let bias = self.out.add_const(Tensor::new([layer.outputs()], integer.bias.clone()));
            value = self.op("Add", Attrs::new(), both(value, bias), String::new());
        }
        (value, weights)
    }

    pub(crate) fn op(&mut self, op: &str, attrs: Attrs, inputs: Vec<Option<ValueId>>, name: String) -> ValueId {
        let op = qcc_ops::find(op).expect("the operator is in the registry");
        self.out.add_op(OpNode { name, op, attrs, inputs, outputs: 1, regions: Vec::new() }).output(0)
    }

    /// An operator with several outputs.
    fn ops(&mut self, op: &str, attrs: Attrs, inputs: Vec<Option<ValueId>>, outputs: usize) -> NodeId {
        let op = qcc_ops::find(op).expect("the operator is in the registry");
        self.out.add_op(OpNode { name: String::new(), op, attrs, inputs, outputs, regions: Vec::new() })
    }

    /// A layer that reads codes of a grid, or floats, and the constant that holds the codes of its weights.
    fn layer(
        &mut self,
        mut node: OpNode,
        layer: &Layer,
        precision: Precision,
        integer: &IntegerLayer,
        input: Option<Grid>,
    ) -> (ValueId, ValueId) {
        let outputs = layer.outputs();
        let dequantized = |this: &mut Self, codes: ValueId, dtype: DType, scales: Tensor, attrs: Attrs| {
            let zero = Tensor::zeros(TensorType::new(dtype, scales.shape().iter().copied()));
            let scale = this.out.add_const(scales);
            let zero = this.out.add_const(zero);
            this.op("DequantizeLinear", attrs, vec![Some(codes), Some(scale), Some(zero)], String::new())
        };
        let weights = self.out.add_const(integer.codes.clone());
        let (scales, attrs) = scales(layer, integer, precision.block());
        node.inputs[1] = Some(dequantized(self, weights, integer.codes.dtype(), scales, attrs));
        if integer.bias.is_empty() {
            return (self.out.add_op(node).output(0), weights);
        }
        if layer.op == "MatMul" {
            let bias = self.out.add_const(Tensor::new([outputs], integer.bias.clone()));
            let product = self.out.add_op(node).output(0);
            return (self.op("Add", Attrs::new(), vec![Some(product), Some(bias)], String::new()), weights);
        }
        let bias = match input {
            Some(grid) => {
                let scales: Vec<f32> = integer.scales.iter().map(|s| s * grid.scale).collect();
                let code = |(b, s): (&f32, &f32)| (f64::from(*b) / f64::from(*s)).round_ties_even() as i32;
                let codes: Vec<i32> = integer.bias.iter().zip(&scales).map(code).collect();
                let axis = Attrs::new().with("axis", AttrValue::Int(0));
                let codes = self.out.add_const(Tensor::new([outputs], codes));
                dequantized(self, codes, DType::I32, Tensor::new([outputs], scales), axis)
            }
            None => self.out.add_const(Tensor::new([outputs], integer.bias.clone())),
        };
        node.inputs.resize(2, None);
        node.inputs.push(Some(bias));
        (self.out.add_op(node).output(0), weights)
    }
}

/// The scales of a layer's weights, and what says where they belong.
fn scales(layer: &Layer, integer: &IntegerLayer, block: Option<usize>) -> (Tensor, Attrs) {
    let (outputs, scales) = (layer.outputs(), &integer.scales);
    let axis = |axis: usize| Attrs::new().with("axis", AttrValue::Int(axis as i64));
    let Some(block) = block else {
        return (Tensor::new([outputs], scales.clone()), axis(layer.output_axis));
    };
    let blocks = scales.len() / outputs;
    let attrs = axis(1 - layer.output_axis).with("block_size", AttrValue::Int(block as i64));
    let scales = match layer.output_axis {
        0 => Tensor::new([outputs, blocks], scales.clone()),
        _ => Tensor::new(
            [blocks, outputs],
            (0..scales.len()).map(|i| scales[i % outputs * blocks + i / outputs]).collect(),
        ),
    };
    (scales, attrs)
}

/// The codes of a matrix product's weights, a column for each output.
fn columns(layer: &Layer, integer: &IntegerLayer) -> Tensor {
    let codes = &integer.codes;
    if layer.output_axis == 1 {
        return codes.clone();
    }
    let (outputs, terms) = (codes.shape()[0], codes.shape()[1]);
    let given = codes.slice::<i8>();
    Tensor::new([terms, outputs], (0..outputs * terms).map(|i| given[i % outputs * terms + i / outputs]).collect())
}

/// Whether a graph has quantized values already.
pub fn is_quantized(graph: &Graph) -> bool {
    graph.node_ids().any(|id| {
        matches!(graph.node(id), Node::Op(n) if matches!(n.op.name, "QuantizeLinear" | "DequantizeLinear" | "DynamicQuantizeLinear" | "IConv" | "IMatMul" | "ConvInteger" | "MatMulInteger"))
    })
}
