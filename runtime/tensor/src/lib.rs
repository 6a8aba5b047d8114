//! Tensors: element types, shapes, quantization grids, storage.
//!
//! A [`Tensor`] is immutable, dense and row-major; its bytes are shared, so cloning is cheap and weights can live in a
//! memory-mapped file. Typed access is an [`ndarray`] view. Everything above (ops, graphs, kernels) speaks in these
//! types; this crate knows nothing of operators.
#![allow(unsafe_code, reason = "storage reinterprets aligned bytes as elements; each block states why it may")]

mod dtype;
mod element;
mod packed;
mod shape;
pub mod small;
mod storage;
mod tensor;
mod types;

pub use dtype::DType;
pub use element::Element;
pub use shape::{Shape, broadcast_shapes, row_major_strides};
pub use small::{F4E2M1, F8E4M3, F8E4M3Uz, F8E5M2, F8E5M2Uz, F8E8M0, I2, I4, U2, U4};
pub use storage::Storage;
pub use tensor::{Tensor, TensorError};
pub use types::TensorType;

/// Half-precision element types.
pub use half::{bf16, f16};
