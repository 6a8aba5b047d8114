//! The operations: what each computes, what it takes and what type it returns.
//!
//! A register has one or two halves of 16 bytes ([`crate::Width`]), and what is said of a register here holds for each
//! half by itself: its low lanes, a shuffle within it, a load from its own address. Only [`UnOp::SwapHalves`] moves
//! anything from one half to the other. Every operation is pure except through memory; floating point is single precision, round to nearest even,
//! contracted only where an operation says so. The payload of a NaN is unspecified.

use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

use crate::types::{Addr, Lane, Ty, VL, Value};

/// Arithmetic on index scalars. Division is exact integer division of non-negative numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IndexOp {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`, unsigned
    Div,
    /// `a % b`, unsigned
    Rem,
    /// The smaller, signed
    Min,
    /// The larger, signed
    Max,
}

/// Operations on one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UnOp {
    /// Low half of the lanes, sign-extended to twice the width.
    WidenLowS,
    /// Low half of the lanes, zero-extended to twice the width.
    WidenLowU,
    /// High half of the lanes, sign-extended to twice the width.
    WidenHighS,
    /// High half of the lanes, zero-extended to twice the width.
    WidenHighU,
    /// I16 -> I32: adjacent signed lanes added.
    PairSum,
    /// i32 to f32, round half to even.
    ToF32,
    /// f32 to i32, round half to even. NaN and values outside i32 give `i32::MIN`; clamp before rounding.
    RoundToI32,
    /// f32 to i32 toward zero. NaN and values outside i32 give `i32::MIN`.
    TruncToI32,
    /// Negation (F32: flips the sign bit; integers: wraps).
    Neg,
    /// Absolute value (F32: clears the sign bit; integers: wraps).
    Abs,
    /// Square root, correctly rounded.
    Sqrt,
    /// Largest integer not above, as f32.
    Floor,
    /// Smallest integer not below, as f32.
    Ceil,
    /// Nearest integer, ties to even, as f32.
    Nearest,
    /// All bits flipped.
    Not,
    /// The low half of a wide register in the high half and the other way round. Wide kernels only.
    SwapHalves,
    /// The same bits seen as other lanes.
    Bitcast(Lane),
}

/// Operations on two vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BinOp {
    /// Wrapping (integers) or rounded (F32) sum.
    Add,
    /// Wrapping or rounded difference.
    Sub,
    /// Low half of the product (I16, I32) or rounded product (F32).
    Mul,
    /// F32 quotient, correctly rounded.
    Div,
    /// Integers: signed minimum. F32: `a < b ? a : b`, so a NaN in `a` gives `b`.
    Min,
    /// Integers: signed maximum. F32: `a > b ? a : b`, so a NaN in `a` gives `b`.
    Max,
    /// Unsigned minimum (integers).
    MinU,
    /// Unsigned maximum (integers).
    MaxU,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// I16 x I16 -> I32: products of signed lanes, adjacent pairs added (`pmaddwd`).
    Madd16,
    /// I8 x I8 -> I16: products of unsigned `a` and signed `b`, adjacent pairs added with signed saturation (`pmaddubsw`).
    /// Only for pairs proven not to saturate.
    MaddUbs,
    /// Lanes of `a` then of `b`, narrowed with signed saturation.
    NarrowS,
    /// Lanes of `a` then of `b` (signed), narrowed with unsigned saturation.
    NarrowU,
    /// All ones where equal (F32: ordered equal).
    Eq,
    /// All ones where `a > b`, signed (F32: ordered).
    Gt,
    /// All ones where `a >= b`, signed (F32: ordered).
    Ge,
    /// Low halves of `a` and `b` interleaved lane by lane.
    InterleaveLow,
    /// High halves of `a` and `b` interleaved lane by lane.
    InterleaveHigh,
}

/// Shifts of every lane by the same constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ShiftOp {
    /// Left.
    Left,
    /// Right, zeros come in.
    RightU,
    /// Right, the sign comes in.
    RightS,
}

/// One operation with its operands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "operand fields are named by the formula in each variant's documentation")]
pub enum Op {
    /// A scalar constant.
    IndexConst(i64),
    /// `a op b` on scalars.
    Index { op: IndexOp, a: Value, b: Value },
    /// `a op imm` on scalars. Divisors are positive.
    IndexImm { op: IndexOp, a: Value, imm: i64 },
    /// A signed scalar of 1, 2, 4 or 8 bytes in memory, promised to lie in `lo..=hi`. A backend takes a number outside as
    /// `hi`: addresses rely on the promise, and memory may hold anything. The interpreter stops there.
    IndexLoad { addr: Addr, bytes: u8, lo: i64, hi: i64 },
    /// 1, 2, 4, 8 or 16 bytes of memory in the low bytes of a register, the rest zero.
    Load { lane: Lane, bytes: u8, addr: Addr },
    /// Eight bytes of memory as lanes `from`, extended to twice the width.
    LoadWiden { from: Lane, signed: bool, addr: Addr },
    /// Four bytes of memory repeated through the register.
    Broadcast32 { lane: Lane, addr: Addr },
    /// The 32 bits repeated through the register.
    Splat { lane: Lane, bits: u32 },
    /// A constant register.
    Constant { lane: Lane, bytes: [u8; VL] },
    /// The low 32 bits of a scalar in every I32 lane.
    SplatIndex { a: Value },
    /// `op a`
    Unary { op: UnOp, a: Value },
    /// `a op b`
    Binary { op: BinOp, a: Value, b: Value },
    /// `a` shifted by `bits` (I16, I32).
    Shift { op: ShiftOp, a: Value, bits: u8 },
    /// `mask & a | !mask & b`; the mask has integer lanes of the same width.
    Select { mask: Value, a: Value, b: Value },
    /// I32 `acc` + four products of unsigned `a` and signed `b` bytes a lane, exact.
    Dot4 { acc: Value, a: Value, b: Value },
    /// F32 `acc + a * b`, rounded once.
    MulAdd { acc: Value, a: Value, b: Value },
    /// 32-bit lane `lane` of `a` in every lane (I32, F32).
    BroadcastLane { a: Value, lane: u8 },
    /// Bytes picked from `a` (0..16) and `b` (16..32).
    Shuffle { a: Value, b: Value, bytes: [u8; VL] },
    /// For each byte `x` of the register, the byte at `table + x`.
    Lookup8 { table: Addr, a: Value },
    /// For each I32 lane `x` in `0..limit`, the 32-bit word at `table + 4 * x`. A backend takes a lane outside as the last.
    Lookup32 { lane: Lane, table: Addr, limit: u32, a: Value },
}

impl Op {
    /// The values the operation reads, addresses included.
    pub fn operands(&self) -> SmallVec<[Value; 4]> {
        let of = |addr: &Addr| addr.index.into_iter().collect();
        match self {
            Op::IndexConst(_) | Op::Splat { .. } | Op::Constant { .. } => smallvec![],
            Op::Index { a, b, .. } | Op::Binary { a, b, .. } | Op::Shuffle { a, b, .. } => smallvec![*a, *b],
            Op::IndexImm { a, .. }
            | Op::SplatIndex { a }
            | Op::Unary { a, .. }
            | Op::Shift { a, .. }
            | Op::BroadcastLane { a, .. } => smallvec![*a],
            Op::IndexLoad { addr, .. }
            | Op::Load { addr, .. }
            | Op::LoadWiden { addr, .. }
            | Op::Broadcast32 { addr, .. } => of(addr),
            Op::Select { mask, a, b } => smallvec![*mask, *a, *b],
            Op::Dot4 { acc, a, b } | Op::MulAdd { acc, a, b } => smallvec![*acc, *a, *b],
            Op::Lookup8 { table, a } | Op::Lookup32 { table, a, .. } => {
                let mut all: SmallVec<[Value; 4]> = of(table);
                all.push(*a);
                all
            }
        }
    }

    /// The address read and the bytes from it, if the operation reads memory.
    pub fn reads(&self) -> Option<(Addr, usize)> {
        match self {
            Op::IndexLoad { addr, bytes, .. } | Op::Load { addr, bytes, .. } => Some((*addr, *bytes as usize)),
            Op::LoadWiden { addr, .. } => Some((*addr, VL / 2)),
            Op::Broadcast32 { addr, .. } => Some((*addr, 4)),
            Op::Lookup8 { table, .. } => Some((*table, 256)),
            Op::Lookup32 { table, limit, .. } => Some((*table, *limit as usize * 4)),
            _ => None,
        }
    }

    /// The type of the result, or what is wrong with the operands. `ty` gives the type of an operand.
    pub fn result(&self, ty: impl Fn(Value) -> Ty) -> Result<Ty, String> {
        for v in self.reads().into_iter().filter_map(|(addr, _)| addr.index) {
            index(ty(v))?;
        }
        match self {
            Op::IndexConst(_) | Op::IndexLoad { .. } => Ok(Ty::Index),
            Op::Index { a, b, .. } => index(ty(*a)).and(index(ty(*b))),
            Op::IndexImm { op, a, imm } => match op {
                IndexOp::Div | IndexOp::Rem if *imm <= 0 => Err(format!("divisor {imm} is not positive")),
                _ => index(ty(*a)),
            },
            Op::Load { lane, bytes, .. } => match bytes {
                1 | 2 | 4 | 8 | 16 => Ok(Ty::Vec(*lane)),
                _ => Err(format!("no load of {bytes} bytes")),
            },
            Op::LoadWiden { from, .. } => {
                from.widened().map(Ty::Vec).ok_or_else(|| format!("{from:?} has no wider lane"))
            }
            Op::Broadcast32 { lane, .. } | Op::Splat { lane, .. } | Op::Constant { lane, .. } => Ok(Ty::Vec(*lane)),
            Op::SplatIndex { a } => index(ty(*a)).map(|_| Ty::Vec(Lane::I32)),
            Op::Unary { op, a } => unary(*op, vector(ty(*a))?).map(Ty::Vec),
            Op::Binary { op, a, b } => binary(*op, vector(ty(*a))?, vector(ty(*b))?).map(Ty::Vec),
            Op::Shift { a, bits, .. } => match vector(ty(*a))? {
                lane @ (Lane::I16 | Lane::I32) if (*bits as usize) < 8 * lane.bytes() => Ok(Ty::Vec(lane)),
                lane => Err(format!("no shift of {lane:?} by {bits}")),
            },
            Op::Select { mask, a, b } => {
                let (m, x, y) = (vector(ty(*mask))?, vector(ty(*a))?, vector(ty(*b))?);
                if x == y && m != Lane::F32 && m.bytes() == x.bytes() {
                    Ok(Ty::Vec(x))
                } else {
                    Err(format!("select of {x:?} and {y:?} by {m:?}"))
                }
            }
            Op::Dot4 { acc, a, b } => match (vector(ty(*acc))?, vector(ty(*a))?, vector(ty(*b))?) {
                (Lane::I32, Lane::I8, Lane::I8) => Ok(Ty::Vec(Lane::I32)),
                other => Err(format!("dot4 of {other:?}")),
            },
            Op::MulAdd { acc, a, b } => match (vector(ty(*acc))?, vector(ty(*a))?, vector(ty(*b))?) {
                (Lane::F32, Lane::F32, Lane::F32) => Ok(Ty::Vec(Lane::F32)),
                other => Err(format!("multiply-add of {other:?}")),
            },
            Op::BroadcastLane { a, lane } => match vector(ty(*a))? {
                l @ (Lane::I32 | Lane::F32) if *lane < 4 => Ok(Ty::Vec(l)),
                l => Err(format!("no broadcast of lane {lane} of {l:?}")),
            },
            Op::Shuffle { a, b, bytes } => {
                let (x, y) = (vector(ty(*a))?, vector(ty(*b))?);
                if x == y && bytes.iter().all(|&i| i < 32) {
                    Ok(Ty::Vec(x))
                } else {
                    Err(format!("shuffle of {x:?} and {y:?} by {bytes:?}"))
                }
            }
            Op::Lookup8 { a, .. } => match vector(ty(*a))? {
                Lane::I8 => Ok(Ty::Vec(Lane::I8)),
                l => Err(format!("byte lookup by {l:?}")),
            },
            Op::Lookup32 { lane, a, .. } => match (vector(ty(*a))?, lane) {
                (Lane::I32, Lane::I32 | Lane::F32) => Ok(Ty::Vec(*lane)),
                (l, _) => Err(format!("lookup of {lane:?} by {l:?}")),
            },
        }
    }
}

fn index(ty: Ty) -> Result<Ty, String> {
    match ty {
        Ty::Index => Ok(ty),
        Ty::Vec(lane) => Err(format!("a scalar is needed, not {lane:?}")),
    }
}

fn vector(ty: Ty) -> Result<Lane, String> {
    match ty {
        Ty::Vec(lane) => Ok(lane),
        Ty::Index => Err("a vector is needed, not a scalar".into()),
    }
}

fn unary(op: UnOp, a: Lane) -> Result<Lane, String> {
    use UnOp::*;
    match (op, a) {
        (WidenLowS | WidenLowU | WidenHighS | WidenHighU, _) => {
            a.widened().ok_or_else(|| format!("{a:?} has no wider lane"))
        }
        (PairSum, Lane::I16) => Ok(Lane::I32),
        (ToF32, Lane::I32) => Ok(Lane::F32),
        (RoundToI32 | TruncToI32, Lane::F32) => Ok(Lane::I32),
        (Neg | Abs, _) => Ok(a),
        (Sqrt | Floor | Ceil | Nearest, Lane::F32) => Ok(a),
        (Not, Lane::I8 | Lane::I16 | Lane::I32) => Ok(a),
        (SwapHalves, _) => Ok(a),
        (Bitcast(to), _) => Ok(to),
        _ => Err(format!("no {op:?} of {a:?}")),
    }
}

fn binary(op: BinOp, a: Lane, b: Lane) -> Result<Lane, String> {
    use BinOp::*;
    let wrong = || Err(format!("no {op:?} of {a:?} and {b:?}"));
    if a != b {
        return wrong();
    }
    match (op, a) {
        (Add | Sub | Min | Max | InterleaveLow | InterleaveHigh, _) => Ok(a),
        (Mul, Lane::I16 | Lane::I32 | Lane::F32) => Ok(a),
        (Div, Lane::F32) => Ok(a),
        (MinU | MaxU | And | Or | Xor, Lane::I8 | Lane::I16 | Lane::I32) => Ok(a),
        (Madd16, Lane::I16) => Ok(Lane::I32),
        (MaddUbs, Lane::I8) => Ok(Lane::I16),
        (NarrowS | NarrowU, _) => a.narrowed().map_or_else(wrong, Ok),
        (Eq | Gt | Ge, Lane::F32) => Ok(Lane::I32),
        (Eq | Gt | Ge, _) => Ok(a),
        _ => wrong(),
    }
}
