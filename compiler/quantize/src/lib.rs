//! Post-training quantization: from a float graph and samples to the same graph with `QuantizeLinear` and
//! `DequantizeLinear` where values become codes.
//!
//! The graph is canonical: idioms are single operators, constants are folded, both by rules. [`Calibration`] measures its
//! values in one pass over the samples and chooses grids; [`Calibration::plan`] decides which edges carry codes
//! ([`flow`](Flow)) and quantizes weights; [`insert`] writes the plan into the graph. Which layers stay floats, corrections of
//! biases and the like are decided by the loss on samples ([`Expected::loss`]): nothing is kept that makes it worse.
//!
//! Results depend neither on the number of threads nor on the order in which samples finish. Memory does not depend on the
//! number of samples.

mod alternatives;
mod calibration;
mod candidates;
mod classes;
mod columns;
mod compare;
mod correct;
mod covariance;
mod error;
mod flow;
mod found_scales;
mod grid;
mod histogram;
mod insert;
mod keep;
mod lanes;
mod layers;
mod logits;
mod loss;
mod moments;
mod plan;
mod precision;
mod range;
mod rounding;
mod sensitivity;
mod smooth;
mod unmeasured;
mod weights;

pub use alternatives::{Alternatives, alternatives};
pub use calibration::{Calibration, Grids, check_finite, spread};
pub use compare::{Distance, LayerError, layer_errors};
pub use correct::correct_biases;
pub use error::QuantizeError;
pub use flow::{Class, Flow, value_name};
pub use grid::{Codes, Grid, GridKind};
pub use histogram::Histogram;
pub use insert::{insert, is_quantized};
pub use keep::Judge;
pub use lanes::{Runtime, Samples, Sessions};
pub use layers::Layer;
pub use loss::{Expected, Loss, Noise};
pub use moments::{Channel, Moments};
pub use plan::{Choice, Chosen, IntegerLayer, Plan};
pub use precision::{BLOCK, Precision};
pub use range::{Method, range};
pub use rounding::Rounding;
pub use sensitivity::{Sensitivity, measured, sensitivities};
pub use smooth::ChannelFactors;
pub use unmeasured::unmeasured_plan;
