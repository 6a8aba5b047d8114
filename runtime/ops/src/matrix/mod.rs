//! Matrix products.

pub(crate) mod gemm;
pub(crate) mod imatmul;
pub(crate) mod matmul;
pub(crate) mod matmul_integer;
mod product;
