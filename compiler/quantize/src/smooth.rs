//! Channels of what a layer reads brought to a common range, by factors that its weights take back.
//!
//! A grid serves all channels of a tensor, so channels with small values are coarse beside channels with large ones. What a
//! layer reads is divided by a factor per channel before it is quantized, and the weights of that channel are multiplied by it.
//! The factors are `largest(x)^alpha / largest(w)^(1 - alpha)`, with alpha chosen for every tensor by the noise that rounding
//! values and weights is expected to leave in the products. Weights with a scale per channel of their own, those of depthwise
//! convolutions, take any factor for nothing. Source: G. Xiao et al., "SmoothQuant" (2022); equalisation of neighbouring layers
//! (M. Nagel et al., 2019) is the case of a layer in front that can divide for free.

use crate::{Calibration, Codes, Flow, Layer, Moments};
use qcc_ir::ValueId;
use qcc_tensor::Tensor;
use rustc_hash::FxHashMap;

/// Factors of the channels of a value.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelFactors {
    /// The channels' axis.
    pub axis: usize,
    /// What each is divided by.
    pub factors: Vec<f32>,
}

/// Shares of the range of values that factors take over; without factors is tried as well. A channel that is divided by all of
/// its range has none left for samples that go further.
const ALPHAS: [f64; 4] = [0.3, 0.5, 0.65, 0.8];

/// Range over what was seen: without factors the channels with large values leave room for those with small ones, in which
/// other samples go further; with factors nothing does.
const HEADROOM: f64 = 1.25;

/// Noise below which factors pay for the multiplication they cost, relative to the noise without.
const WORTH: f64 = 0.8;

/// Variance of an output, relative to the mean of all, below which it does not count for more.
const QUIET: f64 = 1e-4;

/// Largest distance of a factor from the mean of all.
const REACH: f64 = 64.0;

/// Values that layers along one axis read as codes and nobody else, with these layers.
pub fn candidates<'a>(calibration: &'a Calibration, flow: &Flow) -> Vec<(ValueId, Vec<&'a Layer>)> {
    let g = calibration.graph.graph();
    let mut members: FxHashMap<usize, usize> = FxHashMap::default();
    flow.class_of.values().for_each(|class| *members.entry(*class).or_default() += 1);
    let mut values: Vec<ValueId> = flow.class_of.keys().copied().collect();
    values.sort_unstable_by_key(|v| (v.node, v.output));
    let of = |value: ValueId| {
        let class = flow.class_of[&value];
        let readers: Vec<&Layer> = calibration.layers.iter().filter(|l| l.input == value).collect();
        let edges = flow.edges.iter().filter(|(id, i)| g.node(*id).inputs()[*i] == Some(value)).count();
        let axis = readers.first()?.input_axis;
        let alone = members[&class] == 1 && flow.classes[class].root == value && flow.classes[class].fixed.is_none();
        let only_layers = edges == readers.len() && readers.iter().all(|l| l.input_axis == axis);
        (alone && only_layers).then_some((value, readers))
    };
    values.into_iter().filter_map(of).collect()
}

/// The factors of a candidate, if they pay. `outputs` says how the outputs of its readers vary.
pub fn channel_factors(
    calibration: &Calibration,
    (value, readers): &(ValueId, Vec<&Layer>),
    outputs: &FxHashMap<ValueId, Moments>,
) -> Option<ChannelFactors> {
    let signals: Vec<Vec<f64>> = readers.iter().map(|l| outputs[&l.output].variances()).collect();
    let factors = best(&calibration.moments[value], readers, &signals)?;
    Some(ChannelFactors { axis: readers.first()?.input_axis, factors })
}

/// What is known of the channels of a value.
struct Channels {
    low: Vec<f64>,
    high: Vec<f64>,
    squares: Vec<f64>,
    /// Largest weight of each channel.
    weight: Vec<f64>,
}

fn best(moments: &Moments, readers: &[&Layer], signals: &[Vec<f64>]) -> Option<Vec<f32>> {
    let mut channels = Channels {
        low: moments.channels.iter().map(|c| f64::from(c.min).min(0.0)).collect(),
        high: moments.channels.iter().map(|c| f64::from(c.max).max(0.0)).collect(),
        squares: moments.mean_squares(),
        weight: vec![0.0; moments.channels.len()],
    };
    for layer in readers {
        for (o, row) in layer.rows().iter().enumerate() {
            for (w, channel) in row.iter().zip(layer.channels(o)) {
                let slot = &mut channels.weight[channel];
                *slot = slot.max(f64::from(w.abs()));
            }
        }
    }
    let none = vec![1.0; channels.low.len()];
    let noise = |factors: &[f64]| noise(&channels, readers, signals, factors);
    let without = noise(&none);
    let tried = ALPHAS.iter().map(|&alpha| factors(&channels, alpha));
    let (least, best) = tried.map(|f| (noise(&f), f)).reduce(|a, b| if b.0 < a.0 { b } else { a })?;
    (least < WORTH * without).then(|| best.iter().map(|&f| f as f32).collect())
}

fn factors(channels: &Channels, alpha: f64) -> Vec<f64> {
    let raw: Vec<f64> = (0..channels.low.len())
        .map(|c| {
            let x = channels.high[c].max(-channels.low[c]);
            if x > 0.0 && channels.weight[c] > 0.0 { x.powf(alpha) / channels.weight[c].powf(1.0 - alpha) } else { 0.0 }
        })
        .collect();
    let used: Vec<f64> = raw.iter().copied().filter(|&f| f > 0.0).map(f64::ln).collect();
    let mean = (used.iter().sum::<f64>() / used.len().max(1) as f64).exp();
    // Dividing by the mean keeps the range of the whole; a power of two would do as well.
    raw.iter().map(|&f| if f > 0.0 { (f / mean).clamp(1.0 / REACH, REACH) } else { 1.0 }).collect()
}

/// Expected noise in the products, over the signal of each output, summed: that of rounding values, uniform in a step, and
/// that of rounding weights. An output with small values counts as much as one with large ones, since what reads it may
/// multiply it by as much.
fn noise(channels: &Channels, readers: &[&Layer], signals: &[Vec<f64>], factors: &[f64]) -> f64 {
    let low = channels.low.iter().zip(factors).fold(0.0, |m: f64, (x, f)| m.min(x / f));
    let high = channels.high.iter().zip(factors).fold(0.0, |m: f64, (x, f)| m.max(x / f));
    let step = HEADROOM * (high - low) / f64::from(Codes::U8.highest);
    let mut total = 0.0;
    for (layer, signals) in readers.iter().zip(signals) {
        let mean = signals.iter().sum::<f64>() / signals.len().max(1) as f64;
        for (o, row) in layer.rows().iter().enumerate() {
            let signal = signals[o].max(QUIET * mean).max(f64::MIN_POSITIVE);
            let scaled = |(w, channel): (&f32, usize)| f64::from(*w) * factors[channel];
            let weights = || row.iter().zip(layer.channels(o));
            let largest = weights().fold(0.0, |m: f64, w| m.max(scaled(w).abs()));
            let weight_step = largest / f64::from(Codes::I8.highest);
            for (w, c) in weights() {
                let noise = step * step * scaled((w, c)).powi(2)
                    + weight_step * weight_step * channels.squares[c] / (factors[c] * factors[c]);
                total += noise / signal;
            }
        }
    }
    total
}

/// The range of a value divided by factors.
pub fn scaled_range(moments: &Moments, factors: &[f32]) -> (f64, f64) {
    let (low, high) = moments.channels.iter().zip(factors).fold((0.0, 0.0), |(low, high), (c, f)| {
        let (l, h) = (f64::from(c.min) / f64::from(*f), f64::from(c.max) / f64::from(*f));
        (f64::min(low, l), f64::max(high, h))
    });
    (HEADROOM * low, HEADROOM * high)
}

/// A layer whose weights are multiplied by the factors of its input's channels.
pub fn scaled_layer(layer: &Layer, factors: &[f32]) -> Layer {
    let rows: Vec<Vec<f32>> = layer
        .rows()
        .iter()
        .enumerate()
        .map(|(o, row)| row.iter().zip(layer.channels(o)).map(|(w, channel)| w * factors[channel]).collect())
        .collect();
    Layer { weights: Tensor::new(layer.weights.shape().iter().copied(), layer.unrows(&rows)), ..layer.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qcc_ir::NodeId;

    fn layer(op: &'static str, shape: [usize; 4], groups: usize) -> Layer {
        let count = shape.iter().product();
        let weights = Tensor::new(shape, (0..count).map(|i| ((i * 37 % 21) as f32 - 10.0) / 10.0).collect());
        let (node, input) = (NodeId(1), NodeId(0).output(0));
        let output = node.output(0);
        Layer {
            node,
            name: String::new(),
            op,
            input,
            input_axis: 1,
            weights,
            output_axis: 0,
            groups,
            bias: None,
            output,
        }
    }

    /// Channels whose values are a hundred times apart.
    fn uneven() -> Moments {
        let mut m = Moments::new(3, 0);
        let values = [1.0f32, 0.01, 10.0, -1.0, -0.01, -10.0];
        m.add(&values, &|| String::new()).expect("finite");
        m
    }

    #[test]
    fn channels_of_a_depthwise_layer_get_a_common_range() {
        let depthwise = layer("Conv", [3, 1, 3, 3], 3);
        let factors = best(&uneven(), &[&depthwise], &[vec![1.0; 3]]).expect("they pay");
        let (low, high) = scaled_range(&uneven(), &factors);
        let small = 0.01 / f64::from(factors[1]);
        assert!(small > 0.2 * high && low == -high, "{factors:?}: {small} beside {high}");
    }

    #[test]
    fn the_range_of_divided_channels_has_room_for_samples_that_go_further() {
        let factors = [1.0, 0.01, 10.0];
        assert_eq!(scaled_range(&uneven(), &factors), (-HEADROOM, HEADROOM));
    }

    #[test]
    fn even_channels_get_no_factors() {
        let mut m = Moments::new(3, 0);
        m.add(&[1.0, 1.0, 1.0, -1.0, -1.0, -1.0], &|| String::new()).expect("finite");
        assert_eq!(best(&m, &[&layer("Conv", [4, 3, 1, 1], 1)], &[vec![1.0; 4]]), None);
    }

    #[test]
    fn scaled_values_times_scaled_weights_are_the_products() {
        let layer = layer("Conv", [4, 3, 1, 1], 1);
        let scaled = scaled_layer(&layer, &[2.0, 0.5, 4.0]);
        for (row, new) in layer.rows().iter().zip(scaled.rows()) {
            let expected: Vec<f32> = row.iter().zip([2.0, 0.5, 4.0]).map(|(w, f)| w * f).collect();
            assert_eq!(new, expected);
        }
    }
}
