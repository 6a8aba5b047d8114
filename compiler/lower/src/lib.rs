//! From the chosen graph to kernels: bodies, tensor layouts.

pub mod kernels;
