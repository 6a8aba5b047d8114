//! How much each layer costs the model's accuracy.
//!
//! Noise of the size that a layer's rounding is expected to leave is added to the layer's outputs in the float model, one layer
//! at a time, and the distance of the model's outputs is measured. One graph does for all layers: every noise has a switch
//! among the graph's inputs. Noises of independent roundings add up, so the sum over layers predicts the noise of a plan;
//! whether it holds is measured. What a range found at run time leaves is measured itself: the difference of the layer computed
//! so from the float layer is added.
//!
//! Rounding of other precisions leaves noise of another size in the same place: it is measured once.

use crate::insert::Writer;
use crate::lanes::{self, Runtime, Samples};
use crate::logits;
use crate::loss::noise_of;
use crate::plan::{Choice, Plan};
use crate::{Calibration, Expected, Precision, QuantizeError};
use qcc_ir::{Graph, InputNode, NodeId, TypedGraph, ValueId};
use qcc_ops::Attrs;
use qcc_tensor::{DType, Tensor};
use rustc_hash::FxHashMap;

/// What a layer costs in accuracy: noise over signal at the model's outputs, logits in place of probabilities, if only this layer
/// runs on integers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sensitivity {
    /// With weights of 8 bits.
    pub int8: f64,
    /// With weights of 7 bits.
    pub int7: f64,
    /// With codes of 16 bits.
    pub int16: f64,
    /// With ranges found at run time.
    pub dynamic: f64,
    /// With weights alone in 8 bits.
    pub weight8: f64,
    /// With weights alone in 4 bits.
    pub weight4: f64,
}

impl Sensitivity {
    /// The noise in a precision.
    pub fn noise(&self, precision: Precision) -> f64 {
        match precision {
            Precision::Float => 0.0,
            Precision::Int8 => self.int8,
            Precision::Int7 => self.int7,
            Precision::Int16 => self.int16,
            Precision::Dynamic => self.dynamic,
            Precision::WeightOnly8 => self.weight8,
            Precision::WeightOnly4 => self.weight4,
        }
    }
}

/// Samples that noise is measured on: the mean over many elements settles soon.
const SAMPLES: usize = 8;

/// Measures every layer that may be something else than a float layer; the others have no noise.
///
/// # Errors
/// Samples that cannot be run.
pub fn sensitivities(
    calibration: &Calibration,
    allowed: &[Vec<Precision>],
    expected: &Expected,
    data: &dyn Samples,
    runtime: &Runtime<'_>,
) -> Result<Vec<Sensitivity>, QuantizeError> {
    let where_allowed = |precision: Precision, may: &dyn Fn(&[Precision]) -> bool| {
        let of = |allowed: &Vec<Precision>| if may(allowed) { precision } else { Precision::Float };
        calibration.plan(&allowed.iter().map(of).collect::<Vec<_>>())
    };
    let int8 = where_allowed(Precision::Int8, &is_rounded);
    let int7 = where_allowed(Precision::Int7, &is_rounded);
    let int16 = where_allowed(Precision::Int16, &is_rounded);
    let [weight8, weight4] = [Precision::WeightOnly8, Precision::WeightOnly4]
        .map(|precision| where_allowed(precision, &|allowed| allowed.contains(&precision)));
    let dynamic = where_allowed(Precision::Dynamic, &finds_range);
    let switches = switches(allowed);
    let mut out = vec![Sensitivity::default(); allowed.len()];
    if switches.is_empty() {
        return Ok(out);
    }
    let sessions = (runtime.compile)(&with_noise(&calibration.graph, &int8, &dynamic, &switches))?;
    let switched = Switched { data, samples: expected.samples(SAMPLES), switches: switches.len() };
    let runs: Vec<usize> = (0..switched.count()).collect();
    let start = || vec![Vec::<(f64, f64)>::new(); switches.len()];
    let lanes = lanes::fold(&sessions, &switched, &runs, runtime.progress, start, |all, run, outputs| {
        let (switch, sample) = switched.of(run);
        expected.add(sample, outputs, &mut all[switch]);
        Ok(())
    })?;
    for (at, &(layer, added)) in switches.iter().enumerate() {
        let mut total: Vec<(f64, f64)> = Vec::new();
        for lane in &lanes {
            total.resize(total.len().max(lane[at].len()), (0.0, 0.0));
            total.iter_mut().zip(&lane[at]).for_each(|(t, p)| *t = (t.0 + p.0, t.1 + p.1));
        }
        let noise = noise_of(&total);
        match added {
            Added::Rounding => {
                let eight = power(&int8, layer);
                let as_in = |plan: &Plan| if eight > 0.0 { noise * power(plan, layer) / eight } else { noise };
                (out[layer].int8, out[layer].int7, out[layer].int16) = (noise, as_in(&int7), as_in(&int16));
                (out[layer].weight8, out[layer].weight4) = (as_in(&weight8), as_in(&weight4));
            }
            Added::Difference => out[layer].dynamic = noise,
        }
    }
    Ok(out)
}

fn is_rounded(allowed: &[Precision]) -> bool {
    allowed.iter().any(|p| p.is_quantized() && *p != Precision::Dynamic)
}

fn finds_range(allowed: &[Precision]) -> bool {
    allowed.contains(&Precision::Dynamic)
}

/// How many measurements of each sample there are.
pub fn measured(allowed: &[Vec<Precision>]) -> usize {
    switches(allowed).len()
}

/// What is measured: layers, and what is added to them.
fn switches(allowed: &[Vec<Precision>]) -> Vec<(usize, Added)> {
    let open = || allowed.iter().enumerate().filter(|(_, allowed)| allowed.len() > 1);
    let rounding = open().filter(|(_, a)| is_rounded(a)).map(|(i, _)| (i, Added::Rounding));
    let differences = open().filter(|(_, a)| finds_range(a)).map(|(i, _)| (i, Added::Difference));
    rounding.chain(differences).collect()
}

/// What a switch adds to a layer's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Added {
    /// Noise of the size that rounding is expected to leave.
    Rounding,
    /// What the layer is off by if it finds its range at run time.
    Difference,
}

/// Expected noise of a layer's outputs.
fn power(plan: &Plan, layer: usize) -> f64 {
    match &plan.choices[layer] {
        Choice::Float => 0.0,
        Choice::Integer(_, integer) => integer.noise.iter().sum(),
    }
}

/// Samples with one switch on: every sample for the first, then for the second, and so on.
struct Switched<'a> {
    data: &'a dyn Samples,
    samples: Vec<usize>,
    switches: usize,
}

impl Switched<'_> {
    /// The switch, and the sample.
    fn of(&self, run: usize) -> (usize, usize) {
        (run / self.samples.len(), self.samples[run % self.samples.len()])
    }
}

impl Samples for Switched<'_> {
    fn count(&self) -> usize {
        self.samples.len() * self.switches
    }

    fn inputs(&self, run: usize) -> Result<Vec<Tensor>, QuantizeError> {
        let (on, sample) = self.of(run);
        let mut inputs = self.data.inputs(sample)?;
        inputs.extend((0..self.switches).map(|i| Tensor::scalar(f32::from(u8::from(i == on)))));
        Ok(inputs)
    }
}

/// The graph with what each switch adds to the output of its layer, times a scalar input.
fn with_noise(graph: &TypedGraph, int8: &Plan, dynamic: &Plan, switches: &[(usize, Added)]) -> Graph {
    let mut writer = Writer::new(graph);
    let input = |i: usize| InputNode { name: format!("switch {i}"), dtype: DType::F32, dims: Some(Vec::new()) };
    let inputs: Vec<ValueId> = (0..switches.len()).map(|i| writer.out.add_input(input(i))).collect();
    let mut noisy: FxHashMap<NodeId, Vec<usize>> = FxHashMap::default();
    for (at, (layer, _)) in switches.iter().enumerate() {
        noisy.entry(int8.layers[*layer].node).or_default().push(at);
    }
    let both = |a, b| vec![Some(a), Some(b)];
    for id in graph.graph().node_ids() {
        writer.copy(graph, id);
        let value = id.output(0);
        let exact = writer.map.get(&value).copied();
        for &at in noisy.get(&id).into_iter().flatten() {
            let Some(exact) = exact else { continue };
            let (layer, added) = switches[at];
            let noise = match (added, &dynamic.choices[layer]) {
                (Added::Difference, Choice::Integer(precision, integer)) => {
                    let layer = &dynamic.layers[layer];
                    let other = writer.integer(graph, dynamic, layer, *precision, integer).0;
                    writer.op("Sub", Attrs::new(), both(other, exact), String::new())
                }
                _ => writer.out.add_const(noise(graph, int8, layer)),
            };
            let switched = writer.op("Mul", Attrs::new(), both(noise, inputs[at]), String::new());
            let sum = writer.op("Add", Attrs::new(), both(writer.map[&value], switched), String::new());
            writer.map.insert(value, sum);
        }
    }
    for (name, value) in graph.graph().outputs() {
        writer.out.add_output(name.clone(), writer.map[value]);
    }
    writer.watch(graph, &logits::watched(graph));
    writer.out
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
    let at = |i: usize| {
        let channel = if channels_first { i / along } else { i % channels };
        let deviation = integer.noise[channel].sqrt() as f32;
        if sign(i as u64) { deviation } else { -deviation }
    };
    Tensor::new(shape, (0..along * channels).map(at).collect())
}

/// One bit of a number, mixed (the finaliser of SplitMix64: G. Steele et al., 2014).
fn sign(i: u64) -> bool {
    let mut z = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) & 1 == 1
}
