//! What the instructions of an operation need beside its operands.

use qcc_kernel::{BinOp, Lane, Op, Ty, UnOp, Value, Width};

use super::linear::Linear;

/// Registers an operation takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Vector registers it changes on the way.
    pub temporaries: usize,
    /// Whether the result is written before every operand has been read.
    pub early: bool,
}

/// The shape of an operation.
pub fn shape(line: &Linear<'_>, op: &Op) -> Shape {
    let lane = |v: &Value| match line.kernel.types[v.0 as usize] {
        Ty::Vec(lane) => Some(lane),
        Ty::Index => None,
    };
    let wide = line.kernel.width == Width::V256;
    let (temporaries, early) = match op {
        Op::Load { bytes, addr, .. } if wide && *bytes < 16 => (usize::from(addr.high.is_some()), false),
        Op::Broadcast32 { addr, .. } => (usize::from(addr.high.is_some_and(|h| h != 0)), false),
        Op::Binary { op: BinOp::Ge, a, .. } if lane(a) != Some(Lane::F32) => (1, false),
        Op::Select { .. } => (1, false),
        Op::Dot4 { .. } => (3, false),
        Op::Shuffle { .. } => (1, false),
        Op::Lookup8 { .. } => (6, true),
        Op::Lookup32 { .. } => (2, true),
        Op::Unary { op: UnOp::SwapHalves, .. } => (0, false),
        _ => (0, false),
    };
    Shape { temporaries, early }
}
