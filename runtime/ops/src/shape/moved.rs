//! Building a tensor from elements of another, whatever their type.

use qcc_tensor::{Shape, Tensor, TensorType};

/// A tensor whose element `i` is element `source(i)` of `x`.
pub(crate) fn moved(x: &Tensor, shape: Shape, sources: impl Iterator<Item = usize>) -> Tensor {
    let size = x.dtype().size();
    let bytes = x.bytes();
    let ty = TensorType { dtype: x.dtype(), shape };
    let mut out = Vec::with_capacity(ty.bytes());
    for s in sources {
        out.extend_from_slice(&bytes[s * size..(s + 1) * size]);
    }
    Tensor::from_bytes(ty, out.into()).expect("one source per element")
}

/// A tensor of given bytes.
pub(crate) fn from_bytes(ty: TensorType, bytes: Vec<u8>) -> Tensor {
    Tensor::from_bytes(ty, bytes.into()).expect("the bytes were made for the type")
}
