//! Predicted time of steps.

/// Multiply-accumulates a nanosecond of int8 kernels on one thread, see the measurements in `kernels/conv.rs`.
const INT8_MACS_PER_NS: f64 = 16.0;

/// Multiply-accumulates a nanosecond of float products on one thread.
const FLOAT_MACS_PER_NS: f64 = 14.0;

/// Bytes a nanosecond read or written by a kernel.
const BYTES_PER_NS: f64 = 8.0;

/// Elements a nanosecond of reference evaluation: it is written for clarity.
const REFERENCE_ELEMENTS_PER_NS: f64 = 0.02;

/// Nanoseconds a step costs even if it does nothing.
const LAUNCH_NS: f64 = 150.0;

/// Predicted nanoseconds of an integer or float kernel.
pub fn kernel_ns(macs: u64, bytes: usize, float: Arithmetic) -> f64 {
    let rate = match float {
        Arithmetic::Int8 => INT8_MACS_PER_NS,
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
    Int8,
    /// Single precision.
    Float,
}
