//! The text form of graphs, `.qir`: what `--emit` prints, snapshots hold and tests are written in.
//!
//! ```text
//! graph "resnet" {
//!   %image = input : f32[N,1,28,28]
//!   %0 = const i64[2] [1, -1]
//!   %1 = const f32[16,1,3,3] #9a3b21f06c7d1e54
//!   %2 = Conv(%image, %1, _) {group: 1, pads: [1, 1, 1, 1]} : f32[1,16,28,28]  // /conv1
//!   output "logits" = %2
//! }
//! ```
//!
//! One statement a line; every name is defined before it is read, and only in its own graph: a nested graph reads nothing
//! from outside. `_` is an absent input. The text after `//` behind a node is the node's name in the model. Types behind
//! a node are for the reader: parsing skips them, [`crate::infer`] finds them again.
//!
//! | value | meaning |
//! |---|---|
//! | `const i64[2] [1, -1]` | all elements, printed up to [`INLINE_ELEMENTS`] |
//! | `const f32[] 0.5` | a scalar |
//! | `const f32[16,1,3,3] #9a3b…` | a hash of type and content; cannot be parsed |
//! | `zeros f32[8]` | only parsed: zeros |
//! | `rand f32[8,8] seed=1` | only parsed: reproducible numbers |
//!
//! Nested graphs follow their node as `region "name" { … }`. A fused kernel is
//! `fused Core(inputs) {attributes} with (what the body reads)`, without a core `fused with (…)`, and its body follows as
//! a region.

mod lex;
mod literal;
mod parse;
mod print;

pub use literal::{INLINE_ELEMENTS, content_hash};
pub use parse::{parse, parse_in};
pub use print::{print, print_graph};
