//! `QuantizeLinear`.

use super::grid;
use crate::elementwise::cast::overflow;
use crate::elementwise::convert::{Rounding, convert};
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// `y = saturate(round_half_even(x / s) + z)`.
///
/// The division is a true division in the scale's type; the quotient is clamped before rounding and rounded before the
/// zero-point is added; NaN gives the lowest code.
pub static OP: OpDef = OpDef {
    name: "QuantizeLinear",
    domain: "",
    doc: "Values to codes: saturate(round_half_even(x / scale) + zero_point).",
    inputs: &[Param::one("x"), Param::one("y_scale"), Param::optional("y_zero_point")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("axis", AttrKind::Int, Default::Int(1)),
        AttrDef::new("block_size", AttrKind::Int, Default::Int(0)),
        AttrDef::new("output_dtype", AttrKind::Type, Default::Computed),
        AttrDef::new("precision", AttrKind::Int, Default::Int(0)),
        AttrDef::new("saturate", AttrKind::Int, Default::Int(1)),
    ],
    elementwise: true,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, scale) = (a.ty(0)?.clone(), a.ty(1)?.clone());
    if !scale.dtype.is_float() || (x.dtype != scale.dtype && !x.dtype.is_float()) {
        return Err(OpError::invalid(format!("{x} cannot be quantized with a scale of type {}", scale.dtype)));
    }
    let dtype = match (a.opt_ty(2), a.attrs.dtype("output_dtype")) {
        (Some(zp), Some(d)) if zp.dtype != d => {
            return Err(OpError::invalid(format!("output_dtype is {d}, the zero-point is {}", zp.dtype)));
        }
        (Some(zp), _) => {
            if zp.shape != scale.shape && zp.elements() != 1 {
                return Err(OpError::invalid(format!("the scale is {scale}, the zero-point {zp}")));
            }
            zp.dtype
        }
        (None, Some(d)) => d,
        (None, None) => DType::U8,
    };
    grid::check_codes(dtype)?;
    // The precision of the scale's type is the default.
    match (a.attrs.int("precision").unwrap_or(0), scale.dtype) {
        (0, _) => {}
        (1, DType::F32) | (10, DType::F16) | (11, DType::F64) | (16, DType::BF16) => {
            a.attrs.set("precision", crate::AttrValue::Int(0));
        }
        (1 | 10 | 11 | 16, _) => {}
        (other, _) => return Err(OpError::invalid(format!("precision {other} is no float type"))),
    }
    a.attrs.set("output_dtype", crate::AttrValue::Type(dtype));
    grid::canonical_axis(a, &x, &scale)?;
    Ok(vec![TensorType { dtype, shape: x.shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, scale) = (a.input(0)?, a.input(1)?);
    let dtype = a.attrs.dtype("output_dtype").unwrap_or(DType::U8);
    let places = grid::Places::new(x.shape(), scale, a.attrs);
    let zero = grid::zeros(a.opt(2), places.count());
    let scales = scale.to_f64_vec();
    let precision = match a.attrs.int("precision") {
        Some(1) => DType::F32,
        Some(10) => DType::F16,
        Some(11) => DType::F64,
        Some(16) => DType::BF16,
        _ => scale.dtype(),
    };
    // In f32 the quotient is rounded to f32, as the division instruction does.
    let divide = |v: f64, s: f64| match precision {
        DType::F32 => f64::from(v as f32 / s as f32),
        other => grid::rounded(other, v / s),
    };
    let mut values = x.to_f64_vec();
    let shape = || x.shape().iter().copied();
    if dtype.is_small_float() {
        places.each(x.elements(), |i, c| values[i] = divide(values[i], scales[c]) + zero[c]);
        let sums = Tensor::from_f64(DType::F64, shape(), &values);
        return Ok(vec![convert(&sums, dtype, overflow(a.attrs), Rounding::Nearest)?]);
    }
    let (lo, hi) = dtype.int_range().unwrap_or((0, 0));
    let (lo, hi) = (lo as f64, hi as f64);
    places.each(x.elements(), |i, c| {
        let (q, z) = (divide(values[i], scales[c]), zero[c]);
        values[i] = if q.is_nan() { lo } else { q.clamp(lo - z, hi - z).round_ties_even() + z };
    });
    Ok(vec![Tensor::from_f64(dtype, shape(), &values)])
}
