//! Where values are codes: which edges of the graph carry quantized values, and which of them share a grid.
//!
//! A layer that runs on integers reads codes. Everything else follows its consumers: what a kernel stores is stored as codes
//! if everybody who reads it can read codes. Elementwise operators join the kernel in front of them, so nothing is rounded
//! between a product, its bias, its activation and a residual sum. Operators that only move elements keep the grid of what
//! they move. Sums and joined tensors have grids of their own. Softmax, normalisations, masks, shapes, indices and whatever
//! else there is read and write floats.

use crate::classes::Classes;
use crate::{Codes, Grid, Layer};
use qcc_ir::{Node, NodeId, OpNode, TypedGraph, ValueId};
use qcc_tensor::DType;
use rustc_hash::{FxHashMap, FxHashSet};

/// Where values are codes.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Inputs of nodes that are read as codes: node and position.
    pub edges: FxHashSet<(NodeId, usize)>,
    /// The class of every value that is read as codes.
    pub class_of: FxHashMap<ValueId, usize>,
    /// Values that share a grid.
    pub classes: Vec<Class>,
}

/// Values that share a grid.
#[derive(Debug, Clone)]
pub struct Class {
    /// The first of them, of whose elements the others consist.
    pub root: ValueId,
    /// Name of the node that computes it.
    pub name: String,
    /// A grid that follows from the operator alone.
    pub fixed: Option<Grid>,
}

/// How an operator treats codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Layer(usize),
    Passive,
    Pointwise,
    Pool,
    Join,
    Other,
}

/// Elementwise operators through which codes flow.
const POINTWISE: &[&str] = &[
    "Relu",
    "Clip",
    "LeakyRelu",
    "PRelu",
    "HardSwish",
    "HardSigmoid",
    "Sigmoid",
    "Tanh",
    "Gelu",
    "Swish",
    "Mish",
    "Elu",
    "Selu",
    "Softplus",
    "Abs",
    "Neg",
    "Add",
    "Mul",
    "Min",
    "Max",
];

/// Elementwise operators that stay floats but join the kernel in front of them.
const FLOAT_POINTWISE: &[&str] =
    &["Sub", "Div", "Pow", "Sqrt", "Exp", "Log", "Reciprocal", "Erf", "Floor", "Ceil", "Round"];

/// Operators that move elements of their first input.
pub(crate) const PASSIVE: &[&str] = &[
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Slice",
    "Gather",
    "Expand",
    "Tile",
    "Identity",
    "Split",
];

/// Finds where values are codes when the layers for which `int8` says so run on integers.
pub fn flow(graph: &TypedGraph, layers: &[Layer], int8: &[bool]) -> Flow {
    let mut search = Search::new(graph, layers);
    search.join_kernels();
    search.decide(int8);
    search.classes()
}

struct Search<'a> {
    graph: &'a TypedGraph,
    roles: FxHashMap<NodeId, Role>,
    readers: FxHashMap<ValueId, Vec<(NodeId, usize)>>,
    outputs: FxHashSet<ValueId>,
    /// Kernel of each node: the number of the kernel.
    kernel: FxHashMap<NodeId, usize>,
    /// Last value of each kernel, whether it has float operators inside, whether it starts with a layer.
    kernels: Vec<Kernel>,
    /// Through which input a node joined the kernel in front.
    joined: FxHashMap<NodeId, usize>,
    edges: FxHashSet<(NodeId, usize)>,
}

struct Kernel {
    end: ValueId,
    layer: Option<usize>,
    float: bool,
}

impl<'a> Search<'a> {
    fn new(graph: &'a TypedGraph, layers: &'a [Layer]) -> Self {
        let g = graph.graph();
        let mut roles = FxHashMap::default();
        let mut readers: FxHashMap<ValueId, Vec<(NodeId, usize)>> = FxHashMap::default();
        for id in g.node_ids() {
            for (i, v) in g.node(id).inputs().iter().enumerate() {
                if let Some(v) = v {
                    readers.entry(*v).or_default().push((id, i));
                }
            }
            if let Node::Op(node) = g.node(id) {
                roles.insert(id, role(graph, node));
            }
        }
        layers.iter().enumerate().for_each(|(i, l)| {
            roles.insert(l.node, Role::Layer(i));
        });
        let outputs = g.outputs().iter().map(|(_, v)| *v).collect();
        Self {
            graph,
            roles,
            readers,
            outputs,
            kernel: FxHashMap::default(),
            kernels: Vec::new(),
            joined: FxHashMap::default(),
            edges: FxHashSet::default(),
        }
    }

    /// Whether a value is floats that are computed at run time.
    fn is_activation(&self, v: ValueId) -> bool {
        self.graph.ty(v).dtype == DType::F32 && !matches!(self.graph.graph().node(v.node), Node::Const(_))
    }

    fn only_reader(&self, v: ValueId) -> bool {
        !self.outputs.contains(&v) && self.readers.get(&v).is_some_and(|r| r.len() == 1)
    }

    fn join_kernels(&mut self) {
        let g = self.graph.graph();
        for id in g.node_ids() {
            let Some(role) = self.roles.get(&id).copied() else { continue };
            let Node::Op(node) = g.node(id) else { continue };
            let end = id.output(0);
            let float = FLOAT_POINTWISE.contains(&node.op.name);
            if role == Role::Pointwise {
                let shape = &self.graph.ty(end).shape;
                let candidates = node.inputs.iter().enumerate().filter_map(|(i, v)| v.map(|v| (i, v)));
                let joins = candidates.filter(|(_, v)| {
                    self.only_reader(*v)
                        && self.graph.ty(*v).shape == *shape
                        && self.kernel.contains_key(&v.node)
                        && self.is_activation(*v)
                });
                // A layer's kernel first, then the one that is computed last.
                let best = joins.max_by_key(|(_, v)| (self.kernels[self.kernel[&v.node]].layer.is_some(), v.node));
                if let Some((i, v)) = best {
                    let kernel = self.kernel[&v.node];
                    self.kernels[kernel].end = end;
                    self.kernels[kernel].float |= float;
                    self.kernel.insert(id, kernel);
                    self.joined.insert(id, i);
                    continue;
                }
            }
            if matches!(role, Role::Pointwise | Role::Layer(_) | Role::Pool | Role::Other) && node.outputs == 1 {
                let layer = if let Role::Layer(i) = role { Some(i) } else { None };
                self.kernel.insert(id, self.kernels.len());
                self.kernels.push(Kernel { end, layer, float });
            }
        }
    }

    /// Whether a value is stored as codes: somebody reads it, and everybody reads codes.
    fn is_codes(&self, v: ValueId) -> bool {
        !self.outputs.contains(&v)
            && self.readers.get(&v).is_some_and(|readers| readers.iter().all(|edge| self.edges.contains(edge)))
    }

    fn decide(&mut self, int8: &[bool]) {
        let g = self.graph.graph();
        for id in g.node_ids().rev() {
            let (Some(role), Node::Op(node)) = (self.roles.get(&id).copied(), g.node(id)) else { continue };
            let end = self.kernel.get(&id).map_or(id.output(0), |&k| self.kernels[k].end);
            let float = self.kernel.get(&id).is_some_and(|&k| self.kernels[k].float);
            let inputs = node.inputs.iter().enumerate().filter_map(|(i, v)| v.map(|v| (i, v)));
            let mut activations = inputs.filter(|(_, v)| self.is_activation(*v));
            let read: Vec<usize> = match role {
                Role::Layer(i) if int8[i] => vec![0],
                Role::Passive => {
                    let mut outputs = (0..node.outputs as u32).map(|i| id.output(i));
                    let read = |v: &ValueId| self.readers.contains_key(v) || self.outputs.contains(v);
                    let codes = outputs.all(|v| !read(&v) || self.is_codes(v));
                    activations.next().filter(|(i, _)| *i == 0 && codes).map(|(i, _)| i).into_iter().collect()
                }
                Role::Pool if self.is_codes(end) && !float => vec![0],
                Role::Pointwise if self.is_codes(end) && !float => {
                    let joined = self.joined.get(&id).copied();
                    activations.map(|(i, _)| i).filter(|i| Some(*i) != joined).collect()
                }
                Role::Join if self.is_codes(end) => {
                    let from_kernel = |v: ValueId| {
                        let kernel = self.kernel.get(&v.node).map(|&k| &self.kernels[k]);
                        kernel.is_some_and(|k| k.layer.is_some_and(|l| int8[l])) && self.only_reader(v)
                    };
                    activations.filter(|(_, v)| !from_kernel(*v)).map(|(i, _)| i).collect()
                }
                _ => Vec::new(),
            };
            self.edges.extend(read.into_iter().map(|i| (id, i)));
        }
    }

    fn classes(self) -> Flow {
        let g = self.graph.graph();
        let mut sets = Classes::default();
        for id in g.node_ids() {
            for (i, v) in g.node(id).inputs().iter().enumerate() {
                if let Some(v) = v
                    && self.edges.contains(&(id, i))
                {
                    sets.add(*v);
                    if self.roles.get(&id) == Some(&Role::Passive) {
                        (0..g.node(id).outputs() as u32).for_each(|o| sets.join(*v, id.output(o)));
                    }
                }
            }
        }
        let sources: FxHashSet<ValueId> = self.edges.iter().filter_map(|(id, i)| g.node(*id).inputs()[*i]).collect();
        let mut classes = Vec::new();
        let mut class_of = FxHashMap::default();
        for (root, members) in sets.sets() {
            members.iter().filter(|v| sources.contains(v)).for_each(|v| {
                class_of.insert(*v, classes.len());
            });
            let fixed = match g.node(root.node) {
                Node::Op(n) if matches!(n.op.name, "Softmax" | "Sigmoid") => {
                    Some(Grid { scale: 1.0 / 256.0, zero_point: 0, codes: Codes::U8 })
                }
                _ => None,
            };
            classes.push(Class { root, name: value_name(self.graph, root), fixed });
        }
        Flow { edges: self.edges, class_of, classes }
    }
}

/// A name for a value: that of its node.
pub fn value_name(graph: &TypedGraph, value: ValueId) -> String {
    match graph.graph().node(value.node) {
        Node::Input(n) => format!("input {}", n.name),
        Node::Op(n) if !n.name.is_empty() && value.output == 0 => n.name.clone(),
        Node::Op(n) if !n.name.is_empty() => format!("{}.{}", n.name, value.output),
        Node::Op(n) => format!("{} {}", n.op.name, value.node.0),
        _ => format!("value {}", value.node.0),
    }
}

fn role(graph: &TypedGraph, node: &OpNode) -> Role {
    let name = node.op.name;
    let constant = |i: usize| match node.inputs.get(i).copied().flatten() {
        Some(v) => match graph.graph().node(v.node) {
            Node::Const(t) => Some(t),
            _ => None,
        },
        None => None,
    };
    let absent = |i: usize| node.inputs.get(i).copied().flatten().is_none();
    match name {
        _ if PASSIVE.contains(&name) => Role::Passive,
        "MaxPool" if node.outputs == 1 => Role::Passive,
        "Pad" if node.attrs.str("mode").unwrap_or("constant") == "constant" => {
            let zero = absent(2) || constant(2).is_some_and(|t| t.to_f64_vec().iter().all(|&v| v == 0.0));
            if zero { Role::Passive } else { Role::Other }
        }
        "AveragePool" | "GlobalAveragePool" if node.inputs[0].is_some_and(|x| graph.ty(x).rank() == 4) => Role::Pool,
        "ReduceMean" if node.inputs[0].is_some_and(|x| graph.ty(x).rank() == 4) => {
            let axes = constant(1).and_then(|t| t.to_i64_vec()).unwrap_or_default();
            let mut axes: Vec<i64> = axes.into_iter().map(|a| a.rem_euclid(4)).collect();
            axes.sort_unstable();
            if axes == [2, 3] { Role::Pool } else { Role::Other }
        }
        "Concat" => Role::Join,
        _ if POINTWISE.contains(&name) || FLOAT_POINTWISE.contains(&name) => Role::Pointwise,
        _ => Role::Other,
    }
}
