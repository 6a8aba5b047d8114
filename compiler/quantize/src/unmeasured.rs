//! Dynamic quantization without samples: ranges are found at run time, and weights are rounded to the nearest code that any
//! input would choose.

use crate::plan::{Choice, Plan};
use crate::{Codes, Flow, Layer, Precision, layers, weights};
use qcc_ir::TypedGraph;
use rustc_hash::{FxHashMap, FxHashSet};

/// The plan in which matrix products that `wanted` accepts find the range of what they multiply at run time; all else stays
/// floats.
pub fn dynamic_plan(graph: &TypedGraph, wanted: &dyn Fn(&Layer) -> bool) -> Plan {
    let layers = layers::layers(graph);
    let choice = |layer: &Layer| {
        if !layer.is_matrix_product() || !wanted(layer) {
            return Choice::Float;
        }
        let terms = layer.weights.elements() / layer.outputs();
        let bias = layer.bias.as_ref().map_or(Vec::new(), |b| b.slice::<f32>().to_vec());
        let (alike, codes) = (vec![1.0; terms], Codes::I8);
        let best = weights::best_scales(layer, &alike, codes);
        Choice::Integer(Precision::Dynamic, weights::quantize(layer, &bias, &alike, &best, 1.0, codes, None))
    };
    let choices = layers.iter().map(choice).collect();
    let flow = Flow { edges: FxHashSet::default(), class_of: FxHashMap::default(), classes: Vec::new() };
    Plan { layers, choices, flow, grids: Vec::new(), factors: FxHashMap::default() }
}
