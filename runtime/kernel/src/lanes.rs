//! The meaning of every vector operation, lane by lane, on the sixteen plain bytes of one half of a register. The
//! interpreter is built on it.

use crate::op::{BinOp, ShiftOp, UnOp};
use crate::types::{Lane, VL};

/// Contents of one half of a vector register.
pub type Reg = [u8; VL];

/// `op a`, with lanes `lane`.
pub fn unary(op: UnOp, lane: Lane, a: Reg) -> Reg {
    use UnOp::*;
    match op {
        WidenLowS => widen(lane, true, a, 0),
        WidenLowU => widen(lane, false, a, 0),
        WidenHighS => widen(lane, true, a, lane.count() / 2),
        WidenHighU => widen(lane, false, a, lane.count() / 2),
        PairSum => ints(Lane::I32, |i| int(Lane::I16, a, 2 * i) + int(Lane::I16, a, 2 * i + 1)),
        ToF32 => floats(|i| int(Lane::I32, a, i) as i32 as f32),
        RoundToI32 => ints(Lane::I32, |i| to_i32(float(a, i).round_ties_even())),
        TruncToI32 => ints(Lane::I32, |i| to_i32(float(a, i).trunc())),
        Neg if lane == Lane::F32 => floats(|i| -float(a, i)),
        Neg => ints(lane, |i| -int(lane, a, i)),
        Abs if lane == Lane::F32 => floats(|i| float(a, i).abs()),
        Abs => ints(lane, |i| int(lane, a, i).abs()),
        Sqrt => floats(|i| float(a, i).sqrt()),
        Floor => floats(|i| float(a, i).floor()),
        Ceil => floats(|i| float(a, i).ceil()),
        Nearest => floats(|i| float(a, i).round_ties_even()),
        Not => a.map(|x| !x),
        // Halves trade places where both are at hand.
        Bitcast(_) | SwapHalves => a,
    }
}

/// `a op b`, with lanes `lane`.
pub fn binary(op: BinOp, lane: Lane, a: Reg, b: Reg) -> Reg {
    use BinOp::*;
    let f = lane == Lane::F32;
    match op {
        Add if f => floats(|i| float(a, i) + float(b, i)),
        Sub if f => floats(|i| float(a, i) - float(b, i)),
        Mul if f => floats(|i| float(a, i) * float(b, i)),
        Div => floats(|i| float(a, i) / float(b, i)),
        Min if f => floats(|i| if float(a, i) < float(b, i) { float(a, i) } else { float(b, i) }),
        Max if f => floats(|i| if float(a, i) > float(b, i) { float(a, i) } else { float(b, i) }),
        Eq if f => ints(Lane::I32, |i| -i64::from(float(a, i) == float(b, i))),
        Gt if f => ints(Lane::I32, |i| -i64::from(float(a, i) > float(b, i))),
        Ge if f => ints(Lane::I32, |i| -i64::from(float(a, i) >= float(b, i))),
        Add => ints(lane, |i| int(lane, a, i) + int(lane, b, i)),
        Sub => ints(lane, |i| int(lane, a, i) - int(lane, b, i)),
        Mul => ints(lane, |i| int(lane, a, i) * int(lane, b, i)),
        Min => ints(lane, |i| int(lane, a, i).min(int(lane, b, i))),
        Max => ints(lane, |i| int(lane, a, i).max(int(lane, b, i))),
        MinU => ints(lane, |i| uint(lane, a, i).min(uint(lane, b, i))),
        MaxU => ints(lane, |i| uint(lane, a, i).max(uint(lane, b, i))),
        Eq => ints(lane, |i| -i64::from(int(lane, a, i) == int(lane, b, i))),
        Gt => ints(lane, |i| -i64::from(int(lane, a, i) > int(lane, b, i))),
        Ge => ints(lane, |i| -i64::from(int(lane, a, i) >= int(lane, b, i))),
        And => std::array::from_fn(|i| a[i] & b[i]),
        Or => std::array::from_fn(|i| a[i] | b[i]),
        Xor => std::array::from_fn(|i| a[i] ^ b[i]),
        Madd16 => ints(Lane::I32, |i| {
            let product = |j| int(Lane::I16, a, j) * int(Lane::I16, b, j);
            product(2 * i) + product(2 * i + 1)
        }),
        MaddUbs => ints(Lane::I16, |i| {
            let product = |j: usize| i64::from(a[j]) * i64::from(b[j] as i8);
            saturate(product(2 * i) + product(2 * i + 1), Lane::I16, true)
        }),
        NarrowS => narrow(lane, true, a, b),
        NarrowU => narrow(lane, false, a, b),
        InterleaveLow => interleave(lane, a, b, 0),
        InterleaveHigh => interleave(lane, a, b, lane.count() / 2),
    }
}

/// Every lane shifted by `bits`.
pub fn shift(op: ShiftOp, lane: Lane, a: Reg, bits: u8) -> Reg {
    ints(lane, |i| match op {
        ShiftOp::Left => int(lane, a, i) << bits,
        ShiftOp::RightU => uint(lane, a, i) >> bits,
        ShiftOp::RightS => int(lane, a, i) >> bits,
    })
}

/// `mask & a | !mask & b`
pub fn select(mask: Reg, a: Reg, b: Reg) -> Reg {
    std::array::from_fn(|i| mask[i] & a[i] | !mask[i] & b[i])
}

/// `acc` + four products of unsigned `a` and signed `b` bytes a lane.
pub fn dot4(acc: Reg, a: Reg, b: Reg) -> Reg {
    ints(Lane::I32, |i| {
        let dot: i64 = (4 * i..4 * i + 4).map(|j| i64::from(a[j]) * i64::from(b[j] as i8)).sum();
        int(Lane::I32, acc, i) + dot
    })
}

/// `acc + a * b` of floats, rounded once.
pub fn mul_add(acc: Reg, a: Reg, b: Reg) -> Reg {
    floats(|i| float(a, i).mul_add(float(b, i), float(acc, i)))
}

/// Bytes picked from `a` then `b`.
pub fn shuffle(a: Reg, b: Reg, bytes: &[u8; VL]) -> Reg {
    bytes.map(|i| if (i as usize) < VL { a[i as usize] } else { b[i as usize - VL] })
}

/// 32 bits in every 32-bit lane.
pub fn splat(bits: u32) -> Reg {
    let word = bits.to_le_bytes();
    std::array::from_fn(|i| word[i % 4])
}

/// `half` bytes of lanes `from`, extended to twice the width.
pub fn widen(from: Lane, signed: bool, a: Reg, first: usize) -> Reg {
    let to = from.widened().unwrap_or(from);
    ints(to, |i| if signed { int(from, a, first + i) } else { uint(from, a, first + i) })
}

/// Signed lane `i`.
pub fn int(lane: Lane, a: Reg, i: usize) -> i64 {
    let n = lane.bytes();
    let mut word = [if a[(i + 1) * n - 1] & 0x80 != 0 { 0xff } else { 0 }; 8];
    word[..n].copy_from_slice(&a[i * n..(i + 1) * n]);
    i64::from_le_bytes(word)
}

fn uint(lane: Lane, a: Reg, i: usize) -> i64 {
    let n = lane.bytes();
    let mut word = [0; 8];
    word[..n].copy_from_slice(&a[i * n..(i + 1) * n]);
    i64::from_le_bytes(word)
}

fn float(a: Reg, i: usize) -> f32 {
    f32::from_bits(uint(Lane::F32, a, i) as u32)
}

fn ints(lane: Lane, f: impl Fn(usize) -> i64) -> Reg {
    let n = lane.bytes();
    let mut out = [0; VL];
    for i in 0..lane.count() {
        out[i * n..(i + 1) * n].copy_from_slice(&f(i).to_le_bytes()[..n]);
    }
    out
}

fn floats(f: impl Fn(usize) -> f32) -> Reg {
    ints(Lane::F32, |i| i64::from(f(i).to_bits()))
}

/// What the hardware's truncating conversion gives: the integer, or `i32::MIN` where there is none.
fn to_i32(x: f32) -> i64 {
    if (-2147483648.0..2147483648.0).contains(&x) { x as i64 } else { i64::from(i32::MIN) }
}

fn saturate(x: i64, lane: Lane, signed: bool) -> i64 {
    let bits = 8 * lane.bytes() as u32;
    if signed { x.clamp(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { x.clamp(0, (1 << bits) - 1) }
}

fn narrow(from: Lane, signed: bool, a: Reg, b: Reg) -> Reg {
    let to = from.narrowed().unwrap_or(from);
    ints(to, |i| {
        let n = from.count();
        let x = if i < n { int(from, a, i) } else { int(from, b, i - n) };
        saturate(x, to, signed)
    })
}

fn interleave(lane: Lane, a: Reg, b: Reg, first: usize) -> Reg {
    ints(lane, |i| int(lane, if i % 2 == 0 { a } else { b }, first + i / 2))
}
