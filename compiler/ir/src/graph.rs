//! The graph itself: petgraph holds the nodes and the order between them, behind a small interface.

use petgraph::algo::toposort;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use qcc_ops::{Attrs, Op};
use qcc_tensor::{DType, Tensor};

/// A node of a [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    fn index(self) -> NodeIndex {
        NodeIndex::new(self.0 as usize)
    }

    /// The value of its output `i`.
    pub fn output(self, i: u32) -> ValueId {
        ValueId { node: self, output: i }
    }
}

/// Output `output` of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId {
    /// The node that defines the value.
    pub node: NodeId,
    /// Which of its outputs.
    pub output: u32,
}

/// A dimension of a graph input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Known(usize),
    /// A name that [`crate::bind`] replaces; an unnamed dynamic dimension is called `?`.
    Symbol(String),
}

/// A graph input.
#[derive(Debug, Clone, PartialEq)]
pub struct InputNode {
    /// Name the caller knows it by.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Dimensions; `None` where the model does not even say the rank.
    pub dims: Option<Vec<Dim>>,
}

/// An operator call.
#[derive(Debug, Clone, PartialEq)]
pub struct OpNode {
    /// Name in the model, for messages; may be empty.
    pub name: String,
    /// The operator.
    pub op: Op,
    /// Its attributes; canonical after inference.
    pub attrs: Attrs,
    /// Inputs by position; `None` where an optional input is absent.
    pub inputs: Vec<Option<ValueId>>,
    /// Number of outputs.
    pub outputs: usize,
    /// Nested graphs. `If` has two (then, else); its inputs after the condition are the values both branches capture,
    /// and every branch has exactly these as its graph inputs, in this order.
    pub regions: Vec<Graph>,
}

/// The op at the heart of a fused kernel; its inputs are the first `inputs` inputs of the [`FusedNode`].
#[derive(Debug, Clone, PartialEq)]
pub struct Core {
    /// The operator, with one output.
    pub op: Op,
    /// Its canonical attributes.
    pub attrs: Attrs,
    /// How many of the node's inputs are the core's.
    pub inputs: usize,
}

/// One kernel: `body` applied to every element of `core` (or, without a core, to the inputs broadcast together).
#[derive(Debug, Clone, PartialEq)]
pub struct FusedNode {
    /// Name for messages.
    pub name: String,
    /// The core; `None` for a pointwise map.
    pub core: Option<Core>,
    /// The core's inputs, then the values the body reads.
    pub inputs: Vec<Option<ValueId>>,
    /// Elementwise ops. Its graph inputs are `acc` (only if there is a core) and then the values the body reads, in the
    /// order of `inputs`; it has one output, whose shape is that of the kernel's result. Constants of the body
    /// (multipliers, tables) are constants of this graph.
    pub body: Graph,
}

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A graph input; one output.
    Input(InputNode),
    /// A constant; one output.
    Const(Tensor),
    /// An operator call.
    Op(OpNode),
    /// A fused kernel; one output.
    Fused(FusedNode),
}

impl Node {
    /// Inputs by position.
    pub fn inputs(&self) -> &[Option<ValueId>] {
        match self {
            Node::Input(_) | Node::Const(_) => &[],
            Node::Op(n) => &n.inputs,
            Node::Fused(n) => &n.inputs,
        }
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        match self {
            Node::Op(n) => n.outputs,
            _ => 1,
        }
    }
}

/// An acyclic graph of operators with named inputs and outputs.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    nodes: StableDiGraph<Node, ()>,
    inputs: Vec<NodeId>,
    outputs: Vec<(String, ValueId)>,
    /// Name of the model.
    pub name: String,
    /// Free texts of the model (labels, alphabet), by key, in the model's order.
    pub metadata: Vec<(String, String)>,
}

/// The same nodes in the same order, the same inputs, outputs and texts.
impl PartialEq for Graph {
    fn eq(&self, other: &Self) -> bool {
        let same_nodes = || self.node_ids().all(|id| self.node(id) == other.node(id));
        (&self.name, &self.metadata, &self.inputs, &self.outputs)
            == (&other.name, &other.metadata, &other.inputs, &other.outputs)
            && self.node_ids().eq(other.node_ids())
            && same_nodes()
    }
}

/// Some nodes of a graph as a graph of their own.
pub(crate) struct Part {
    /// The graph.
    pub(crate) graph: Graph,
    map: rustc_hash::FxHashMap<NodeId, NodeId>,
}

impl Part {
    /// The value in the part of a value of the whole, whose node must be in the part.
    pub(crate) fn moved(&self, value: ValueId) -> ValueId {
        self.map[&value.node].output(value.output)
    }
}

impl Graph {
    /// An empty graph.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    fn add(&mut self, node: Node) -> NodeId {
        let sources: Vec<NodeId> = node.inputs().iter().flatten().map(|v| v.node).collect();
        let index = self.nodes.add_node(node);
        for source in sources {
            self.nodes.add_edge(source.index(), index, ());
        }
        NodeId(index.index() as u32)
    }

    /// Adds a graph input after the existing ones.
    pub fn add_input(&mut self, input: InputNode) -> ValueId {
        let id = self.add(Node::Input(input));
        self.inputs.push(id);
        id.output(0)
    }

    /// Adds a constant.
    pub fn add_const(&mut self, tensor: Tensor) -> ValueId {
        self.add(Node::Const(tensor)).output(0)
    }

    /// Adds an operator call; its inputs must exist.
    pub fn add_op(&mut self, node: OpNode) -> NodeId {
        self.add(Node::Op(node))
    }

    /// Adds a fused kernel; its inputs must exist.
    pub fn add_fused(&mut self, node: FusedNode) -> ValueId {
        self.add(Node::Fused(node)).output(0)
    }

    /// Adds a graph output after the existing ones.
    pub fn add_output(&mut self, name: impl Into<String>, value: ValueId) {
        self.outputs.push((name.into(), value));
    }

    /// Graph inputs in order.
    pub fn inputs(&self) -> &[NodeId] {
        &self.inputs
    }

    /// Graph outputs in order, with their names.
    pub fn outputs(&self) -> &[(String, ValueId)] {
        &self.outputs
    }

    /// The input node `id`.
    ///
    /// # Panics
    /// If `id` is not a graph input.
    pub fn input(&self, id: NodeId) -> &InputNode {
        match self.node(id) {
            Node::Input(n) => n,
            other => panic!("{id:?} is not a graph input: {other:?}"),
        }
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// A node to be changed. Its inputs must not be changed: the graph keeps its own edges.
    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.index()]
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.node_count()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All nodes in the order they were added. Since a node can only name existing nodes, this is a topological order.
    pub fn node_ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + '_ {
        self.nodes.node_indices().map(|i| NodeId(i.index() as u32))
    }

    /// Nodes that read any output of `id`, each once, in order.
    pub fn users(&self, id: NodeId) -> Vec<NodeId> {
        let mut users: Vec<NodeId> = self.nodes.neighbors(id.index()).map(|i| NodeId(i.index() as u32)).collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    /// The nodes on a cycle, if there is one (only a hand-made graph can have it).
    pub(crate) fn cycle(&self) -> Option<NodeId> {
        toposort(&self.nodes, None).err().map(|c| NodeId(c.node_id().index() as u32))
    }

    /// The same graph without nodes that no output needs; graph inputs stay.
    pub fn pruned(&self) -> Graph {
        let mut live = vec![false; self.nodes.node_indices().last().map_or(0, |i| i.index() + 1)];
        let mut stack: Vec<NodeId> =
            self.outputs.iter().map(|(_, v)| v.node).chain(self.inputs.iter().copied()).collect();
        while let Some(id) = stack.pop() {
            if !std::mem::replace(&mut live[id.0 as usize], true) {
                stack.extend(self.node(id).inputs().iter().flatten().map(|v| v.node));
            }
        }
        self.rebuild(|id| live[id.0 as usize])
    }

    /// The same graph without some nodes, and without outputs. Whatever reads a node that goes must go, too.
    pub(crate) fn without(&self, gone: &rustc_hash::FxHashSet<NodeId>) -> Part {
        let mut whole = self.clone();
        whole.outputs.clear();
        let mut map = rustc_hash::FxHashMap::default();
        let kept: Vec<NodeId> = self.node_ids().filter(|id| !gone.contains(id)).collect();
        for (i, &id) in kept.iter().enumerate() {
            map.insert(id, NodeId(i as u32));
        }
        Part { graph: whole.rebuild(|id| !gone.contains(&id)), map }
    }

    fn rebuild(&self, keep: impl Fn(NodeId) -> bool) -> Graph {
        let mut out = Graph { name: self.name.clone(), metadata: self.metadata.clone(), ..Graph::default() };
        let mut map = rustc_hash::FxHashMap::default();
        for id in self.node_ids().filter(|&id| keep(id)) {
            let mut node = self.node(id).clone();
            let moved = |v: &mut Option<ValueId>| {
                if let Some(v) = v {
                    v.node = map[&v.node];
                }
            };
            match &mut node {
                Node::Op(n) => n.inputs.iter_mut().for_each(moved),
                Node::Fused(n) => n.inputs.iter_mut().for_each(moved),
                Node::Input(_) | Node::Const(_) => {}
            }
            map.insert(id, out.add(node));
        }
        out.inputs = self.inputs.iter().filter_map(|id| map.get(id).copied()).collect();
        out.outputs = self.outputs.iter().map(|(n, v)| (n.clone(), map[&v.node].output(v.output))).collect();
        out
    }
}
