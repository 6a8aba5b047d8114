//! Scales and zero-points along an axis.

use crate::{InferArgs, OpError};
use qcc_tensor::{DType, Tensor, TensorType};

/// Checks a scale (and zero-point) against the tensor it belongs to and returns the canonical axis: 0 if there is one
/// scale for all elements.
pub(crate) fn canonical_axis(a: &mut InferArgs<'_>, x: &TensorType, scale: &TensorType) -> Result<(), OpError> {
    use crate::AttrValue;
    if a.attrs.int("block_size").unwrap_or(0) != 0 {
        return Err(OpError::unsupported("blocked quantization"));
    }
    let axis = a.attrs.int("axis").unwrap_or(1);
    if scale.elements() == 1 && scale.rank() <= 1 {
        a.attrs.set("axis", AttrValue::Int(0));
        return Ok(());
    }
    let rank = x.rank() as i64;
    let axis = if axis < 0 { axis + rank } else { axis };
    if axis < 0 || axis >= rank {
        return Err(OpError::invalid(format!("axis {axis} of {x} does not exist")));
    }
    if scale.rank() != 1 || scale.shape[0] != x.shape[axis as usize] {
        return Err(OpError::invalid(format!(
            "a scale along axis {axis} of {x} must have that many elements, got {scale}"
        )));
    }
    a.attrs.set("axis", AttrValue::Int(axis));
    Ok(())
}

/// Index of the scale for every element: `(outer, channels, inner)` with `channel = (i / inner) % channels`.
pub(crate) fn channels(shape: &[usize], scale: &Tensor, axis: i64) -> (usize, usize) {
    if scale.elements() == 1 {
        return (1, usize::MAX);
    }
    let axis = axis as usize;
    (shape[axis], shape[axis + 1..].iter().product::<usize>().max(1))
}

/// Zero-points as i64, one per scale; zeros if absent.
pub(crate) fn zero_points(zp: Option<&Tensor>, count: usize) -> Result<Vec<i64>, OpError> {
    let Some(zp) = zp else { return Ok(vec![0; count]) };
    let values = zp.to_i64_vec().ok_or_else(|| OpError::invalid("a zero-point must be an integer"))?;
    if values.len() == 1 { Ok(vec![values[0]; count]) } else { Ok(values) }
}

/// Smallest and largest code.
pub(crate) fn code_range(dtype: DType) -> Result<(f64, f64), OpError> {
    match dtype {
        DType::I8 | DType::U8 | DType::I16 | DType::U16 => {
            let (lo, hi) = dtype.int_range().unwrap_or((0, 0));
            Ok((lo as f64, hi as f64))
        }
        other => Err(OpError::unsupported(format!("quantization to {other}"))),
    }
}
