//! Slices of equal type, stacked along a new axis.

use crate::{Budget, OpError};
use qcc_tensor::{Tensor, TensorType};

/// Slices in order.
#[derive(Default)]
pub(crate) struct Stacked(Vec<Tensor>);

impl Stacked {
    /// Adds a slice, which must have the type of the others.
    pub(crate) fn push(&mut self, slice: Tensor, budget: &mut Budget) -> Result<(), OpError> {
        match self.0.first() {
            Some(first) if first.ty() != slice.ty() => Err(OpError::unsupported(format!(
                "slices of different types, {} and {}, cannot be stacked",
                first.ty(),
                slice.ty()
            ))),
            _ => {
                budget.hold(slice.bytes().len())?;
                self.0.push(slice);
                Ok(())
            }
        }
    }

    /// The slices in the opposite order.
    pub(crate) fn reverse(&mut self) {
        self.0.reverse();
    }

    /// Number of axes of a slice.
    pub(crate) fn rank(&self) -> usize {
        self.0.first().map_or(0, Tensor::rank)
    }

    /// One tensor; `axis` counts in its shape. Without slices its shape is not known.
    pub(crate) fn finish(self, axis: usize) -> Result<Tensor, OpError> {
        let Some(first) = self.0.first() else {
            return Err(OpError::unsupported("an output of a nested graph that never ran has no shape"));
        };
        let (ty, count) = (first.ty().clone(), self.0.len());
        if axis > ty.rank() {
            return Err(OpError::invalid(format!("axis {axis} does not exist in a stack of {ty}")));
        }
        let size = ty.dtype.size();
        let inner: usize = ty.shape[axis..].iter().product::<usize>() * size;
        let outer: usize = ty.shape[..axis].iter().product();
        let mut bytes = Vec::with_capacity(ty.bytes() * count);
        for o in 0..outer {
            for slice in &self.0 {
                bytes.extend_from_slice(&slice.bytes()[o * inner..(o + 1) * inner]);
            }
        }
        let mut shape = ty.shape.clone();
        shape.insert(axis, count);
        Tensor::from_bytes(TensorType { dtype: ty.dtype, shape }, bytes.into())
            .map_err(|e| OpError::invalid(e.to_string()))
    }
}
