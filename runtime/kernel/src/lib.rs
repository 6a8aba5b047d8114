//! The kernel IR: small SSA programs over vector registers of one or two 128-bit halves with structured loops.
//!
//! Generators in `qcc-lower` build a [`Kernel`] with [`KernelBuilder`]; [`verify`] checks it; `qcc-jit` compiles it;
//! [`interpret`] runs it one operation at a time and is the oracle every backend must equal bit for bit.
//! Kernels are stored in artifacts (serde) and print as text ([`std::fmt::Display`]). A [`program::Program`] is what the
//! compiler hands to the runtime: kernels, the steps that call them, buffers and constants.
//!
//! Invariants:
//! - A kernel is specialised: shapes, strides and offsets are constants. Only the task number and loop counters vary.
//! - Compiled code is `extern "C" fn(bufs: *const *mut u8, begin: u64, end: u64)`: `bufs[i]` is the base of buffer `i`,
//!   and tasks `begin..end` run. Tasks are independent, so a kernel may be split anywhere.
//! - Instructions run in the order written; backends do not reorder, contract or hoist.
//! - Transcendental functions are not operations: [`math`] expands them into operations, so the bits agree everywhere.

mod builder;
mod halve;
mod interpret;
mod kernel;
mod lanes;
pub mod math;
mod op;
mod print;
pub mod program;
mod range;
mod types;
mod verify;

pub use builder::{BUFFER_ALIGN, KernelBuilder};
pub use halve::halve;
pub use interpret::{InterpretError, interpret};
pub use kernel::{Block, Carried, Inst, Kernel, Loop, Trip};
pub use op::{BinOp, IndexOp, Op, ShiftOp, UnOp};
pub use types::{Addr, Buf, BufferDecl, BufferKind, Lane, Ty, VL, Value, Width};
pub use verify::{MAX_VALUES, Verified, VerifyError, verify};
