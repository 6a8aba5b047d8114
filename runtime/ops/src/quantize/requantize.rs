//! `Requantize`.

use super::grid;
use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// `y = saturate(round_half_even(f32(x) * m) + z)`: an accumulator (or a value in f32) to codes, with the product in f32
/// (f64 if `m` is).
pub static OP: OpDef = OpDef {
    name: "Requantize",
    domain: "qcc",
    doc: "Accumulators or values to codes: saturate(round_half_even(x * multiplier) + zero_point).",
    inputs: &[Param::one("x"), Param::one("multiplier"), Param::optional("zero_point")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("axis", AttrKind::Int, Default::Int(1)),
        AttrDef::new("dtype", AttrKind::Type, Default::Computed),
    ],
    elementwise: true,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, m) = (a.ty(0)?.clone(), a.ty(1)?.clone());
    if !matches!(x.dtype, DType::I32 | DType::F32) || !m.dtype.is_float() {
        return Err(OpError::invalid(format!("expected i32 or f32 values and a float multiplier, got {x}, {m}")));
    }
    let dtype = match (a.opt_ty(2), a.attrs.dtype("dtype")) {
        (Some(z), _) if z.elements() != 1 => return Err(OpError::unsupported("zero-points along an axis")),
        (Some(z), Some(d)) if z.dtype != d => {
            return Err(OpError::invalid(format!("dtype {d}, zero-point {}", z.dtype)));
        }
        (Some(z), _) => z.dtype,
        (None, d) => d.unwrap_or(DType::U8),
    };
    grid::code_range(dtype)?;
    a.attrs.set("dtype", crate::AttrValue::Type(dtype));
    grid::canonical_axis(a, &x, &m)?;
    Ok(vec![TensorType { dtype, shape: x.shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, m) = (a.input(0)?, a.input(1)?);
    let dtype = a.attrs.dtype("dtype").unwrap_or(DType::U8);
    let (lo, hi) = grid::code_range(dtype)?;
    let (channels, inner) = grid::channels(x.shape(), m, a.attrs.int("axis").unwrap_or(0));
    let z = grid::zero_points(a.opt(2), 1)?[0] as f64;
    let single = m.dtype() != DType::F64;
    let m = m.to_f64_vec();
    let code = |i: usize, acc: f64| {
        let c = if channels == 1 { 0 } else { i / inner % channels };
        let v = if single { f64::from(acc as f32 * m[c] as f32) } else { acc * m[c] };
        if v.is_nan() { lo } else { v.clamp(lo - z, hi - z).round_ties_even() + z }
    };
    dispatch!(ints dtype, T => {
        let y = match x.dtype() {
            DType::F32 => x.slice::<f32>().iter().enumerate().map(|(i, &v)| code(i, f64::from(v)) as T).collect(),
            _ => x.slice::<i32>().iter().enumerate().map(|(i, &acc)| code(i, f64::from(acc)) as T).collect(),
        };
        Ok(vec![Tensor::new::<T>(x.shape().iter().copied(), y)])
    }, "Requantize")
}
