//! `DequantizeLinear`.

use super::grid;
use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Element, Tensor, TensorType};

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
    if !matches!(x.dtype, DType::I8 | DType::U8 | DType::I16 | DType::U16 | DType::I32) || !scale.dtype.is_float() {
        return Err(OpError::invalid(format!(
            "codes must be 8-, 16- or 32-bit integers and scales floats, got {x}, {scale}"
        )));
    }
    if let Some(zp) = a.opt_ty(2)
        && (zp.dtype != x.dtype || (zp.shape != scale.shape && zp.elements() != 1))
    {
        return Err(OpError::invalid(format!("the zero-point of {x} with scale {scale} is {zp}")));
    }
    let dtype = a.attrs.dtype("output_dtype").unwrap_or(scale.dtype);
    a.attrs.set("output_dtype", crate::AttrValue::Type(dtype));
    grid::canonical_axis(a, &x, &scale)?;
    Ok(vec![TensorType { dtype, shape: x.shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, scale) = (a.input(0)?, a.input(1)?);
    let (channels, inner) = grid::channels(x.shape(), scale, a.attrs.int("axis").unwrap_or(0));
    let zero = grid::zero_points(a.opt(2), channels)?;
    let scales = scale.to_f64_vec();
    let single = scale.dtype() != DType::F64;
    let dtype = a.attrs.dtype("output_dtype").unwrap_or(scale.dtype());
    let value = |i: usize, q: i64| {
        let c = if channels == 1 { 0 } else { i / inner % channels };
        let d = q - zero[c];
        if single { f64::from(d as f32 * scales[c] as f32) } else { d as f64 * scales[c] }
    };
    dispatch!(ints x.dtype(), Q => {
        let codes = x.slice::<Q>();
        dispatch!(floats dtype, F => {
            let y = codes.iter().enumerate().map(|(i, &q)| F::from_f64(value(i, q as i64))).collect();
            Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
        }, "DequantizeLinear")
    }, "DequantizeLinear")
}
