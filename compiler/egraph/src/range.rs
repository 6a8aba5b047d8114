//! Intervals that contain every element of a value.

use qcc_ops::Op;
use qcc_tensor::{DType, Tensor};

/// A closed interval; infinite where nothing is known. NaN elements are not covered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    /// Lower bound.
    pub(crate) lo: f64,
    /// Upper bound.
    pub(crate) hi: f64,
}

/// Constants of more elements than that are not searched for their bounds, unless they are bytes: scales and limits are, and
/// codes of weights.
const BOUND_ELEMENTS: usize = 4096;

impl Range {
    /// What an element type can hold.
    pub(crate) fn of_type(dtype: DType) -> Self {
        match dtype.int_range() {
            Some((lo, hi)) => Self { lo: lo as f64, hi: hi as f64 },
            None if dtype == DType::Bool => Self { lo: 0.0, hi: 1.0 },
            None => Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY },
        }
    }

    /// Bounds of a constant.
    pub(crate) fn of_tensor(tensor: &Tensor) -> Self {
        if tensor.elements() == 0 || tensor.elements() > BOUND_ELEMENTS && tensor.dtype().size() > 1 {
            return Self::of_type(tensor.dtype());
        }
        let values = tensor.to_f64_vec();
        if values.iter().any(|v| v.is_nan()) {
            return Self::of_type(tensor.dtype());
        }
        let lo = values.iter().copied().fold(f64::INFINITY, f64::min);
        let hi = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { lo, hi }
    }

    /// The common part; the first interval where there is none, which rounding can cause.
    pub(crate) fn intersect(self, other: Self) -> Self {
        let both = Self { lo: self.lo.max(other.lo), hi: self.hi.min(other.hi) };
        if both.lo <= both.hi { both } else { self }
    }

    /// The smallest interval that contains both.
    pub(crate) fn hull(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { lo: f(self.lo), hi: f(self.hi) }
    }

    fn finite(self) -> bool {
        self.lo.is_finite() && self.hi.is_finite()
    }

    fn products(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let corners = [f(self.lo, other.lo), f(self.lo, other.hi), f(self.hi, other.lo), f(self.hi, other.hi)];
        Self {
            lo: corners.iter().copied().fold(f64::INFINITY, f64::min),
            hi: corners.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// Bounds of a call's result from the bounds of its inputs (`None` for absent ones).
pub(crate) fn of_call(op: Op, inputs: &[Option<Range>], result: DType) -> Range {
    let whole = Range::of_type(result);
    let at = |i: usize| inputs.get(i).copied().flatten();
    let Some(x) = at(0) else { return whole };
    let computed = match op.name {
        "Relu" => x.map(|v| v.max(0.0)),
        "Clip" => {
            let low = at(1).unwrap_or(Range { lo: f64::NEG_INFINITY, hi: f64::NEG_INFINITY });
            let high = at(2).unwrap_or(Range { lo: f64::INFINITY, hi: f64::INFINITY });
            Range { lo: x.lo.max(low.lo).min(high.lo), hi: x.hi.max(low.hi).min(high.hi) }
        }
        "Sigmoid" | "HardSigmoid" | "Softmax" => Range { lo: 0.0, hi: 1.0 },
        "Tanh" | "Erf" | "Sin" | "Cos" | "Sign" => Range { lo: -1.0, hi: 1.0 },
        "Exp" | "Softplus" | "Sqrt" => Range { lo: 0.0, hi: f64::INFINITY },
        "Abs" => Range { lo: 0.0, hi: x.lo.abs().max(x.hi.abs()) },
        "Neg" => Range { lo: -x.hi, hi: -x.lo },
        "Add" => at(1).map_or(whole, |y| Range { lo: x.lo + y.lo, hi: x.hi + y.hi }),
        "Sub" => at(1).map_or(whole, |y| Range { lo: x.lo - y.hi, hi: x.hi - y.lo }),
        "Mul" => match at(1) {
            Some(y) if x.finite() && y.finite() => x.products(y, |a, b| a * b),
            Some(y) if x.lo >= 0.0 && y.lo >= 0.0 => Range { lo: 0.0, hi: f64::INFINITY },
            _ => whole,
        },
        "Div" => match at(1) {
            Some(y) if x.finite() && y.finite() && (y.lo > 0.0 || y.hi < 0.0) => x.products(y, |a, b| a / b),
            Some(y) if x.lo >= 0.0 && y.lo > 0.0 => Range { lo: 0.0, hi: f64::INFINITY },
            _ => whole,
        },
        "Min" | "Max" => {
            let pick = if op.name == "Min" { f64::min } else { f64::max };
            inputs.iter().flatten().skip(1).fold(x, |a, b| Range { lo: pick(a.lo, b.lo), hi: pick(a.hi, b.hi) })
        }
        "QuantizeLinear" => quantized(x, at(1), at(2), whole, |v, s| v / s),
        "Requantize" => quantized(x, at(1), at(2), whole, |v, m| v * m),
        "DequantizeLinear" => match at(1) {
            Some(s) if s.lo > 0.0 && s.hi.is_finite() => {
                let z = at(2).unwrap_or(Range { lo: 0.0, hi: 0.0 });
                Range { lo: x.lo - z.hi, hi: x.hi - z.lo }.products(s, |a, b| a * b)
            }
            _ => whole,
        },
        "Lookup" => at(1).unwrap_or(whole),
        "Flip" => x.map(|v| if result.is_unsigned() { v + 128.0 } else { v - 128.0 }),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Transpose" | "Slice" | "Gather" | "GatherElements"
        | "GatherND" | "Expand" | "Tile" | "Identity" | "Split" | "MaxPool" | "GlobalMaxPool" | "GlobalAveragePool"
        | "ReduceMax" | "ReduceMin" | "ReduceMean" => x,
        "AveragePool" => x.hull(Range { lo: 0.0, hi: 0.0 }),
        "Concat" => inputs.iter().flatten().skip(1).fold(x, |a, b| a.hull(*b)),
        _ => whole,
    };
    // Quotients of integers are cut toward zero.
    let computed = if op.name == "Div" && result.is_int() { computed.map(f64::trunc) } else { computed };
    // Integers that leave their type wrap around to any other.
    let wraps = result.is_int() && (computed.lo < whole.lo || computed.hi > whole.hi);
    if wraps || computed.lo.is_nan() || computed.hi.is_nan() { whole } else { computed.intersect(whole) }
}

/// Codes of values in `x`; `scaled` brings a value to steps of the grid.
fn quantized(x: Range, s: Option<Range>, z: Option<Range>, whole: Range, scaled: impl Fn(f64, f64) -> f64) -> Range {
    let Some(s) = s.filter(|s| s.lo > 0.0 && s.hi.is_finite()) else { return whole };
    let z = z.unwrap_or(Range { lo: 0.0, hi: 0.0 });
    let steps = x.products(s, scaled);
    let code = |v: f64| v.clamp(whole.lo, whole.hi);
    Range { lo: code(steps.lo.round_ties_even() + z.lo), hi: code(steps.hi.round_ties_even() + z.hi) }
}
