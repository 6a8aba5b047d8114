//! Operators: one file per op holds its schema, its shape rule and its reference evaluation.
//!
//! The reference evaluation *defines* every result: rules, the kernel interpreter and machine code are tested against
//! it, and an op without a fast kernel runs on it. Ops are those of the newest ONNX operator set (the importer brings
//! older forms up to it) plus the domain `qcc` of integer cores and body ops that rules introduce.
//!
//! To add an op: a new file in `src/` (or a family folder) with one `pub static OP: OpDef`, and one line in
//! `registry.rs`.

#![allow(clippy::unnecessary_cast, reason = "generic code is expanded for every element type")]

mod attrs;
mod block;
mod budget;
mod def;
pub mod nesting;
mod registry;

mod attention;
mod control;
mod conv;
mod elementwise;
mod index;
mod matrix;
mod normalize;
mod numeric;
mod quantize;
mod recurrent;
mod reduce;
mod shape;
mod signal;
mod vision;

pub use attrs::{AttrValue, Attrs};
pub use block::{Block, Call};
pub use budget::Budget;
pub use conv::window::Window;
pub use def::{Arity, AttrDef, AttrKind, Default, EvalArgs, InferArgs, InferInput, Op, OpDef, OpError, Param};
pub use registry::{find, find_in, registry};
