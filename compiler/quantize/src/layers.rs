//! The layers of a graph that have integer kernels: products with constant weights.

use qcc_ir::{Node, NodeId, OpNode, TypedGraph, ValueId};
use qcc_tensor::{DType, Tensor};

/// A product with constant weights.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The node.
    pub node: NodeId,
    /// Name of the node, or a made-up one if it has none.
    pub name: String,
    /// Operator.
    pub op: &'static str,
    /// What is multiplied.
    pub input: ValueId,
    /// Axis of the input that is summed over.
    pub input_axis: usize,
    /// The weights.
    pub weights: Tensor,
    /// Axis of the weights along which the outputs lie.
    pub output_axis: usize,
    /// How many groups of inputs there are.
    pub groups: usize,
    /// Constant bias, one number per output.
    pub bias: Option<Tensor>,
    /// The result.
    pub output: ValueId,
}

/// All layers, in topological order.
pub fn layers(graph: &TypedGraph) -> Vec<Layer> {
    graph.graph().node_ids().filter_map(|id| layer(graph, id)).collect()
}

fn layer(graph: &TypedGraph, id: NodeId) -> Option<Layer> {
    let Node::Op(node) = graph.graph().node(id) else { return None };
    let input = node.inputs.first().copied().flatten()?;
    let weights = constant(graph, node, 1)?;
    let ty = graph.ty(input);
    if ty.dtype != DType::F32
        || weights.dtype() != DType::F32
        || matches!(graph.graph().node(input.node), Node::Const(_))
    {
        return None;
    }
    if weights.elements() == 0 || ty.elements() == 0 {
        return None;
    }
    let (input_axis, output_axis, groups) = match node.op.name {
        // Kernels of integer convolutions work on images, and a rule makes images of what has one axis.
        "Conv" if matches!(ty.rank(), 3 | 4) => (1, 0, node.attrs.int("group").unwrap_or(1) as usize),
        "MatMul" if weights.rank() == 2 && ty.rank() >= 2 => (ty.rank() - 1, 1, 1),
        "Gemm" if is_plain(node) => (1, usize::from(node.attrs.int("transB") != Some(1)), 1),
        _ => return None,
    };
    let present = node.inputs.get(2).copied().flatten().is_some();
    let outputs = weights.shape()[output_axis];
    let bias = constant(graph, node, 2).filter(|b| b.elements() == outputs && b.shape().last() == Some(&outputs));
    if present && bias.is_none() {
        return None;
    }
    let name = match node.name.as_str() {
        "" => format!("{} {}", node.op.name, id.0),
        name => name.to_string(),
    };
    let weights = weights.clone();
    let bias = bias.cloned();
    Some(Layer {
        node: id,
        name,
        op: node.op.name,
        input,
        input_axis,
        weights,
        output_axis,
        groups,
        bias,
        output: id.output(0),
    })
}

fn is_plain(node: &OpNode) -> bool {
    let one = |name: &str| node.attrs.float(name).unwrap_or(1.0) == 1.0;
    one("alpha") && one("beta") && node.attrs.int("transA").unwrap_or(0) == 0
}

fn constant<'g>(graph: &'g TypedGraph, node: &OpNode, input: usize) -> Option<&'g Tensor> {
    match graph.graph().node(node.inputs.get(input).copied().flatten()?.node) {
        Node::Const(tensor) => Some(tensor),
        _ => None,
    }
}

impl Layer {
    /// Multiply-accumulates.
    pub fn macs(&self, graph: &TypedGraph) -> u64 {
        graph.ty(self.output).elements() as u64 * (self.weights.elements() / self.outputs()) as u64
    }

    /// Whether it is a product of matrices.
    pub fn is_matrix_product(&self) -> bool {
        self.op != "Conv"
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.weights.shape()[self.output_axis]
    }

    /// The weights of each output, in the order of the weights' other axes.
    pub fn rows(&self) -> Vec<Vec<f32>> {
        rows(self.weights.slice::<f32>(), self.weights.shape(), self.output_axis)
    }

    /// Rows back in the order of the weights.
    pub fn unrows<T: Copy + Default>(&self, rows: &[Vec<T>]) -> Vec<T> {
        let inner: usize = self.weights.shape()[self.output_axis + 1..].iter().product();
        let count = rows.len();
        let mut out = vec![T::default(); self.weights.elements()];
        for (o, row) in rows.iter().enumerate() {
            for (i, &v) in row.iter().enumerate() {
                out[(i / inner * count + o) * inner + i % inner] = v;
            }
        }
        out
    }

    /// The channels of the input that the weights of an output are multiplied with, in order.
    pub fn channels(&self, output: usize) -> impl Iterator<Item = usize> + use<> {
        let (group, per_group, taps) = match self.is_matrix_product() {
            true => (0, self.weights.elements() / self.outputs(), 1),
            false => {
                let shape = self.weights.shape();
                (output / (self.outputs() / self.groups), shape[1], shape[2..].iter().product())
            }
        };
        (group * per_group..(group + 1) * per_group).flat_map(move |channel| std::iter::repeat_n(channel, taps))
    }
}

fn rows(values: &[f32], shape: &[usize], axis: usize) -> Vec<Vec<f32>> {
    let inner: usize = shape[axis + 1..].iter().product();
    let count = shape[axis];
    let mut rows = vec![Vec::with_capacity(values.len() / count.max(1)); count];
    for (i, run) in values.chunks_exact(inner).enumerate() {
        rows[i % count].extend_from_slice(run);
    }
    rows
}
