//! Matrix products.

pub(crate) mod gemm;
pub(crate) mod imatmul;
pub(crate) mod matmul;
mod product;
