//! The graph of a model between the steps of the compiler.
//!
//! A [`Graph`] is what an importer builds and what extraction returns: nodes of [`qcc_ops`] operators, constants and
//! inputs, single-assignment, acyclic. [`bind`] fixes symbolic dimensions, [`infer`] gives every value a concrete type
//! ([`TypedGraph`]), [`evaluate`] computes it with the reference evaluation, which defines what every later product must
//! compute. [`verify`] runs after each step. What cannot be typed before it runs is [`split`] off.
//!
//! A fused kernel is a [`FusedNode`]: an optional core op and a body, itself a small graph of elementwise ops whose first
//! input is the core's accumulator.

mod bind;
mod evaluate;
mod graph;
mod infer;
pub mod samples;
mod split;
pub mod text;
mod verify;

pub use bind::{Bindings, bind};
pub use evaluate::{evaluate, evaluate_all};
pub use graph::{Core, Dim, FusedNode, Graph, InputNode, Node, NodeId, OpNode, ValueId};
pub use infer::{DYNAMIC, TypedGraph, infer};
pub use split::{Split, Tail, split};
pub use text::{parse, print, print_graph};
pub use verify::verify;
