//! How much each layer costs the model's accuracy.
//!
//! Noise of the size that a layer's rounding is expected to leave is added to the layer's outputs in the float model, one layer
//! at a time, and the distance of the model's outputs is measured. One graph does for all layers: every noise has a switch
//! among the graph's inputs. Noises of independent roundings add up, so the sum over layers predicts the noise of a plan;
//! whether it holds is measured.

use crate::lanes::{self, Runtime, Samples};
use crate::loss::noise_of;
use crate::plan::{Choice, Plan};
use crate::{Calibration, Expected, Precision, QuantizeError};
use qcc_ir::{Graph, InputNode, Node, OpNode, TypedGraph, ValueId};
use qcc_ops::Attrs;
use qcc_tensor::{DType, Tensor, TensorType};
use rustc_hash::FxHashMap;

/// What a layer costs in accuracy: noise at the model's outputs, over signal, if only this layer runs on integers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sensitivity {
    /// With weights of 8 bits.
    pub int8: f64,
    /// With weights of 7 bits.
    pub int7: f64,
}

impl Sensitivity {
    /// The noise in a precision.
    pub fn noise(&self, precision: Precision) -> f64 {
        match precision {
            Precision::Float => 0.0,
            Precision::Int8 => self.int8,
            Precision::Int7 => self.int7,
        }
    }
}

/// Samples that noise is measured on: the mean over many elements settles soon.
const SAMPLES: usize = 8;

/// Measures every layer that `measured` names; the others have no noise.
///
/// # Errors
/// Samples that cannot be run.
pub fn sensitivities(
    calibration: &Calibration,
    measured: &[bool],
    expected: &Expected,
    data: &dyn Samples,
    runtime: &Runtime<'_>,
) -> Result<Vec<Sensitivity>, QuantizeError> {
    let all = |precision: Precision| calibration.plan(&vec![precision; measured.len()]);
    let (int8, int7) = (all(Precision::Int8), all(Precision::Int7));
    let layers: Vec<usize> = (0..measured.len()).filter(|&i| measured[i]).collect();
    let mut out = vec![Sensitivity { int8: 0.0, int7: 0.0 }; measured.len()];
    if layers.is_empty() {
        return Ok(out);
    }
    let sessions = (runtime.compile)(&with_noise(&calibration.graph, &int8, &layers))?;
    let switched = Switched { data, samples: expected.samples(SAMPLES), layers: layers.len() };
    let runs: Vec<usize> = (0..switched.count()).collect();
    let start = || vec![Vec::<(f64, f64)>::new(); layers.len()];
    let lanes = lanes::fold(&sessions, &switched, &runs, runtime.progress, start, |all, run, outputs| {
        let (layer, sample) = switched.of(run);
        expected.add(sample, outputs, &mut all[layer]);
        Ok(())
    })?;
    for (at, &layer) in layers.iter().enumerate() {
        let mut total: Vec<(f64, f64)> = Vec::new();
        for lane in &lanes {
            total.resize(total.len().max(lane[at].len()), (0.0, 0.0));
            total.iter_mut().zip(&lane[at]).for_each(|(t, p)| *t = (t.0 + p.0, t.1 + p.1));
        }
        let noise = noise_of(&total);
        let (eight, seven) = (power(&int8, layer), power(&int7, layer));
        out[layer] = Sensitivity { int8: noise, int7: if eight > 0.0 { noise * seven / eight } else { noise } };
    }
    Ok(out)
}

/// Expected noise of a layer's outputs.
fn power(plan: &Plan, layer: usize) -> f64 {
    match &plan.choices[layer] {
        Choice::Float => 0.0,
        Choice::Integer(_, integer) => integer.noise.iter().sum(),
    }
}

/// Samples with one switch on: every sample for the first layer, then for the second, and so on.
struct Switched<'a> {
    data: &'a dyn Samples,
    samples: Vec<usize>,
    layers: usize,
}

impl Switched<'_> {
    /// Position of the layer, and the sample.
    fn of(&self, run: usize) -> (usize, usize) {
        (run / self.samples.len(), self.samples[run % self.samples.len()])
    }
}

impl Samples for Switched<'_> {
    fn count(&self) -> usize {
        self.samples.len() * self.layers
    }

    fn inputs(&self, run: usize) -> Result<Vec<Tensor>, QuantizeError> {
        let (layer, sample) = self.of(run);
        let mut inputs = self.data.inputs(sample)?;
        inputs.extend((0..self.layers).map(|i| Tensor::scalar(f32::from(u8::from(i == layer)))));
        Ok(inputs)
    }
}

/// The graph with the noise of layers added to their outputs, each times a scalar input.
fn with_noise(graph: &TypedGraph, plan: &Plan, layers: &[usize]) -> Graph {
    let g = graph.graph();
    let mut out = Graph::new(g.name.clone());
    let mut map: FxHashMap<ValueId, ValueId> = FxHashMap::default();
    for &id in g.inputs() {
        map.insert(id.output(0), out.add_input(g.input(id).clone()));
    }
    let switches: Vec<ValueId> = layers
        .iter()
        .map(|i| {
            let name = format!("noise of layer {i}");
            out.add_input(InputNode { name, dtype: DType::F32, dims: Some(Vec::new()) })
        })
        .collect();
    let noisy: FxHashMap<ValueId, usize> =
        layers.iter().enumerate().map(|(at, &i)| (plan.layers[i].output, at)).collect();
    for id in g.node_ids() {
        let new = match g.node(id) {
            Node::Input(_) => continue,
            Node::Const(t) => out.add_const(t.clone()).node,
            Node::Op(node) => {
                let mut node = node.clone();
                node.inputs.iter_mut().flatten().for_each(|v| *v = map[v]);
                out.add_op(node)
            }
            Node::Fused(node) => {
                let mut node = node.clone();
                node.inputs.iter_mut().flatten().for_each(|v| *v = map[v]);
                out.add_fused(node).node
            }
        };
        for i in 0..g.node(id).outputs() as u32 {
            let mut value = new.output(i);
            if let Some(&at) = noisy.get(&id.output(i)) {
                let noise = out.add_const(noise(graph, plan, layers[at]));
                let switched = op(&mut out, "Mul", [noise, switches[at]]);
                value = op(&mut out, "Add", [value, switched]);
            }
            map.insert(id.output(i), value);
        }
    }
    for (name, value) in g.outputs() {
        out.add_output(name.clone(), map[value]);
    }
    out
}

fn op(graph: &mut Graph, name: &str, inputs: [ValueId; 2]) -> ValueId {
    let op = qcc_ops::find(name).expect("the operator is in the registry");
    let inputs = inputs.map(Some).to_vec();
    let node = OpNode { name: String::new(), op, attrs: Attrs::new(), inputs, outputs: 1, regions: Vec::new() };
    graph.add_op(node).output(0)
}

/// Noise of the expected size for every channel of a layer's output, with signs that look random along one further axis.
fn noise(graph: &TypedGraph, plan: &Plan, layer: usize) -> Tensor {
    let Choice::Integer(_, integer) = &plan.choices[layer] else { return Tensor::scalar(0.0f32) };
    let layer = &plan.layers[layer];
    let shape = &graph.ty(layer.output).shape;
    let (channels, rank) = (integer.noise.len(), shape.len());
    let channels_first = layer.op == "Conv";
    let along = if channels_first { shape[rank - 1] } else { shape[rank - 2] };
    let shape: Vec<usize> = match channels_first {
        true => [1, channels].into_iter().chain((2..rank).map(|a| if a + 1 == rank { along } else { 1 })).collect(),
        false => vec![along, channels],
    };
    let mut tensor = Tensor::zeros(TensorType::new(DType::F32, shape.iter().copied())).slice::<f32>().to_vec();
    for (i, v) in tensor.iter_mut().enumerate() {
        let channel = if channels_first { i / along } else { i % channels };
        let deviation = integer.noise[channel].sqrt() as f32;
        *v = if sign(i as u64) { deviation } else { -deviation };
    }
    Tensor::new(shape, tensor)
}

/// One bit of a number, mixed (the finaliser of SplitMix64: G. Steele et al., 2014).
fn sign(i: u64) -> bool {
    let mut z = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) & 1 == 1
}
