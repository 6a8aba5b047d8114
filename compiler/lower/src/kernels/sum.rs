//! Sums of elements over pixels in registers: codes into I16 partial sums that cannot overflow, those into I32; floats
//! into partial sums of the same length, which also keeps their rounding errors small.

use qcc_kernel::{Addr, BinOp, KernelBuilder, Lane, UnOp, VL, Value};

use super::layout::{Elem, TensorLayout};
use super::twin::Twin;

/// Most codes an I16 lane can sum: 128 * 255 < 2^15.
pub const PARTIAL: usize = 128;

/// The largest magnitude of a sum of `code - zero_point` over a rectangle of codes; infinite for floats.
pub fn largest(elem: Elem, zero_point: i32, [rows, columns]: [usize; 2]) -> f64 {
    let distance = |(lo, hi): (i32, i32)| f64::from((hi - zero_point).max(zero_point - lo));
    elem.code_range().map_or(f64::INFINITY, |range| distance(range) * (rows * columns) as f64)
}

/// The channels that are summed side by side.
#[derive(Clone, Copy, Debug)]
pub struct Channels<'l> {
    /// How the input lies.
    pub layout: &'l TensorLayout,
    /// How many.
    pub count: usize,
    /// What the high halves of registers hold.
    pub twin: Twin,
}

impl Channels<'_> {
    /// Registers of partial sums.
    fn vectors(self) -> usize {
        if self.layout.elem == Elem::F32 {
            self.twin.vectors(self.count)
        } else {
            self.twin.low(self.count).div_ceil(8)
        }
    }
}

/// The elements of the channels from `addr` on, as terms of a partial sum.
pub fn terms(b: &mut KernelBuilder, channels: Channels<'_>, addr: Addr) -> Vec<Value> {
    let (layout, twin) = (channels.layout, channels.twin);
    let codes = |i: usize| Addr { high: twin.codes(layout, true), ..addr.plus(8 * i as i64) };
    let numbers = |i: usize| Addr { high: twin.numbers(layout, true), ..addr.plus(twin.number_step() * i as i64) };
    (0..channels.vectors())
        .map(|i| match layout.elem {
            Elem::U8 => b.load_widen_u(Lane::I8, codes(i)),
            Elem::I8 => b.load_widen_s(Lane::I8, codes(i)),
            Elem::I16 | Elem::I32 | Elem::F32 => b.load(Lane::F32, VL, numbers(i)),
        })
        .collect()
}

/// Lane by lane `a + b`.
pub fn add(b: &mut KernelBuilder, sums: &[Value], terms: &[Value]) -> Vec<Value> {
    sums.iter().zip(terms).map(|(&s, &t)| b.binary(BinOp::Add, s, t)).collect()
}

/// Partial sums of no terms.
pub fn zeros(b: &mut KernelBuilder, channels: Channels<'_>) -> Vec<Value> {
    let zero = if channels.layout.elem == Elem::F32 { b.splat_f32(0.0) } else { b.splat_i16(0) };
    vec![zero; channels.vectors()]
}

/// Partial sums as vectors of I32 or F32 lanes.
pub fn widened(b: &mut KernelBuilder, channels: Channels<'_>, partial: &[Value]) -> Vec<Value> {
    if channels.layout.elem == Elem::F32 {
        return partial.to_vec();
    }
    (0..channels.twin.vectors(channels.count))
        .map(|v| b.unary(if v % 2 == 0 { UnOp::WidenLowS } else { UnOp::WidenHighS }, partial[v / 2]))
        .collect()
}

/// `sums - constant` for I32 sums.
pub fn less(b: &mut KernelBuilder, sums: Vec<Value>, constant: i32) -> Vec<Value> {
    if constant == 0 {
        return sums;
    }
    let constant = b.splat_i32(constant);
    sums.into_iter().map(|s| b.binary(BinOp::Sub, s, constant)).collect()
}
