#![allow(unsafe_code, reason = "generated code and matrix products work on pointers into the arena")]
//! Runs compiled programs.
//!
//! [`Session::new`] checks a [`Program`](qcc_kernel::program::Program), generates machine code for the CPU it finds and
//! reserves all memory; [`Session::run_into`] then executes the steps in order without allocating, except in steps that
//! run on an op's reference evaluation. [`artifact`] stores programs in files and maps them back.
//!
//! Invariants: a program is accepted by [`qcc_kernel::program::check`] before any pointer is formed; results do not depend
//! on the number of threads nor on the engine, bit for bit for kernels; float products are split in blocks of a fixed
//! number of rows.

mod arena;
pub mod artifact;
mod error;
mod lane;
mod outputs;
mod pack;
mod product;
mod session;
mod steps;
mod team;

pub use error::SessionError;
pub use session::{Engine, Options, Session, StepTime};
