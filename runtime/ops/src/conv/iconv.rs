//! `IConv`.

use super::{conv_, window};
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param};
use qcc_tensor::{DType, Tensor, TensorType};

/// Integer convolution: `acc = bias + sum (x - x_zero)(w - w_zero)` modulo 2^32, exact where it fits; padding contributes zero.
pub static OP: OpDef = OpDef {
    name: "IConv",
    domain: "qcc",
    doc: "Integer convolution of codes of 8 or 16 bits with weights of 8 bits into 32-bit accumulators.",
    inputs: &[
        Param::one("x"),
        Param::one("w"),
        Param::optional("x_zero_point"),
        Param::optional("w_zero_point"),
        Param::optional("bias"),
    ],
    outputs: &[Param::one("acc")],
    attrs: conv_::ATTRS,
    elementwise: false,
    infer,
    eval,
    macs: conv_::macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let shape = conv_::infer_shape(a, 4)?;
    check_codes(a, INPUTS)?;
    Ok(vec![TensorType { dtype: DType::I32, shape }])
}

/// Types of the codes that integer cores multiply with weights of 8 bits.
pub(crate) const INPUTS: &[DType] = &[DType::U8, DType::I8, DType::I16];

/// Codes of 8 bits.
pub(crate) const BYTES: &[DType] = &[DType::U8, DType::I8];

/// Checks types of codes, zero-points and bias; the first input may have one of the types `first`. Shared with `IMatMul`.
pub(crate) fn check_codes(a: &InferArgs<'_>, first: &[DType]) -> Result<(), OpError> {
    for i in 0..2 {
        let codes = a.ty(i)?;
        if !(if i == 0 { first } else { BYTES }).contains(&codes.dtype) {
            return Err(OpError::invalid(format!("operand {i} must be codes, got {codes}")));
        }
        if let Some(z) = a.opt_ty(i + 2)
            && (z.dtype != codes.dtype || (i == 0 && z.elements() != 1))
        {
            return Err(OpError::invalid(format!("the zero-point of {codes} is {z}")));
        }
    }
    if let Some(b) = a.opt_ty(4)
        && b.dtype != DType::I32
    {
        return Err(OpError::invalid(format!("the bias of an integer core must be i32, got {b}")));
    }
    Ok(())
}

/// Codes as i32.
pub(crate) fn codes(t: &Tensor) -> Vec<i32> {
    match t.dtype() {
        DType::I8 => t.slice::<i8>().iter().map(|&v| i32::from(v)).collect(),
        DType::I16 => t.slice::<i16>().iter().map(|&v| i32::from(v)).collect(),
        _ => t.bytes().iter().map(|&v| i32::from(v)).collect(),
    }
}

/// Zero-points as i32, one per output channel.
pub(crate) fn zero_points(t: Option<&Tensor>, count: usize) -> Result<Vec<i32>, OpError> {
    let Some(t) = t else { return Ok(vec![0; count]) };
    let z = codes(t);
    match z.len() {
        1 => Ok(vec![z[0]; count]),
        n if n == count => Ok(z),
        n => Err(OpError::invalid(format!("{n} zero-points for {count} channels"))),
    }
}

/// Reference evaluation; shared with `ConvInteger`.
pub(crate) fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, w) = (a.input(0)?, a.input(1)?);
    let last = window::channels_last(a.attrs);
    let (batch, _, spatial) = window::split(x.shape(), last);
    let geometry = window::Window::read(a.attrs, w.shape()[2..].to_vec())?;
    let shape = window::join(batch, w.shape()[0], &geometry.outputs(spatial, false)?, last);
    let xz = zero_points(a.opt(2), 1)?[0];
    let wz = zero_points(a.opt(3), w.shape()[0])?;
    let bias = a.opt(4).map(|b| b.slice::<i32>());
    let xs: Vec<i32> = codes(x).into_iter().map(|v| v - xz).collect();
    let ws = codes(w);
    let mut failed = Ok(());
    let y = Tensor::build::<i32>(shape, |y| {
        failed = conv_::convolve(
            (&xs, x.shape()),
            (&ws, w.shape()),
            a.attrs,
            |o| bias.map_or(0, |b| b[o]),
            |acc: i32, x, w, o| acc.wrapping_add(x.wrapping_mul(w - wz[o])),
            |i, acc| y[i] = acc,
        );
    });
    failed.map(|()| vec![y])
}
