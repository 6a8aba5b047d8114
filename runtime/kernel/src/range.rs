//! Ranges of scalars: what bounds checking knows of an address before the kernel runs.
//!
//! Scalars wrap at 64 bits. A range therefore is only told where nothing can have wrapped: a sum or product with an end
//! that is not known, or beyond [`LIMIT`], is not known at all.

use crate::op::{IndexOp, Op};
use crate::types::Value;

/// The numbers `lo..=hi`; an end at plus or minus [`LIMIT`] means that nothing is known on that side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Lowest.
    pub lo: i64,
    /// Highest.
    pub hi: i64,
}

/// Beyond any address: sums of two such numbers still fit.
pub const LIMIT: i64 = 1 << 60;

impl Range {
    /// Nothing known.
    pub const FULL: Range = Range { lo: -LIMIT, hi: LIMIT };

    /// No number at all.
    const EMPTY: Range = Range { lo: 1, hi: 0 };

    /// One number.
    pub fn exactly(number: i64) -> Range {
        Range::between(number, number)
    }

    /// The range of the scalar `op` computes.
    pub fn of(op: &Op, range: impl Fn(Value) -> Range) -> Range {
        match op {
            Op::IndexConst(v) => Range::exactly(*v),
            Op::Index { op, a, b } => Range::arith(*op, range(*a), range(*b)),
            Op::IndexImm { op, a, imm } => Range::arith(*op, range(*a), Range::exactly(*imm)),
            Op::IndexLoad { lo, hi, .. } => Range::between(*lo, *hi),
            _ => Range::FULL,
        }
    }

    /// Whether both ends are known.
    pub fn is_known(self) -> bool {
        self.lo > -LIMIT && self.hi < LIMIT
    }

    /// Whether no number is in the range: the code that sees it never runs.
    pub fn is_empty(self) -> bool {
        self.lo > self.hi
    }

    /// Every number moved by `by`.
    pub fn plus(self, by: i64) -> Range {
        self.add(Range::exactly(by))
    }

    /// Sums.
    pub fn add(self, other: Range) -> Range {
        if self.is_empty() || other.is_empty() {
            return Range::EMPTY;
        }
        if !self.is_known() || !other.is_known() {
            return Range::FULL;
        }
        Range::between(self.lo + other.lo, self.hi + other.hi)
    }

    /// Every number multiplied by `by`.
    pub fn times(self, by: i64) -> Range {
        if self.is_empty() {
            return Range::EMPTY;
        }
        if !self.is_known() {
            return Range::FULL;
        }
        match (self.lo.checked_mul(by), self.hi.checked_mul(by)) {
            (Some(a), Some(b)) => Range::between(a.min(b), a.max(b)),
            _ => Range::FULL,
        }
    }

    /// The numbers of both.
    pub fn union(self, other: Range) -> Range {
        if self.is_empty() || other.is_empty() {
            return if self.is_empty() { other } else { self };
        }
        Range { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// The numbers below `bound`.
    pub fn below(self, bound: i64) -> Range {
        Range { lo: self.lo, hi: self.hi.min(bound.saturating_sub(1)) }
    }

    /// The numbers from `bound` on.
    pub fn at_least(self, bound: i64) -> Range {
        Range { lo: self.lo.max(bound), hi: self.hi }
    }

    /// Every number below zero replaced by zero.
    pub fn or_zero(self) -> Range {
        if self.is_empty() { self } else { Range { lo: self.lo.max(0), hi: self.hi.max(0) } }
    }

    fn arith(op: IndexOp, a: Range, b: Range) -> Range {
        if a.is_empty() || b.is_empty() {
            return Range::EMPTY;
        }
        match op {
            IndexOp::Add => a.add(b),
            IndexOp::Sub => a.add(b.times(-1)),
            IndexOp::Mul if b.lo == b.hi && b.is_known() => a.times(b.lo),
            IndexOp::Mul if a.lo == a.hi && a.is_known() => b.times(a.lo),
            IndexOp::Div if a.lo >= 0 && a.is_known() && b.lo == b.hi && b.lo > 0 => {
                Range { lo: a.lo / b.lo, hi: a.hi / b.lo }
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

    /// The range with these ends, or nothing known if one is beyond what can be told.
    fn between(lo: i64, hi: i64) -> Range {
        let range = Range { lo, hi };
        if range.is_known() && lo < LIMIT && hi > -LIMIT { range } else { Range::FULL }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_wrapped_is_not_known() {
        let large = Range::exactly(LIMIT - 1);
        assert_eq!(large.plus(1), Range::FULL);
        assert_eq!(Range::exactly(1 << 40).times(1 << 40), Range::FULL);
        assert_eq!(Range::exactly(i64::MIN), Range::FULL);
        // At least zero, and then one more: at the top of 64 bits that is below zero.
        let from_zero = Range { lo: 0, hi: LIMIT };
        assert_eq!(from_zero.plus(1), Range::FULL);
        assert_eq!(from_zero.below(10).plus(1), Range { lo: 1, hi: 10 });
    }

    #[test]
    fn code_that_never_runs_stays_so() {
        let never = Range::exactly(3).at_least(4);
        assert!(
            never.is_empty() && never.plus(7).is_empty() && never.times(-2).is_empty() && never.or_zero().is_empty()
        );
    }
}
