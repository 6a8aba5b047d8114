//! The static type of a value.

use crate::{DType, Shape};
use serde::{Deserialize, Serialize};

/// Element type and concrete shape of a value.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Sizes of the axes.
    pub shape: Shape,
}

impl TensorType {
    /// A type from its parts.
    pub fn new(dtype: DType, shape: impl IntoIterator<Item = usize>) -> Self {
        Self { dtype, shape: shape.into_iter().collect() }
    }

    /// Number of elements; 1 for a scalar.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Size in bytes of a dense tensor of this type.
    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype.size()
    }

    /// Whether sizes can be computed: no product of sizes, those of an axis of zero left out, is more than the largest
    /// number of bytes. To be asked of types that come from a file, before anything else is.
    pub fn fits_memory(&self) -> bool {
        let bytes = self.shape.iter().try_fold(self.dtype.size(), |n, &d| n.checked_mul(d.max(1)));
        bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok())
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }
}

/// `f32[1,3,8,8]`
impl std::fmt::Display for TensorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[", self.dtype)?;
        for (i, d) in self.shape.iter().enumerate() {
            write!(f, "{}{d}", if i == 0 { "" } else { "," })?;
        }
        f.write_str("]")
    }
}

impl std::fmt::Debug for TensorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}
