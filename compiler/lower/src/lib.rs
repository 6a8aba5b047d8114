//! From the chosen graph to a program: kernels, packed weights, buffers, steps.
//!
//! [`lower`] walks the typed graph once. A node whose core and body have a generator becomes a kernel; any other node runs
//! on the reference evaluation of its op, and its step says why. Activations of rank 4 lie channels-last because the graph
//! says so: layout is the business of rules. What is decided here is where things lie: borders, buffers, constants.
//!
//! The program is checked by [`qcc_kernel::program::check`] and printed by [`dump`].

mod alias;
mod arena;
mod assembly;
mod body_of;
mod constants;
mod cores;
mod dump;
mod dynamic;
mod fast;
mod float;
mod grid;
mod halo;
pub mod kernels;
mod lower;
mod moved;
mod recurrent;
mod reference;
mod rows;
mod spread;

pub use arena::{Interval, Plan, plan};
pub use dump::dump;
pub use kernels::conv::Target;
pub use lower::{Fast, Options, lower};
