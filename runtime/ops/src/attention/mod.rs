//! Attention in its forms, and what goes with it.

pub(crate) mod attention_;
pub(crate) mod causal_conv_with_state;
mod heads;
pub(crate) mod linear_attention;
pub(crate) mod rotary_embedding;
