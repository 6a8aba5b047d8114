//! `qcc-lower`.

pub mod kernels;
