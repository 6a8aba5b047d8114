//! Codes and values: quantization, dequantization, requantization, tables.

pub(crate) mod acc;
pub(crate) mod approximate;
pub(crate) mod codes;
pub(crate) mod dequantize_linear;
pub(crate) mod dynamic_grid;
pub(crate) mod dynamic_quantize_linear;
pub(crate) mod flip;
pub(crate) mod fused;
pub(crate) mod grid;
pub(crate) mod lookup;
pub(crate) mod quantize_linear;
pub(crate) mod requantize;
