//! Tensors with heads: `[batch, heads, steps, size]`, or the heads side by side, `[batch, steps, heads * size]`.

use crate::OpError;
use qcc_tensor::{Tensor, TensorType};

/// Sizes of a tensor with heads and where its elements lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heads {
    pub(crate) batch: usize,
    pub(crate) heads: usize,
    pub(crate) steps: usize,
    pub(crate) size: usize,
    /// Whether heads lie side by side.
    pub(crate) packed: bool,
}

impl Heads {
    /// Of a tensor with four axes, or with three and a number of heads.
    pub(crate) fn new(ty: &TensorType, heads: Option<i64>) -> Result<Heads, OpError> {
        match (&ty.shape[..], heads) {
            (&[batch, heads, steps, size], _) => Ok(Heads { batch, heads, steps, size, packed: false }),
            (&[batch, steps, width], Some(heads @ 1..)) if width as i64 % heads == 0 => {
                let heads = heads as usize;
                Ok(Heads { batch, heads, steps, size: width / heads, packed: true })
            }
            _ => Err(OpError::invalid(format!(
                "expected [batch, heads, steps, size], or [batch, steps, heads * size] and the number of heads, got {ty} and {heads:?}"
            ))),
        }
    }

    /// Flat position of the first element of a head at a step.
    pub(crate) fn at(&self, batch: usize, head: usize, step: usize) -> usize {
        let row = if self.packed {
            (batch * self.steps + step) * self.heads + head
        } else {
            (batch * self.heads + head) * self.steps + step
        };
        row * self.size
    }

    /// Shape of a tensor with these heads.
    pub(crate) fn shape(&self) -> Vec<usize> {
        if self.packed {
            vec![self.batch, self.steps, self.heads * self.size]
        } else {
            vec![self.batch, self.heads, self.steps, self.size]
        }
    }

    /// Elements in the order `[batch, heads, steps, size]`.
    pub(crate) fn unpacked(&self, t: &Tensor) -> Vec<f64> {
        let data = t.to_f64_vec();
        if !self.packed {
            return data;
        }
        let mut out = Vec::with_capacity(data.len());
        for b in 0..self.batch {
            for h in 0..self.heads {
                for s in 0..self.steps {
                    let at = self.at(b, h, s);
                    out.extend_from_slice(&data[at..at + self.size]);
                }
            }
        }
        out
    }
}
