//! Quantization without samples: ranges are found at run time, or only weights are quantized. Weights are rounded to the nearest
//! code that any input would choose.

use crate::plan::{Choice, Plan};
use crate::{Codes, Flow, Layer, Precision, layers, weights};
use qcc_ir::TypedGraph;
use rustc_hash::{FxHashMap, FxHashSet};

/// The plan in which matrix products have the precision that is wanted: floats, a range found at run time, or weights alone that
/// are quantized. All else stays floats.
pub fn unmeasured_plan(graph: &TypedGraph, wanted: &dyn Fn(&Layer) -> Precision) -> Plan {
    let layers = layers::layers(graph);
    let choice = |layer: &Layer| {
        let bias = layer.bias.as_ref().map_or(Vec::new(), |b| b.slice::<f32>().to_vec());
        let importance = vec![1.0; layer.weights.elements() / layer.outputs()];
        match wanted(layer) {
            precision if layer.is_matrix_product() && precision.is_weight_only() => {
                Choice::Integer(precision, weights::weights_only(layer, &bias, &importance, precision, None))
            }
            precision @ Precision::Dynamic if layer.is_matrix_product() => {
                Choice::Integer(precision, weights::quantize(layer, &bias, &importance, 1.0, Codes::I8, None))
            }
            _ => Choice::Float,
        }
    };
    let choices = layers.iter().map(choice).collect();
    let flow = Flow { edges: FxHashSet::default(), class_of: FxHashMap::default(), classes: Vec::new() };
    Plan { layers, choices, flow, grids: Vec::new(), factors: FxHashMap::default() }
}
