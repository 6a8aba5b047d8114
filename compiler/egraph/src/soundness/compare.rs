//! Whether two results are as near to each other as a contract promises.
//!
//! `@exact` is bit for bit, except that all NaNs are one. The other contracts allow what rounding explains, and the bound is
//! derived from the graphs at hand: both sides are evaluated again with every computed float moved by a few units in the last
//! place. How far the results move is what rounding can do to them; a difference beyond a small multiple of that is an error of
//! the rule. Codes may be the promised number of steps apart only where the movement changes codes, which is at rounding ties.

use qcc_dsl::Contract;
use qcc_tensor::{DType, Tensor};

/// Nudged evaluations before a difference counts as unexplained.
pub(crate) const NUDGES: u64 = 24;

/// A difference may be so many times as large as the largest observed movement.
const SAFETY: f64 = 4.0;

/// A difference of one element.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// Position in row-major order.
    pub(crate) element: usize,
    /// Value of the left side.
    pub(crate) left: f64,
    /// Value of the right side.
    pub(crate) right: f64,
    /// How far apart they may be.
    pub(crate) allowed: f64,
}

/// The first element whose bits differ.
pub(crate) fn bits(left: &Tensor, right: &Tensor) -> Option<Difference> {
    if left == right {
        return None;
    }
    let (l, r) = (left.to_f64_vec(), right.to_f64_vec());
    let exact = left.to_i64_vec().zip(right.to_i64_vec());
    let same = |i: usize| match &exact {
        Some((a, b)) => a[i] == b[i],
        None => (l[i].to_bits() == r[i].to_bits()) || (l[i].is_nan() && r[i].is_nan()),
    };
    let element = (0..l.len()).find(|&i| !same(i))?;
    Some(Difference { element, left: l[element], right: r[element], allowed: 0.0 })
}

/// How far the elements of a result move.
#[derive(Debug, Clone)]
pub(crate) struct Movement {
    base: Vec<f64>,
    most: Vec<f64>,
}

impl Movement {
    /// None yet.
    pub(crate) fn new(base: &Tensor) -> Self {
        let base = base.to_f64_vec();
        Self { most: vec![0.0; base.len()], base }
    }

    /// Takes another evaluation into account.
    pub(crate) fn add(&mut self, other: &Tensor) {
        for ((most, base), v) in self.most.iter_mut().zip(&self.base).zip(other.to_f64_vec()) {
            let moved = (v - base).abs();
            *most = if moved.is_nan() { *most } else { most.max(moved) };
        }
    }
}

/// The first element that differs by more than a contract allows.
pub(crate) fn beyond(
    contract: &Contract,
    left: &Tensor,
    right: &Tensor,
    moved: (&Movement, &Movement),
) -> Option<Difference> {
    let (l, r) = (left.to_f64_vec(), right.to_f64_vec());
    let largest = l.iter().filter(|v| v.is_finite()).fold(0.0f64, |m, v| m.max(v.abs()));
    for element in 0..l.len() {
        let movement = moved.0.most[element] + moved.1.most[element];
        let allowed = match contract {
            Contract::Real { ulp: Some(n) } => (f64::from(*n) * unit(left.dtype()) * largest).max(SAFETY * movement),
            Contract::Lsb(n) if !left.dtype().is_float() && movement > 0.0 => f64::from(*n).max(SAFETY * movement),
            _ => SAFETY * movement,
        };
        let apart = (l[element] - r[element]).abs();
        let same = l[element] == r[element] || (l[element].is_nan() && r[element].is_nan());
        if !same && (apart.is_nan() || apart > allowed) {
            return Some(Difference { element, left: l[element], right: r[element], allowed });
        }
    }
    None
}

fn unit(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON,
        DType::F16 => 9.8e-4,
        DType::BF16 => 7.9e-3,
        _ => f64::from(f32::EPSILON),
    }
}
