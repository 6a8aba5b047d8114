//! Shapes as images: what the layouts of kernels are made from.

use crate::kernels::layout::{Elem, TensorLayout};
use qcc_tensor::{DType, TensorType};

/// `[images, rows, columns, channels]` of a shape: the last axis holds the channels, axes before the fourth from the end
/// are images, too.
pub fn grid(shape: &[usize]) -> [usize; 4] {
    match shape {
        [] => [1, 1, 1, 1],
        [c] => [1, 1, 1, *c],
        [w, c] => [1, 1, *w, *c],
        [h, w, c] => [1, *h, *w, *c],
        [n @ .., h, w, c] => [n.iter().product(), *h, *w, *c],
    }
}

/// The dense layout of a value.
///
/// # Errors
/// An element type that kernels do not have.
pub fn dense_layout(ty: &TensorType) -> Result<TensorLayout, String> {
    let [n, h, w, c] = grid(&ty.shape);
    Ok(TensorLayout::dense(n, h, w, c, elem(ty.dtype)?))
}

/// The element type of kernels for an element type.
///
/// # Errors
/// An element type that kernels do not have.
pub fn elem(dtype: DType) -> Result<Elem, String> {
    match dtype {
        DType::F32 => Ok(Elem::F32),
        DType::I32 => Ok(Elem::I32),
        // A bool is a byte that is zero or one.
        DType::U8 | DType::Bool => Ok(Elem::U8),
        DType::I8 => Ok(Elem::I8),
        DType::I16 => Ok(Elem::I16),
        other => Err(format!("kernels have no elements of type {other}")),
    }
}
