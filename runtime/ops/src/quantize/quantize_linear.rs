//! `QuantizeLinear`.

use super::grid;
use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Element, Tensor, TensorType};

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
    grid::code_range(dtype)?;
    a.attrs.set("output_dtype", crate::AttrValue::Type(dtype));
    grid::canonical_axis(a, &x, &scale)?;
    Ok(vec![TensorType { dtype, shape: x.shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, scale) = (a.input(0)?, a.input(1)?);
    let dtype = a.attrs.dtype("output_dtype").unwrap_or(DType::U8);
    let (lo, hi) = grid::code_range(dtype)?;
    let (channels, inner) = grid::channels(x.shape(), scale, a.attrs.int("axis").unwrap_or(0));
    let zero = grid::zero_points(a.opt(2), channels)?;
    let scales = scale.to_f64_vec();
    let single = scale.dtype() != DType::F64;
    let quantize = |i: usize, v: f64| {
        let c = if channels == 1 { 0 } else { i / inner % channels };
        let z = zero[c] as f64;
        // In f32 the quotient is rounded to f32, as the division instruction does.
        let q = if single { f64::from(v as f32 / scales[c] as f32) } else { v / scales[c] };
        if q.is_nan() { lo } else { q.clamp(lo - z, hi - z).round_ties_even() + z }
    };
    dispatch!(ints dtype, T => {
        let codes = dispatch!(floats x.dtype(), F => {
            Ok(x.slice::<F>().iter().enumerate().map(|(i, v)| quantize(i, v.to_f64()) as T).collect())
        }, "QuantizeLinear")?;
        Ok(vec![Tensor::new::<T>(x.shape().iter().copied(), codes)])
    }, "QuantizeLinear")
}
