//! Resampling to the nearest element by whole factors: every element of the result is one of the input.

use crate::kernels::moves::Strided;
use crate::lower::Walk;
use qcc_ir::{NodeId, OpNode};
use qcc_tensor::DType;

/// How a coordinate of the result becomes one of the input, and which neighbour is taken: the pairs for which element `i`
/// of an axis enlarged `f` times is element `i / f`.
const REPEATING: [(&str, &str); 5] = [
    ("asymmetric", "floor"),
    ("half_pixel", "round_prefer_floor"),
    ("half_pixel", "round_prefer_ceil"),
    ("half_pixel_symmetric", "round_prefer_floor"),
    ("half_pixel_symmetric", "round_prefer_ceil"),
];

impl Walk<'_, '_> {
    /// A `Resize` that repeats elements, as a move.
    ///
    /// # Errors
    /// Why there is no kernel.
    pub fn repeated(&mut self, id: NodeId, node: &OpNode, name: &str) -> Result<(), String> {
        let x = node.inputs[0].ok_or("no input")?;
        let text = |key: &str| node.attrs.str(key).unwrap_or_default();
        let how = (text("coordinate_transformation_mode"), text("nearest_mode"));
        let sized = node.inputs.get(2).copied().flatten().is_none();
        if sized && text("keep_aspect_ratio_policy") != "stretch" {
            return Err("a resampling that keeps the ratio of its axes has no kernel".into());
        }
        if text("mode") != "nearest" || !REPEATING.contains(&how) {
            return Err(format!("a resampling by {}, {} has no kernel", text("mode"), how.0));
        }
        let (shape, result) = (self.graph.ty(x).shape.to_vec(), self.graph.ty(id.output(0)).shape.to_vec());
        let fits = shape.iter().zip(&result).all(|(&from, &to)| from > 0 && to.is_multiple_of(from));
        if !fits {
            return Err(format!("a resampling of {shape:?} to {result:?} is not by whole factors"));
        }
        let factors: Vec<usize> = shape.iter().zip(&result).map(|(&from, &to)| to / from).collect();
        // A scale may be larger than the sizes say: 2.1 makes 4 of 2.
        if let Some(scales) = node.inputs.get(2).copied().flatten() {
            let given = self.constant_of(scales).filter(|t| t.dtype() == DType::F32).map(|t| t.slice::<f32>().to_vec());
            let named: Vec<usize> = match node.attrs.ints("axes") {
                Some(axes) => axes.iter().map(|&a| (if a < 0 { a + shape.len() as i64 } else { a }) as usize).collect(),
                None => (0..shape.len()).collect(),
            };
            let exact = given.is_some_and(|s| named.iter().zip(&s).all(|(&axis, &s)| factors[axis] as f32 == s));
            if !exact {
                return Err("a resampling by scales that are no whole numbers".into());
            }
        }
        let (buffer, from) = self.strided(x);
        let strides = from.strides.iter().flat_map(|&s| [s, 0]).collect();
        self.spread(id, name, (buffer, Strided { strides, ..from }), &factors)
    }
}
