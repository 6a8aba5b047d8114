//! Quantization without samples: ranges are found at run time, or only weights are quantized. Weights are rounded to the nearest
//! code that any input would choose.

use crate::plan::{Choice, Plan};
use crate::{Flow, Layer, Precision, layers, weights};
use qcc_ir::TypedGraph;
use rustc_hash::{FxHashMap, FxHashSet};

/// The plan in which matrix products have the precision that is wanted: floats, a range found at run time, or weights alone that
/// are quantized. All else stays floats.
pub fn unmeasured_plan(graph: &TypedGraph, wanted: &dyn Fn(&Layer) -> Precision) -> Plan {
    let layers = layers::layers(graph);
    let choice = |layer: &Layer| {
        let bias = layer.bias.as_ref().map_or(Vec::new(), |b| b.slice::<f32>().to_vec());
        let alike = vec![1.0; layer.weights.elements() / layer.outputs()];
        let precision = wanted(layer);
        let Some(codes) = precision.codes().filter(|_| layer.is_matrix_product()) else { return Choice::Float };
        let best = weights::best_scales(layer, &alike, codes, precision.block());
        if precision.is_weight_only() {
            return Choice::Integer(precision, weights::weights_only(layer, &bias, &alike, &best, precision, None));
        }
        Choice::Integer(precision, weights::quantize(layer, &bias, &alike, &best, 1.0, codes, None))
    };
    let choices = layers.iter().map(choice).collect();
    let flow = Flow { edges: FxHashSet::default(), class_of: FxHashMap::default(), classes: Vec::new() };
    Plan { layers, choices, flow, grids: Vec::new(), factors: FxHashMap::default() }
}
