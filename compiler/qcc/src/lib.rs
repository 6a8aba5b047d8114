//! The steps of the compiler in order, and what every command of `qcc` is made of.

pub mod arrays;
pub mod batch;
pub mod failure;
pub mod pipeline;
