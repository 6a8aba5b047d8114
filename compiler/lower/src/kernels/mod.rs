//! Kernel generators: pure functions from a specification (shapes, layouts, weights, body) to a kernel and its constants.
//!
//! Every generator returns [`Generated`]. The arguments of the kernel are, in this order: the inputs of the core, the
//! tensors of the body in the order of its operands, the output, the constants (if any), the scratch (if any).
//! Activations are channels-last ([`layout::TensorLayout`]); integer results are exact.

mod apply;
pub mod body;
mod bounds;
pub mod conv;
pub mod covering;
mod depthwise;
pub mod depthwise_f32;
mod depthwise_pairs;
mod depthwise_quads;
pub mod emit;
mod grouped;
mod grouping;
pub mod layout;
mod look_up;
pub mod lstm;
pub mod map;
pub mod moves;
pub mod normalize;
mod operands;
mod overflow;
mod pack;
mod place;
pub mod pool;
mod product;
pub mod product_codes;
pub mod product_f32;
mod quads;
mod quantize;
mod quotient;
pub mod reduce;
mod row;
pub mod softmax;
mod split;
mod stage;
mod sum;
mod tile;
mod twin;
mod walk;
pub mod winograd;

use qcc_kernel::Kernel;

/// A kernel and what it is called with.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// The program.
    pub kernel: Kernel,
    /// Role of each buffer of the kernel, in order.
    pub args: Vec<Arg>,
    /// Contents of the buffer of role [`Arg::Constants`], slack included.
    pub constants: Vec<u8>,
}

/// Role of one buffer of a generated kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arg {
    /// An input of the core.
    Input(u32),
    /// The n-th tensor of the body.
    Operand(u32),
    /// The result.
    Output,
    /// [`Generated::constants`].
    Constants,
    /// Working memory of that many bytes for each thread.
    Scratch(u32),
}
