//! What stands in the tensors of a case.

use super::draw::mix;
use qcc_tensor::{DType, Tensor, TensorType};

/// Which values a tensor may hold, given by the input it is meant for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// Anything.
    Any,
    /// Numbers above zero (variances).
    Positive,
    /// Scales of quantization: positive, finite and far from the limits of the element type, so that products of a code and a scale
    /// are finite; powers of two and short decimals among them.
    Scale,
    /// These numbers, repeated as often as needed.
    List(Vec<f64>),
    /// Positions along an axis of this size, negative ones count from the end.
    Index(usize),
}

/// How wild the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Ones.
    Ones,
    /// 1, 2, 3 …
    Count,
    /// Small integers and halves.
    Small,
    /// Fractions in (-3, 3).
    Usual,
    /// Fractions of magnitudes from a thousandth to a thousand.
    Spread,
    /// Usual ones, and among them zeros, signed zeros, denormals, infinities, NaN, and the limits of the type.
    Special,
}

/// Styles in the order of decisions; the first is the simplest.
pub(crate) const STYLES: [Style; 8] = [
    Style::Ones,
    Style::Count,
    Style::Usual,
    Style::Special,
    Style::Small,
    Style::Usual,
    Style::Spread,
    Style::Special,
];

/// A tensor of a type.
pub(crate) fn fill(ty: &TensorType, content: &Content, style: Style, seed: u64) -> Tensor {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(state)
    };
    // The whole tensor is one number now and then: per-tensor parameters written per channel, saturated activations.
    let same = next().is_multiple_of(8);
    let mut data = Vec::with_capacity(ty.elements());
    for i in 0..ty.elements() {
        let value = match content {
            Content::List(items) => items.get(i % items.len().max(1)).copied().unwrap_or(0.0),
            Content::Index(size) => index(*size, style, i, next()),
            Content::Scale => scale(style, i, next(), ty.dtype),
            Content::Positive => any(style, i, next(), next(), DType::F32).abs().clamp(1e-3, 1e3),
            Content::Any => any(style, i, next(), next(), ty.dtype),
        };
        data.push(if same && i > 0 && !matches!(content, Content::List(_)) { data[0] } else { value });
    }
    let exact = ty.dtype.size() == 8 && ty.dtype.is_int();
    if exact && let Some(wide) = wide(ty, &data) {
        wide
    } else {
        Tensor::from_f64(ty.dtype, ty.shape.iter().copied(), &data)
    }
}

/// 64-bit integers beyond what a double holds are kept inside the type's range.
fn wide(ty: &TensorType, data: &[f64]) -> Option<Tensor> {
    let shape = || ty.shape.iter().copied();
    match ty.dtype {
        DType::I64 => Some(Tensor::new(shape(), data.iter().map(|&v| v as i64).collect())),
        DType::U64 => Some(Tensor::new(shape(), data.iter().map(|&v| v as u64).collect())),
        _ => None,
    }
}

fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

fn index(size: usize, style: Style, i: usize, bits: u64) -> f64 {
    let size = size.max(1) as u64;
    match style {
        Style::Ones => 0.0,
        Style::Count => (i as u64 % size) as f64,
        _ => (bits % (2 * size)) as f64 - size as f64,
    }
}

fn scale(style: Style, i: usize, bits: u64, dtype: DType) -> f64 {
    // Half precision holds products of scales and 8-bit codes only for scales that are neither tiny nor large.
    let narrow = dtype == DType::F16;
    match (style, bits % 4) {
        (Style::Ones, _) => 1.0,
        (Style::Count, _) => 1.0 / (1 << (i % 4)) as f64,
        (Style::Special, 0) if !narrow => (2.0f64).powi((mix(bits) % 40) as i32 - 24),
        (_, 0) => (2.0f64).powi((mix(bits) % 7) as i32 - 5),
        // Quotients of short decimals are short: results lie half-way between two codes, and on either side of it after rounding.
        (_, 1 | 2) => ((mix(bits) % 9) + 1) as f64 * if (bits >> 8).is_multiple_of(2) { 0.1 } else { 0.01 },
        _ => 0.003 + unit(mix(bits)) * if (bits >> 8).is_multiple_of(2) { 0.1 } else { 1.5 },
    }
}

fn any(style: Style, i: usize, bits: u64, more: u64, dtype: DType) -> f64 {
    if dtype == DType::Bool {
        return if style == Style::Ones { 1.0 } else { (bits % 2) as f64 };
    }
    if let Some((lo, hi)) = dtype.int_range() {
        let (lo, hi) = (lo as f64, hi as f64);
        let span = if dtype.size() <= 2 { hi - lo } else { 2000.0 };
        let from = if dtype.size() <= 2 || lo == 0.0 { lo } else { -1000.0 };
        return match style {
            Style::Ones => 1.0,
            Style::Count => ((i % 100) + 1) as f64,
            Style::Small => (bits % 9) as f64 + if lo < 0.0 { -4.0 } else { 0.0 },
            Style::Special if more.is_multiple_of(3) => [lo, hi, 0.0, lo + 1.0, hi - 1.0][(bits % 5) as usize],
            Style::Special if more % 3 == 1 => (lo + unit(bits) * (hi - lo)).round(),
            _ => from + (unit(bits) * (span + 1.0)).floor(),
        };
    }
    let usual = unit(bits) * 6.0 - 3.0;
    match style {
        Style::Ones => 1.0,
        Style::Count => (i + 1) as f64,
        Style::Small => ((bits % 17) as f64 - 8.0) * 0.5,
        Style::Usual => usual,
        Style::Spread => usual * (10.0f64).powi((more % 7) as i32 - 3),
        Style::Special if more.is_multiple_of(2) => special(dtype, bits),
        Style::Special => usual,
    }
}

fn special(dtype: DType, bits: u64) -> f64 {
    let (tiny, least, most) = match dtype {
        DType::F64 => (f64::from_bits(1), f64::MIN_POSITIVE, f64::MAX),
        DType::F16 => (6e-8, 6.2e-5, 65504.0),
        DType::BF16 => (1e-40, f64::from(f32::MIN_POSITIVE), 3.38e38),
        _ => (f64::from(f32::from_bits(1)), f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)),
    };
    let values = [
        0.0,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        tiny,
        -tiny,
        least,
        most,
        -most,
        0.5,
        1.5,
        2.5,
        -0.5,
        1.0,
        -1.0,
    ];
    values[(bits % values.len() as u64) as usize]
}
