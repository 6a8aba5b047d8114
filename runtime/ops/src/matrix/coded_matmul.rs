//! `CodedMatMul`.

use super::{matmul, product};
use crate::quantize::grid;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param};
use qcc_tensor::{DType, Tensor, TensorType};

/// Product of floats with weights that are codes of at most 8 bits: `MatMul(a, DequantizeLinear(b, b_scale, b_zero_point))`, with
/// its `axis` and `block_size`. Every weight is rounded to single precision, sums are rounded once.
pub static OP: OpDef = OpDef {
    name: "CodedMatMul",
    domain: "qcc",
    doc: "Matrix product of floats with weights that are stored as codes of at most 8 bits.",
    inputs: &[Param::one("a"), Param::one("b"), Param::one("b_scale"), Param::optional("b_zero_point")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("axis", AttrKind::Int, Default::Int(1)),
        AttrDef::new("block_size", AttrKind::Int, Default::Int(0)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: matmul::macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, codes, scale) = (a.ty(0)?.clone(), a.ty(1)?.clone(), a.ty(2)?.clone());
    let small = codes.dtype.is_small_int() || matches!(codes.dtype, DType::I8 | DType::U8);
    if x.dtype != DType::F32 || scale.dtype != DType::F32 || !small || codes.rank() != 2 {
        return Err(OpError::invalid(format!(
            "floats are multiplied with a matrix of codes of at most 8 bits that has float scales, got {x}, {codes}, {scale}"
        )));
    }
    if let Some(zero) = a.opt_ty(3)
        && (zero.dtype != codes.dtype || (zero.shape != scale.shape && zero.elements() != 1))
    {
        return Err(OpError::invalid(format!("the zero-point of {codes} with scale {scale} is {zero}")));
    }
    grid::canonical_axis(a, &codes, &scale)?;
    Ok(vec![TensorType { dtype: DType::F32, shape: product::geometry(&x.shape, &codes.shape)?.shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, codes, scale) = (a.input(0)?, a.input(1)?, a.input(2)?);
    let p = product::geometry(x.shape(), codes.shape())?;
    let places = grid::Places::new(codes.shape(), scale, a.attrs);
    let (scales, zeros) = (scale.slice::<f32>(), grid::zeros(a.opt(3), places.count()));
    let codes = codes.to_f64_vec();
    let mut weights = vec![0.0f32; codes.len()];
    places.each(codes.len(), |i, place| weights[i] = (codes[i] - zeros[place]) as f32 * scales[place]);
    Ok(vec![Tensor::build::<f32>(p.shape.clone(), |out| {
        p.multiply(
            x.slice::<f32>(),
            &weights,
            |_| 0.0,
            |acc: f64, l, r, _| acc + f64::from(l) * f64::from(r),
            |i, acc| out[i] = acc as f32,
        );
    })])
}
