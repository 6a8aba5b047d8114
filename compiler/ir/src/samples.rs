//! Whether the samples of a batch are computed apart: then a program for one of them, run once for each, computes the batch.
//!
//! Along axis 0 of every input lie the samples. A value is the same for all of them, or holds them along its axis 0, or
//! follows from how many there are. An op that is not known to keep samples apart is taken to mix them.

use crate::{Node, NodeId, OpNode, TypedGraph, ValueId};
use qcc_tensor::Tensor;
use rustc_hash::FxHashMap;

/// How a value depends on the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dependence {
    /// Not at all.
    None,
    /// On their shapes.
    Shapes,
    /// Axis 0 holds the samples, each computed from the sample of the inputs at the same place.
    Samples,
}

/// A graph that computes its samples apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apart {
    /// How many samples the batch has.
    pub samples: usize,
    /// Elements that products read for all samples: weights.
    pub shared: usize,
    /// Elements that products read and write for one sample.
    pub own: usize,
}

/// Checks that a graph computes from a batch, sample by sample, what it computes from each sample alone. Both are the same
/// graph with types: axis 0 of the inputs is as long as there are samples in `batch`, and 1 in `one`.
///
/// # Errors
/// What may mix samples: the first such node.
pub fn apart(batch: &TypedGraph, one: &TypedGraph) -> Result<Apart, String> {
    let graph = batch.graph();
    let inputs: Vec<ValueId> = graph.inputs().iter().map(|id| id.output(0)).collect();
    let samples = inputs.first().and_then(|&v| batch.ty(v).shape.first().copied());
    let samples = samples.filter(|&samples| samples > 1).ok_or("there is no batch")?;
    if one.graph().len() != graph.len() {
        return Err("the graph for one sample is another one".into());
    }
    let walk = Walk { batch, one, samples };
    let (mut shared, mut own) = (0, 0);
    let mut known: FxHashMap<ValueId, Dependence> = FxHashMap::default();
    for id in graph.node_ids() {
        let (name, dependence, outputs) = match graph.node(id) {
            Node::Input(input) => (input.name.as_str(), Dependence::Samples, 1),
            Node::Const(_) => ("", Dependence::None, 1),
            Node::Op(node) => {
                let given: Vec<Option<Dependence>> = node.inputs.iter().map(|v| v.map(|v| known[&v])).collect();
                let mixed = |why: &str| format!("node `{}` ({}) {why}", node.name, node.op.name);
                if walk.twin(id).is_none_or(|twin| twin.op != node.op || twin.attrs != node.attrs) {
                    return Err(mixed("is another one for one sample"));
                }
                let dependence = walk.node(node, &given).map_err(mixed)?;
                if dependence == Dependence::Samples && walk.multiplies(id, node) {
                    for (value, given) in node.inputs.iter().zip(&given) {
                        let elements = value.map_or(0, |v| one.ty(v).elements());
                        *(if is_samples(*given) { &mut own } else { &mut shared }) += elements;
                    }
                    own += (0..node.outputs as u32).map(|i| one.ty(id.output(i)).elements()).sum::<usize>();
                }
                (node.name.as_str(), dependence, node.outputs)
            }
            Node::Fused(node) => return Err(format!("node `{}` is a kernel already", node.name)),
        };
        for output in (0..outputs as u32).map(|i| id.output(i)) {
            if dependence == Dependence::Samples && !walk.holds_samples(output) {
                return Err(format!("axis 0 of what `{name}` computes does not hold the samples"));
            }
            known.insert(output, if walk.is_same(output) { Dependence::None } else { dependence });
        }
    }
    match graph.outputs().iter().find(|(_, v)| known[v] != Dependence::Samples) {
        Some((name, _)) => Err(format!("output `{name}` does not depend on the samples")),
        None => Ok(Apart { samples, shared, own }),
    }
}

struct Walk<'g> {
    batch: &'g TypedGraph,
    one: &'g TypedGraph,
    samples: usize,
}

impl Walk<'_> {
    /// The same node in the graph for one sample.
    fn twin(&self, id: NodeId) -> Option<&OpNode> {
        match self.one.graph().node(id) {
            Node::Op(node) => Some(node),
            _ => None,
        }
    }

    /// Whether a node has multiply-accumulates.
    fn multiplies(&self, id: NodeId, node: &OpNode) -> bool {
        let inputs: Vec<_> = node.inputs.iter().map(|v| v.map(|v| self.one.ty(v))).collect();
        let outputs: Vec<_> = (0..node.outputs as u32).map(|i| self.one.ty(id.output(i)).clone()).collect();
        (node.op.macs)(&inputs, &outputs, &node.attrs) > 0
    }

    fn shape(&self, value: ValueId) -> &[usize] {
        &self.batch.ty(value).shape
    }

    /// Whether axis 0 is as long as there are samples, and all else is as for one sample.
    fn holds_samples(&self, value: ValueId) -> bool {
        let (batch, one) = (self.shape(value), self.one.ty(value).shape.as_slice());
        batch.first() == Some(&self.samples) && one.first() == Some(&1) && batch[1..] == one[1..]
    }

    /// Whether a value is known, and the same for one sample.
    fn is_same(&self, value: ValueId) -> bool {
        self.batch.value(value).is_some_and(|batch| Some(batch) == self.one.value(value))
    }

    /// Whether a value that is the same for all samples stays so where it is broadcast to a shape of so many axes.
    fn is_shared(&self, value: ValueId, rank: usize) -> bool {
        let shape = self.shape(value);
        shape.len() < rank || shape.len() == rank && shape.first() == Some(&1)
    }

    /// How the results of a node depend on the inputs, given how its inputs do.
    fn node(&self, node: &OpNode, given: &[Option<Dependence>]) -> Result<Dependence, &'static str> {
        use Dependence::{Samples, Shapes};
        const SHARED: Dependence = Dependence::None;
        if !node.regions.is_empty() {
            return Err("has branches");
        }
        if !given.contains(&Some(Samples)) {
            let depends = given.contains(&Some(Shapes));
            return Ok(if depends { Shapes } else { SHARED });
        }
        if matches!(node.op.name, "Shape" | "Size") {
            return Ok(Shapes);
        }
        let is = |i: usize, what| given.get(i).copied().flatten().is_none_or(|is| is == what);
        let rest = |from: usize, what| (from..given.len()).all(|i| is(i, what));
        let value = |i: usize| node.inputs.get(i).copied().flatten();
        let rank = |i: usize| value(i).map_or(0, |v| self.shape(v).len());
        let axis = |name: &str| node.attrs.int(name);
        let behind = |name: &str| axis(name).is_some_and(|axis| axis > 0);
        let first_alone = is(0, Samples) && rest(1, SHARED);
        let apart = match node.op.name {
            // Parameters along an axis, as of `QuantizeLinear`, are not broadcast.
            _ if node.op.elementwise && axis("axis").is_some() => {
                let one_for_all = (1..given.len()).all(|i| rank(i) == 0);
                first_alone && (one_for_all || behind("axis") && axis("block_size").unwrap_or(0) == 0)
            }
            _ if node.op.elementwise => {
                let most = (0..given.len()).map(rank).max().unwrap_or(0);
                (0..given.len()).all(|i| match (given[i], value(i)) {
                    (Some(SHARED), Some(v)) => self.is_shared(v, most),
                    (Some(Samples), _) => rank(i) == most,
                    (Some(Shapes), _) => false,
                    _ => true,
                })
            }
            "Conv"
            | "ConvTranspose"
            | "ConvInteger"
            | "MaxPool"
            | "AveragePool"
            | "LpPool"
            | "GlobalAveragePool"
            | "GlobalMaxPool"
            | "GlobalLpPool"
            | "BatchNormalization"
            | "InstanceNormalization"
            | "GroupNormalization"
            | "LRN"
            | "DepthToSpace"
            | "SpaceToDepth" => first_alone && node.outputs == 1 && axis("training_mode").unwrap_or(0) == 0,
            "Dropout" => {
                let training = value(2).map(|v| self.batch.value(v).and_then(Tensor::to_i64_vec));
                first_alone && node.outputs == 1 && training.is_none_or(|t| t == Some(vec![0]))
            }
            "MatMul" => {
                let both = rank(0).max(rank(1));
                let side = |i: usize| match (given[i], value(i)) {
                    (Some(Samples), _) => rank(i) == both && (rank(i) > 2 || i == 0 && rank(i) == 2),
                    (Some(SHARED), Some(v)) => self.is_shared(v, both) || i == 1 && rank(1) == 2 && rank(0) == 2,
                    _ => false,
                };
                side(0) && side(1)
            }
            "Gemm" => {
                let added = value(2).is_none_or(|c| self.is_shared(c, 2));
                first_alone && axis("transA").unwrap_or(0) == 0 && added
            }
            "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => {
                is(0, Samples) && (1..given.len()).all(|i| !is_samples(given[i]))
            }
            "Transpose" => node.attrs.ints("perm").is_some_and(|perm| perm.first() == Some(&0)),
            "Concat" => behind("axis") && rest(0, Samples),
            "Split" => behind("axis") && first_alone,
            "Softmax" | "LogSoftmax" | "Hardmax" | "LpNormalization" | "LayerNormalization" | "RMSNormalization" => {
                behind("axis") && first_alone
            }
            "ArgMax" | "ArgMin" => behind("axis") && first_alone,
            "Gather" => {
                let of_samples = behind("axis") && is(0, Samples) && is(1, SHARED);
                of_samples || axis("axis") == Some(0) && is(0, SHARED) && is(1, Samples) && rank(1) > 0
            }
            "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceL1" | "ReduceL2" | "ReduceProd"
            | "ReduceSumSquare" | "ReduceLogSum" | "ReduceLogSumExp" => {
                first_alone && not_first(self.axes(node, 1), rank(0))
            }
            "Slice" => first_alone && not_first(self.axes(node, 3), rank(0)),
            "Pad" => {
                let pads = self.constant(node, 1);
                first_alone
                    && value(3).is_none()
                    && pads.is_some_and(|p| p.first() == Some(&0) && p.get(rank(0)) == Some(&0))
            }
            "Resize" => is(0, Samples) && is(1, SHARED) && (2..given.len()).all(|i| !is_samples(given[i])),
            _ => false,
        };
        if apart { Ok(Samples) } else { Err("may mix samples") }
    }

    /// The axes of an op, an input of it or an attribute; `None` if they are not there or not known.
    fn axes(&self, node: &OpNode, input: usize) -> Option<Vec<i64>> {
        let axes = match node.attrs.ints("axes") {
            Some(axes) => axes.to_vec(),
            None => self.constant(node, input)?,
        };
        (!axes.is_empty()).then_some(axes)
    }

    fn constant(&self, node: &OpNode, input: usize) -> Option<Vec<i64>> {
        let value = node.inputs.get(input).copied().flatten()?;
        self.batch.value(value)?.to_i64_vec()
    }
}

fn is_samples(given: Option<Dependence>) -> bool {
    given == Some(Dependence::Samples)
}

/// Whether there are axes, and axis 0 of so many is not among them.
fn not_first(axes: Option<Vec<i64>>, rank: usize) -> bool {
    axes.is_some_and(|axes| axes.iter().all(|axis| axis.rem_euclid(rank.max(1) as i64) != 0))
}
