//! Axis numbers.

use crate::OpError;

/// A possibly negative axis of a tensor of `rank` axes, counted from the front.
pub(crate) fn axis(value: i64, rank: usize) -> Result<usize, OpError> {
    let at = if value < 0 { value + rank as i64 } else { value };
    usize::try_from(at)
        .ok()
        .filter(|&a| a < rank)
        .ok_or_else(|| OpError::invalid(format!("axis {value} does not exist in {rank} axes")))
}

/// Several axes, each at most once, sorted.
pub(crate) fn axes(values: &[i64], rank: usize) -> Result<Vec<usize>, OpError> {
    let mut out: Vec<usize> = values.iter().map(|&v| axis(v, rank)).collect::<Result<_, _>>()?;
    out.sort_unstable();
    out.dedup();
    if out.len() != values.len() {
        return Err(OpError::invalid(format!("an axis is named twice in {values:?}")));
    }
    Ok(out)
}

/// The number of elements of a shape, if it is one that can exist in memory.
pub(crate) fn checked_elements(shape: &[usize]) -> Result<usize, OpError> {
    shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|&n| n <= 1 << 34)
        .ok_or_else(|| OpError::invalid(format!("a tensor of shape {shape:?} is too large")))
}
