//! Scales and zero-points along an axis.

use crate::{InferArgs, OpError};
use qcc_tensor::{DType, Tensor, TensorType};

/// Checks a scale (and zero-point) against the tensor it belongs to and returns the canonical axis: 0 if there is one
/// scale for all elements.
pub(crate) fn canonical_axis(a: &mut InferArgs<'_>, x: &TensorType, scale: &TensorType) -> Result<(), OpError> {
    use crate::AttrValue;
    let block = a.attrs.int("block_size").unwrap_or(0);
    if block != 0 {
        return canonical_blocks(a, x, scale, block);
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

/// Blocks of `block` elements along an axis share a scale; along the other axes every element has its own.
fn canonical_blocks(a: &mut InferArgs<'_>, x: &TensorType, scale: &TensorType, block: i64) -> Result<(), OpError> {
    let axis = crate::shape::positive_axis(a.attrs.int("axis").unwrap_or(1), x.rank())?;
    let size = usize::try_from(block).map_err(|_| OpError::invalid(format!("block_size is {block}")))?;
    let fits = |d: usize| scale.shape[d] == if d == axis { x.shape[d].div_ceil(size) } else { x.shape[d] };
    if scale.rank() != x.rank() || !(0..x.rank()).all(fits) {
        return Err(OpError::invalid(format!("the scale of {x} in blocks of {size} along axis {axis} is {scale}")));
    }
    a.attrs.set("axis", crate::AttrValue::Int(axis as i64));
    Ok(())
}

/// Which scale belongs to an element.
pub(crate) enum Places {
    /// One for all, or one for each index of an axis: `(i / inner) % channels`.
    Axis {
        /// Number of scales.
        channels: usize,
        /// Elements between indices of the axis.
        inner: usize,
    },
    /// One for each block along an axis.
    Blocks {
        /// Elements of a block.
        block: usize,
        /// Size of the axis.
        size: usize,
        /// Blocks along it.
        blocks: usize,
        /// Elements between indices of the axis.
        inner: usize,
        /// Number of scales.
        count: usize,
    },
}

impl Places {
    /// Of a tensor whose scale has passed [`canonical_axis`].
    pub(crate) fn new(shape: &[usize], scale: &Tensor, attrs: &crate::Attrs) -> Places {
        let axis = attrs.int("axis").unwrap_or(0);
        match attrs.int("block_size").unwrap_or(0) {
            0 => {
                let (channels, inner) = channels(shape, scale, axis);
                Places::Axis { channels, inner }
            }
            block => {
                let (axis, block) = (axis as usize, block as usize);
                let inner = shape[axis + 1..].iter().product::<usize>().max(1);
                let (size, blocks) = (shape[axis], shape[axis].div_ceil(block));
                Places::Blocks { block, size, blocks, inner, count: scale.elements() }
            }
        }
    }

    /// Number of scales.
    pub(crate) fn count(&self) -> usize {
        match self {
            Places::Axis { channels, .. } => *channels,
            Places::Blocks { count, .. } => *count,
        }
    }

    /// Calls `f` with every one of `elements` elements and the index of its scale, in order.
    pub(crate) fn each(&self, elements: usize, mut f: impl FnMut(usize, usize)) {
        match *self {
            Places::Axis { channels, inner } => {
                let starts = (0..elements).step_by(inner.max(1));
                for (start, scale) in starts.zip((0..channels).cycle()) {
                    (start..elements.min(start.saturating_add(inner))).for_each(|i| f(i, scale));
                }
            }
            Places::Blocks { block, size, blocks, inner, .. } => (0..elements).for_each(|i| {
                let (outer, at, rest) = (i / inner / size, i / inner % size, i % inner);
                f(i, (outer * blocks + at / block) * inner + rest);
            }),
        }
    }
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

/// Zero-points as f64, one per scale; zeros if absent. Codes may be small floats.
pub(crate) fn zeros(zp: Option<&Tensor>, count: usize) -> Vec<f64> {
    let values = zp.map_or_else(Vec::new, Tensor::to_f64_vec);
    match values[..] {
        [] => vec![0.0; count],
        [one] => vec![one; count],
        _ => values,
    }
}

/// Whether values can be quantized to this type.
pub(crate) fn check_codes(dtype: DType) -> Result<(), OpError> {
    if dtype.is_small_int() || (dtype.is_small_float() && dtype != DType::F8E8M0) {
        return Ok(());
    }
    code_range(dtype).map(|_| ())
}

/// A number rounded to a float type.
pub(crate) fn rounded(dtype: DType, v: f64) -> f64 {
    match dtype {
        DType::F16 => qcc_tensor::f16::from_f64(v).to_f64(),
        DType::BF16 => qcc_tensor::bf16::from_f64(v).to_f64(),
        DType::F32 => f64::from(v as f32),
        _ => v,
    }
}

/// Smallest and largest code of the integer types that integer kernels work on.
pub(crate) fn code_range(dtype: DType) -> Result<(f64, f64), OpError> {
    match dtype {
        DType::I8 | DType::U8 | DType::I16 | DType::U16 => {
            let (lo, hi) = dtype.int_range().unwrap_or((0, 0));
            Ok((lo as f64, hi as f64))
        }
        other => Err(OpError::unsupported(format!("quantization to {other}"))),
    }
}
