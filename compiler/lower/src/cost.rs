//! Predicted time of steps.

use qcc_kernel::Width;

use crate::kernels::conv::Target;

/// Multiply-accumulates a nanosecond of dense int8 kernels on one thread by pairs of 16-bit products, in registers of 128
/// bits.
const INT8_MACS_PER_NS: f64 = 19.0;

/// The same in registers of 256 bits.
const WIDE_INT8_MACS_PER_NS: f64 = 66.0;

/// The same by dot products of four bytes, at 4 GHz.
const DOT4_MACS_PER_NS: f64 = 100.0;

/// How much slower a depthwise int8 kernel is: its inputs are not reused between channels.
const DEPTHWISE_FACTOR: f64 = 3.0;

/// How much faster a dense int8 kernel is that computes tiles of 2x2 outputs: at most 2.25 times.
const TILED_FACTOR: f64 = 1.8;

/// Multiply-accumulates a nanosecond of float products on one thread.
const FLOAT_MACS_PER_NS: f64 = 18.0;

/// Bytes a nanosecond read or written by a kernel.
const BYTES_PER_NS: f64 = 8.0;

/// Elements a nanosecond of reference evaluation: it is written for clarity.
const REFERENCE_ELEMENTS_PER_NS: f64 = 0.02;

/// Nanoseconds a step costs even if it does nothing.
const LAUNCH_NS: f64 = 150.0;

/// Predicted nanoseconds of an integer or float kernel.
pub fn kernel_ns(macs: u64, bytes: usize, arithmetic: Arithmetic) -> f64 {
    let int8 = |target: Target| match target.width {
        _ if target.dot4 => DOT4_MACS_PER_NS,
        Width::V128 => INT8_MACS_PER_NS,
        Width::V256 => WIDE_INT8_MACS_PER_NS,
    };
    let rate = match arithmetic {
        Arithmetic::Int8(target) => int8(target),
        Arithmetic::DepthwiseInt8(target) => int8(target) / DEPTHWISE_FACTOR,
        Arithmetic::TiledInt8(target) => int8(Target { dot4: false, ..target }) * TILED_FACTOR,
        Arithmetic::Float => FLOAT_MACS_PER_NS,
    };
    LAUNCH_NS + (macs as f64 / rate).max(bytes as f64 / BYTES_PER_NS)
}

/// Predicted nanoseconds of a reference evaluation.
pub fn reference_ns(macs: u64, elements: usize) -> f64 {
    LAUNCH_NS + (macs as f64 + elements as f64) / REFERENCE_ELEMENTS_PER_NS
}

/// What a kernel multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// 8-bit codes into 32 bits.
    Int8(Target),
    /// 8-bit codes into 32 bits, every channel on its own.
    DepthwiseInt8(Target),
    /// 8-bit codes into 32 bits, in tiles of 2x2 outputs.
    TiledInt8(Target),
    /// Single precision.
    Float,
}
