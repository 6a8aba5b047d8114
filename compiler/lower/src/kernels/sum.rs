//! Sums of elements over pixels in registers: codes into I16 partial sums that cannot overflow, those into I32; floats
//! into partial sums of the same length, which also keeps their rounding errors small.

use qcc_kernel::{Addr, BinOp, KernelBuilder, Lane, UnOp, VL, Value};

use super::layout::Elem;

/// Most codes an I16 lane can sum: 128 * 255 < 2^15.
pub const PARTIAL: usize = 128;

/// The largest magnitude of a sum of `code - zero_point` over a rectangle of codes; infinite for floats.
pub fn largest(elem: Elem, zero_point: i32, [rows, columns]: [usize; 2]) -> f64 {
    let distance = |(lo, hi): (i32, i32)| f64::from((hi - zero_point).max(zero_point - lo));
    elem.code_range().map_or(f64::INFINITY, |range| distance(range) * (rows * columns) as f64)
}

/// Vectors of partial sums for `count` channels.
pub fn vectors(elem: Elem, count: usize) -> usize {
    count.div_ceil(if elem == Elem::F32 { 4 } else { 8 })
}

/// The elements of `count` channels from `addr` on, as terms of a partial sum.
pub fn terms(b: &mut KernelBuilder, elem: Elem, addr: Addr, count: usize) -> Vec<Value> {
    (0..vectors(elem, count))
        .map(|i| match elem {
            Elem::U8 => b.load_widen_u(Lane::I8, addr.plus(8 * i as i64)),
            Elem::I8 => b.load_widen_s(Lane::I8, addr.plus(8 * i as i64)),
            Elem::I32 | Elem::F32 => b.load(Lane::F32, VL, addr.plus((VL * i) as i64)),
        })
        .collect()
}

/// Lane by lane `a + b`.
pub fn add(b: &mut KernelBuilder, sums: &[Value], terms: &[Value]) -> Vec<Value> {
    sums.iter().zip(terms).map(|(&s, &t)| b.binary(BinOp::Add, s, t)).collect()
}

/// Partial sums of no terms.
pub fn zeros(b: &mut KernelBuilder, elem: Elem, count: usize) -> Vec<Value> {
    let zero = if elem == Elem::F32 { b.splat_f32(0.0) } else { b.splat_i16(0) };
    vec![zero; vectors(elem, count)]
}

/// Partial sums as vectors of four I32 or F32 lanes.
pub fn widened(b: &mut KernelBuilder, elem: Elem, partial: &[Value], count: usize) -> Vec<Value> {
    if elem == Elem::F32 {
        return partial.to_vec();
    }
    (0..count.div_ceil(4))
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
