//! `DequantizeLinear`.

use super::grid;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// `y = (x - z) * s` in the scale's type; an i32 input is an accumulator or a bias and has no zero-point.
pub static OP: OpDef = OpDef {
    name: "DequantizeLinear",
    domain: "",
    doc: "Codes to values: (x - zero_point) * scale.",
    inputs: &[Param::one("x"), Param::one("x_scale"), Param::optional("x_zero_point")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("axis", AttrKind::Int, Default::Int(1)),
        AttrDef::new("block_size", AttrKind::Int, Default::Int(0)),
        AttrDef::new("output_dtype", AttrKind::Type, Default::Computed),
    ],
    elementwise: true,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, scale) = (a.ty(0)?.clone(), a.ty(1)?.clone());
    let codes = x.dtype == DType::I32 || grid::check_codes(x.dtype).is_ok();
    if !codes || !scale.dtype.is_float() {
        return Err(OpError::invalid(format!(
            "codes must be integers of at most 32 bits or small floats, and scales floats, got {x}, {scale}"
        )));
    }
    if let Some(zp) = a.opt_ty(2)
        && (zp.dtype != x.dtype || (zp.shape != scale.shape && zp.elements() != 1))
    {
        return Err(OpError::invalid(format!("the zero-point of {x} with scale {scale} is {zp}")));
    }
    check_sums(&x, a.value(2))?;
    let dtype = a.attrs.dtype("output_dtype").unwrap_or(scale.dtype);
    a.attrs.set("output_dtype", crate::AttrValue::Type(dtype));
    grid::canonical_axis(a, &x, &scale)?;
    Ok(vec![TensorType { dtype, shape: x.shape }])
}

/// 32-bit codes are sums and biases; the zero-point that a file writes for them is zero.
fn check_sums(x: &TensorType, zero: Option<&Tensor>) -> Result<(), OpError> {
    match zero {
        Some(z) if x.dtype == DType::I32 && z.to_f64_vec().iter().any(|&v| v != 0.0) => {
            Err(OpError::invalid("codes of 32 bits have no zero-point, and this one is not zero"))
        }
        _ => Ok(()),
    }
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, scale) = (a.input(0)?, a.input(1)?);
    check_sums(x.ty(), a.opt(2))?;
    let places = grid::Places::new(x.shape(), scale, a.attrs);
    let zero = grid::zeros(a.opt(2), places.count());
    let scales = scale.to_f64_vec();
    let single = scale.dtype() != DType::F64;
    let dtype = a.attrs.dtype("output_dtype").unwrap_or(scale.dtype());
    let mut y = x.to_f64_vec();
    places.each(x.elements(), |i, c| {
        let d = y[i] - zero[c];
        y[i] = if single { f64::from(d as f32 * scales[c] as f32) } else { d * scales[c] };
    });
    Ok(vec![Tensor::from_f64(dtype, x.shape().iter().copied(), &y)])
}
