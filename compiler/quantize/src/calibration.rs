//! What is measured of a float graph on samples, and the plans that follow from it.

use crate::candidates::{self, Tried};
use crate::covariance::{self, Covariance};
use crate::flow::{self, Class};
use crate::found_scales::FoundScales;
use crate::insert::Writer;
use crate::keep::{self, Judge};
use crate::lanes::{self, Runtime, Samples, Sessions};
use crate::plan::{Choice, Chosen, IntegerLayer, Plan};
use crate::rounding::{Rounded, Rounding};
use crate::{ChannelFactors, Codes, Grid, GridKind, Layer, Loss, Method, Moments, Precision, QuantizeError};
use crate::{insert, layers, logits, range, smooth, weights};
use qcc_ir::{Graph, TypedGraph, ValueId};
use qcc_tensor::DType;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

/// How grids are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grids {
    /// How ranges are found; `None` chooses for every tensor by the error at its consumers.
    pub method: Option<Method>,
    /// Where grids lie.
    pub kind: GridKind,
    /// Codes of values.
    pub values: Codes,
}

impl Default for Grids {
    fn default() -> Self {
        Self { method: None, kind: GridKind::Asymmetric, values: Codes::U8 }
    }
}

/// A float graph and what is known of its values.
pub struct Calibration {
    /// The float graph, canonical.
    pub graph: TypedGraph,
    /// Its layers.
    pub layers: Vec<Layer>,
    /// What was measured, by value.
    pub moments: FxHashMap<ValueId, Moments>,
    /// The grid of every value that can be the root of a class.
    pub grids: FxHashMap<ValueId, Chosen>,
    /// Biases of the layers, corrections included; empty where there is none.
    pub biases: Vec<Vec<f32>>,
    /// Factors of the channels of values; none until [`Calibration::smooth`].
    pub factors: FxHashMap<ValueId, ChannelFactors>,
    /// Codes of weights that are better than the nearest, by layer; none until [`Calibration::round`].
    rounded: FxHashMap<(usize, Codes), Rounded>,
    scales: FoundScales,
    options: Grids,
}

/// Samples on which candidates of ranges are compared, and the variances of outputs measured: errors of single elements average
/// out long before.
const COMPARED: usize = 16;

/// Values of a tensor that its histogram counts, over all samples: beyond the finest percentile lie 40 of them.
const COUNTED: usize = 4 << 20;

impl Calibration {
    /// Measures a graph on all samples.
    ///
    /// # Errors
    /// Samples that do not fit, or in which something is not finite.
    pub fn new(
        graph: &TypedGraph,
        data: &dyn Samples,
        runtime: &Runtime<'_>,
        options: Grids,
    ) -> Result<Calibration, QuantizeError> {
        let layers = layers::layers(graph);
        let all = flow::flow(graph, &layers, &vec![true; layers.len()]);
        let fixed: FxHashMap<ValueId, Grid> = all.classes.iter().filter_map(|c| c.fixed.map(|g| (c.root, g))).collect();
        let mut open: Vec<ValueId> = all.class_of.keys().copied().chain(all.classes.iter().map(|c| c.root)).collect();
        open.retain(|root| !fixed.contains_key(root));
        sort(&mut open);
        let mut others: Vec<ValueId> = layers.iter().map(|l| l.input).chain(fixed.keys().copied()).collect();
        others.retain(|v| graph.ty(*v).elements() > 0 && !open.contains(v));
        sort(&mut others);
        let watched = channels(graph, &layers, open.iter().copied().chain(others));
        let biases = layers.iter().map(|l| l.bias.as_ref().map_or(Vec::new(), |b| b.slice::<f32>().to_vec())).collect();
        let mut this = Calibration {
            graph: graph.clone(),
            layers,
            moments: FxHashMap::default(),
            grids: fixed.into_iter().map(|(root, grid)| (root, Chosen { grid, method: None })).collect(),
            biases,
            factors: FxHashMap::default(),
            rounded: FxHashMap::default(),
            scales: FoundScales::default(),
            options,
        };
        if !watched.is_empty() {
            let sessions = (runtime.compile)(&watching(graph, &watched))?;
            let indices: Vec<usize> = (0..data.count()).collect();
            this.moments = observe(graph, &watched, &sessions, data, &indices, COUNTED, runtime)?;
            this.choose(&open, &sessions, data, runtime)?;
        }
        Ok(this)
    }

    /// Chooses a grid for every value that can be the root of a class and has none: the first outputs of `sessions`.
    fn choose(
        &mut self,
        open: &[ValueId],
        sessions: &Sessions,
        data: &dyn Samples,
        runtime: &Runtime<'_>,
    ) -> Result<(), QuantizeError> {
        let Grids { method, kind, values: codes, .. } = self.options;
        let grid = |root: &ValueId, method: Method| {
            let (low, high) = range::range(&self.moments[root], method, codes, kind);
            (method, Grid::covering(low, high, codes, kind))
        };
        let best: Vec<(Method, Grid)> = match method {
            Some(method) => open.iter().map(|root| grid(root, method)).collect(),
            None => {
                let of = |root: &ValueId| (*root, Method::ALL.iter().map(|&method| grid(root, method)).collect());
                let tried: Vec<Tried> = open.iter().map(of).collect();
                let samples = spread(data.count(), COMPARED);
                candidates::best(&self.graph, &self.layers, &tried, sessions, data, &samples, runtime)?
            }
        };
        let chosen = |(method, grid)| Chosen { grid, method: Some(method) };
        self.grids.extend(open.iter().copied().zip(best.into_iter().map(chosen)));
        Ok(())
    }

    /// What is measured of further values on some of the samples, their histograms left out.
    ///
    /// # Errors
    /// Samples that cannot be run.
    pub fn measured(
        &self,
        mut values: Vec<ValueId>,
        data: &dyn Samples,
        runtime: &Runtime<'_>,
    ) -> Result<FxHashMap<ValueId, Moments>, QuantizeError> {
        if values.is_empty() {
            return Ok(FxHashMap::default());
        }
        sort(&mut values);
        let watched = channels(&self.graph, &self.layers, values);
        let sessions = (runtime.compile)(&watching(&self.graph, &watched))?;
        observe(&self.graph, &watched, &sessions, data, &spread(data.count(), COMPARED), 0, runtime)
    }

    /// Brings the channels of what layers read to a common range, where that brings the outputs nearer to the float model's;
    /// `loss` becomes that of the better one.
    ///
    /// # Errors
    /// Samples that cannot be run.
    pub fn smooth(&mut self, judge: &Judge<'_>, loss: &mut Loss) -> Result<(), QuantizeError> {
        let flow = flow::flow(&self.graph, &self.layers, &integers(judge.precisions));
        let candidates = smooth::candidates(self, &flow);
        let outputs = candidates.iter().flat_map(|(_, readers)| readers.iter().map(|l| l.output)).collect();
        let outputs = self.measured(outputs, judge.data, judge.runtime)?;
        let factors = |of| smooth::channel_factors(self, of, &outputs);
        let found: Vec<(ValueId, ChannelFactors)> =
            candidates.iter().filter_map(|of| Some((of.0, factors(of)?))).collect();
        keep::kept(found.len(), &mut |part| {
            self.factors.extend(part.iter().map(|&i| found[i].clone()));
            let now = judge.loss(self)?;
            let better = now.logits.mean < loss.logits.mean;
            if better {
                *loss = now;
            } else {
                part.iter().for_each(|&i| drop(self.factors.remove(&found[i].0)));
            }
            Ok(better)
        })?;
        Ok(())
    }

    /// Rounds weights so that their errors cancel each other, unless the outputs are farther from the float model's by more
    /// than their noise is uncertain; `loss` becomes that of what is kept. `samples` say how inputs vary together.
    ///
    /// # Errors
    /// Samples that cannot be run.
    pub fn round(
        &mut self,
        judge: &Judge<'_>,
        samples: &[usize],
        rounding: Rounding,
        loss: &mut Loss,
    ) -> Result<(), QuantizeError> {
        let Judge { precisions, data, runtime, .. } = judge;
        let wanted: Vec<bool> = precisions.iter().map(|p| p.is_quantized() && p.block().is_none()).collect();
        let covariances = covariance::covariances(self, &wanted, samples, *data, runtime)?;
        let plans = Precision::BY_WEIGHTS.map(|p| self.plan(&vec![p; precisions.len()]));
        let of = |(i, covariances): (usize, &Vec<Covariance>)| {
            let nearest: Vec<(&IntegerLayer, Codes)> = plans
                .iter()
                .zip(Precision::BY_WEIGHTS)
                .filter_map(|(plan, precision)| Some((plan.choices[i].integer()?, precision.codes()?)))
                .collect();
            let factors = self.factors.get(&self.layers[i].input).map(|f| &*f.factors);
            let scaled = factors.map(|f| smooth::scaled_layer(&self.layers[i], f));
            Rounded::all(scaled.as_ref().unwrap_or(&self.layers[i]), factors, covariances, &nearest, rounding)
        };
        let found: Vec<Vec<Rounded>> = covariances.par_iter().enumerate().map(of).collect();
        let layers: Vec<usize> = (0..found.len()).filter(|&i| !covariances[i].is_empty()).collect();
        keep::kept(layers.len(), &mut |part| {
            for &at in part {
                let codes = Precision::BY_WEIGHTS.into_iter().filter_map(Precision::codes);
                self.rounded.extend(found[layers[at]].iter().zip(codes).map(|(r, c)| ((layers[at], c), r.clone())));
            }
            let now = judge.loss(self)?;
            // What is nearer in every layer is dropped only if the outputs say clearly that it is not.
            let better = now.logits.mean < loss.logits.mean + loss.logits.error;
            if better {
                *loss = now;
            } else {
                self.rounded.retain(|(layer, _), _| !part.iter().any(|&at| layers[at] == *layer));
            }
            Ok(better)
        })?;
        Ok(())
    }

    /// The graph in which layers compute as `precisions` say, with logits as further outputs.
    pub fn with_logits(&self, precisions: &[Precision]) -> Graph {
        insert(&self.graph, &self.plan(precisions), &logits::watched(&self.graph))
    }

    /// The float graph with logits as further outputs.
    pub fn float_with_logits(&self) -> Graph {
        self.with_logits(&vec![Precision::Float; self.layers.len()])
    }

    /// The plan in which layers compute as `precisions` say.
    pub fn plan(&self, precisions: &[Precision]) -> Plan {
        let flow = flow::flow(&self.graph, &self.layers, &integers(precisions));
        let Grids { kind, values: codes, .. } = self.options;
        let factors = self.factors.clone();
        let chosen = |class: &Class| match factors.get(&class.root) {
            None => self.grids[&class.root],
            Some(f) => {
                let (low, high) = smooth::scaled_range(&self.moments[&class.root], &f.factors);
                Chosen { grid: Grid::covering(low, high, codes, kind), method: Some(Method::MinMax) }
            }
        };
        let grids: Vec<Chosen> = flow.classes.iter().map(chosen).collect();
        let choices = vec![Choice::Float; precisions.len()];
        let mut plan = Plan { layers: self.layers.clone(), choices, flow, grids, factors };
        plan.choices = precisions.par_iter().enumerate().map(|(i, p)| self.choice(&plan, i, *p)).collect();
        plan
    }

    /// How a layer computes in a plan of which all but such choices is decided.
    fn choice(&self, plan: &Plan, at: usize, precision: Precision) -> Choice {
        let Some(codes) = precision.codes() else { return Choice::Float };
        if precision.is_weight_only() {
            return Choice::Integer(precision, self.weights_only(at, precision));
        }
        let layer = &self.layers[at];
        let grid = match precision {
            Precision::Int16 => Some(self.fine_grid(layer.input)),
            Precision::Dynamic => None,
            _ => plan.input_grid(layer),
        };
        let input = grid.unwrap_or_else(|| self.usual_grid(layer.input)).scale;
        let mut importance = self.moments[&layer.input].mean_squares();
        let factors = plan.factors.get(&layer.input);
        let scaled = factors.map(|f| {
            importance.iter_mut().zip(&f.factors).for_each(|(i, f)| *i /= f64::from(*f) * f64::from(*f));
            smooth::scaled_layer(layer, &f.factors)
        });
        let layer = scaled.as_ref().unwrap_or(layer);
        let rounded = self.rounded.get(&(at, codes));
        let best = self.scales.of(at, codes, factors, || weights::best_scales(layer, &importance, codes, None));
        let mut integer = weights::quantize(layer, &self.biases[at], &importance, &best, input, codes, rounded);
        integer.input = grid.filter(|_| precision == Precision::Int16);
        Choice::Integer(precision, integer)
    }

    /// A layer whose weights alone are codes. What is multiplied is as it is in the float model, its channels undivided.
    fn weights_only(&self, at: usize, precision: Precision) -> IntegerLayer {
        let layer = &self.layers[at];
        let importance = self.moments[&layer.input].mean_squares();
        let divided = self.factors.contains_key(&layer.input);
        let Some(codes) = precision.codes() else { unreachable!("this is a bug in qcc: weights of a float layer") };
        let rounded = self.rounded.get(&(at, codes)).filter(|_| !divided);
        let search = || weights::best_scales(layer, &importance, codes, precision.block());
        let best = self.scales.of(at, codes, None, search);
        weights::weights_only(layer, &self.biases[at], &importance, &best, precision, rounded)
    }

    /// The grid of 16 bits of a value.
    fn fine_grid(&self, value: ValueId) -> Grid {
        let moments = &self.moments[&value];
        let (low, high) = match self.factors.get(&value) {
            Some(f) => smooth::scaled_range(moments, &f.factors),
            None => moments.extremes(),
        };
        Grid::fine(low, high)
    }

    /// The grid that covers what a value usually is: what is found at run time lies about it.
    fn usual_grid(&self, value: ValueId) -> Grid {
        let (low, high) = self.moments[&value].mean_extremes();
        Grid::covering(low, high, Codes::U8, GridKind::Asymmetric)
    }
}

/// Which layers read codes of a grid that is chosen here.
fn integers(precisions: &[Precision]) -> Vec<bool> {
    precisions.iter().map(|p| p.reads_codes()).collect()
}

/// At most `most` of `count` indices, evenly spread.
pub fn spread(count: usize, most: usize) -> Vec<usize> {
    let n = count.min(most);
    (0..n).map(|i| i * count / n).collect()
}

fn sort(values: &mut Vec<ValueId>) {
    values.sort_unstable_by_key(|v| (v.node, v.output));
    values.dedup();
}

/// The graph with values as its only outputs, in each of which an axis became the last.
pub fn watching(graph: &TypedGraph, values: &[(ValueId, usize)]) -> Graph {
    let mut writer = Writer::new(graph);
    writer.copy_all(graph);
    writer.watch(graph, values);
    writer.out.pruned()
}

/// Values with the axis of their channels.
fn channels(graph: &TypedGraph, layers: &[Layer], values: impl IntoIterator<Item = ValueId>) -> Vec<(ValueId, usize)> {
    values.into_iter().map(|v| (v, channel_axis(graph, layers, v))).collect()
}

/// One pass over the samples; `counted` values of each tensor are counted, over all samples.
fn observe(
    graph: &TypedGraph,
    values: &[(ValueId, usize)],
    sessions: &Sessions,
    data: &dyn Samples,
    indices: &[usize],
    counted: usize,
    runtime: &Runtime<'_>,
) -> Result<FxHashMap<ValueId, Moments>, QuantizeError> {
    let counted = counted.div_ceil(indices.len().max(1));
    let start = || -> Vec<Moments> {
        let of = |&(v, axis): &(ValueId, usize)| graph.ty(v).shape.get(axis).copied().unwrap_or(1);
        values.iter().map(|value| Moments::new(of(value), counted)).collect()
    };
    let lanes = lanes::fold_floats(sessions, data, indices, runtime.progress, start, |all, sample, at, tensor| {
        all[at].add(tensor, &|| format!("sample {sample}: `{}`", flow::value_name(graph, values[at].0)))
    })?;
    let mut total = start();
    for lane in &lanes {
        total.iter_mut().zip(lane).for_each(|(t, l)| t.merge(l));
    }
    Ok(values.iter().map(|(v, _)| *v).zip(total).collect())
}

/// The axis of a value whose elements have statistics of their own: the one that a layer sums over, or a layer's outputs.
fn channel_axis(graph: &TypedGraph, layers: &[Layer], value: ValueId) -> usize {
    let rank = graph.ty(value).rank();
    let read = layers.iter().find(|l| l.input == value).map(|l| l.input_axis);
    let written = || layers.iter().find(|l| l.output == value).map(|l| if l.op == "Conv" { 1 } else { rank - 1 });
    read.or_else(written).unwrap_or(if rank >= 2 { 1 } else { 0 })
}

/// Floats that a graph takes must be finite.
///
/// # Errors
/// The first that is not, with sample and input.
pub fn check_finite(graph: &TypedGraph, data: &dyn Samples) -> Result<(), QuantizeError> {
    let g = graph.graph();
    for sample in 0..data.count() {
        for (&id, tensor) in g.inputs().iter().zip(data.inputs(sample)?) {
            let bad = match tensor.dtype() {
                DType::F32 => tensor.slice::<f32>().iter().find(|v| !v.is_finite()).map(|v| f64::from(*v)),
                _ => None,
            };
            if let Some(v) = bad {
                let kind = if v.is_nan() { "NaN" } else { "an infinite value" };
                let message = format!("sample {sample} of input `{}` holds {kind}", g.input(id).name);
                return Err(QuantizeError::Input(message));
            }
        }
    }
    Ok(())
}
