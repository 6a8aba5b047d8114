//! The steps of the compiler in order, and what every command of `qcc` is made of.

pub mod arrays;
pub mod batch;
pub mod budget;
pub mod compiler;
pub mod corpus;
mod curve;
pub mod cut;
pub mod defined;
pub mod diff;
pub mod editor;
pub mod example;
pub mod failure;
mod half_npy;
pub mod inputs;
pub mod machine;
pub mod measure;
pub mod model;
pub mod npy;
pub mod pipeline;
pub mod precision;
pub mod profile;
pub mod quantize;
pub mod report;
pub mod snapshot;
pub mod specialized;
pub mod standard_rules;
pub mod stored;
