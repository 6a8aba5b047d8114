//! Ranges of scalars: the static half of bounds checking.

use crate::op::{IndexOp, Op};
use crate::types::Value;

/// The numbers `lo..=hi`; an end at the limit of [`Range::FULL`] means that nothing is known on that side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Lowest.
    pub lo: i64,
    /// Highest.
    pub hi: i64,
}

/// Beyond any address: sums of two such numbers still fit.
const LIMIT: i64 = 1 << 60;

impl Range {
    /// Nothing known.
    pub const FULL: Range = Range { lo: -LIMIT, hi: LIMIT };

    /// The range of the scalar `op` computes.
    pub fn of(op: &Op, range: impl Fn(Value) -> Range) -> Range {
        match op {
            Op::IndexConst(v) => Range { lo: *v, hi: *v },
            Op::Index { op, a, b } => Range::arith(*op, range(*a), range(*b)),
            Op::IndexImm { op, a, imm } => Range::arith(*op, range(*a), Range { lo: *imm, hi: *imm }),
            Op::IndexLoad { lo, hi, .. } => Range { lo: *lo, hi: *hi },
            _ => Range::FULL,
        }
    }

    /// Whether the lower end is known.
    pub fn has_lo(self) -> bool {
        self.lo > -LIMIT
    }

    /// Whether the upper end is known.
    pub fn has_hi(self) -> bool {
        self.hi < LIMIT
    }

    /// Whether no number is in the range: the code that sees it never runs.
    pub fn is_empty(self) -> bool {
        self.lo > self.hi
    }

    /// Every number moved by `by`.
    pub fn plus(self, by: i64) -> Range {
        self.add(Range { lo: by, hi: by })
    }

    /// Sums.
    pub fn add(self, other: Range) -> Range {
        Range {
            lo: if self.has_lo() && other.has_lo() { self.lo + other.lo } else { -LIMIT },
            hi: if self.has_hi() && other.has_hi() { self.hi + other.hi } else { LIMIT },
        }
        .clip()
    }

    /// Every number multiplied by `by`.
    pub fn times(self, by: i64) -> Range {
        let scale = |x: i64| if x.abs() >= LIMIT { x } else { x.saturating_mul(by) };
        match by {
            0 => Range { lo: 0, hi: 0 },
            _ if by > 0 => Range { lo: scale(self.lo), hi: scale(self.hi) }.clip(),
            _ => {
                let flipped = self.times(-by);
                Range { lo: -flipped.hi, hi: -flipped.lo }
            }
        }
    }

    /// The numbers of both.
    pub fn union(self, other: Range) -> Range {
        Range { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// The numbers below `bound`.
    pub fn below(self, bound: i64) -> Range {
        Range { lo: self.lo, hi: self.hi.min(bound - 1) }
    }

    /// The numbers from `bound` on.
    pub fn at_least(self, bound: i64) -> Range {
        Range { lo: self.lo.max(bound), hi: self.hi }
    }

    /// Every number below zero replaced by zero.
    pub fn or_zero(self) -> Range {
        Range { lo: self.lo.max(0), hi: self.hi.max(0) }
    }

    fn arith(op: IndexOp, a: Range, b: Range) -> Range {
        match op {
            IndexOp::Add => a.add(b),
            IndexOp::Sub => a.add(b.times(-1)),
            IndexOp::Mul if b.lo == b.hi => a.times(b.lo),
            IndexOp::Mul if a.lo == a.hi => b.times(a.lo),
            IndexOp::Div if a.lo >= 0 && b.lo == b.hi && b.lo > 0 => {
                Range { lo: a.lo / b.lo, hi: if a.has_hi() { a.hi / b.lo } else { LIMIT } }
            }
            IndexOp::Rem if a.lo >= 0 && b.lo == b.hi && b.lo > 0 => {
                if a.hi < b.lo {
                    a
                } else {
                    Range { lo: 0, hi: b.lo - 1 }
                }
            }
            IndexOp::Min => Range { lo: a.lo.min(b.lo), hi: a.hi.min(b.hi) },
            IndexOp::Max => Range { lo: a.lo.max(b.lo), hi: a.hi.max(b.hi) },
            _ => Range::FULL,
        }
    }

    fn clip(self) -> Range {
        Range { lo: self.lo.clamp(-LIMIT, LIMIT), hi: self.hi.clamp(-LIMIT, LIMIT) }
    }
}
