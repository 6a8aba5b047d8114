//! Matrix products.

pub(crate) mod coded_matmul;
pub(crate) mod det;
pub(crate) mod einsum;
pub(crate) mod gemm;
pub(crate) mod imatmul;
pub(crate) mod matmul;
pub(crate) mod matmul_integer;
mod product;
