//! What kernels cost: one set of formulas, by which extraction chooses and lowering predicts.
//!
//! An operator is [`Work`]: how many units of each kind it takes, by its types and attributes alone. A [`Machine`] says what
//! a unit takes, and [`CostModel`] is both with what rule files say about operators.

mod machine;
mod model;
mod node;
mod work;

pub use machine::Machine;
pub use model::{CostModel, FloatProduct, Operand, extremes, filled, is_core, is_view, moved, quantized, reference};
pub use node::{NodeWork, repeats};
pub use work::{Unit, Work};
