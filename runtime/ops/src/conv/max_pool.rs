//! `MaxPool`.

use super::pool;
use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// The largest element of every window; padding never wins. Works on any number type.
pub static OP: OpDef = OpDef {
    name: "MaxPool",
    domain: "",
    doc: "Largest element of every window.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y"), Param::optional("indices")],
    attrs: &[
        AttrDef::new("auto_pad", AttrKind::Str, Default::Absent),
        AttrDef::new("ceil_mode", AttrKind::Int, Default::Int(0)),
        AttrDef::new("dilations", AttrKind::Ints, Default::Computed),
        AttrDef::new("kernel_shape", AttrKind::Ints, Default::Required),
        AttrDef::new("layout", AttrKind::Str, Default::Str("NCHW")),
        AttrDef::new("pads", AttrKind::Ints, Default::Computed),
        AttrDef::new("storage_order", AttrKind::Int, Default::Absent),
        AttrDef::new("strides", AttrKind::Ints, Default::Computed),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let shape = pool::infer_shape(a)?;
    if a.outputs > 1 && super::window::channels_last(a.attrs) {
        return Err(OpError::invalid("positions of maxima are counted with the channels first"));
    }
    let mut out =
        vec![TensorType { dtype: a.ty(0)?.dtype, shape: shape.clone() }, TensorType { dtype: DType::I64, shape }];
    out.truncate(a.outputs);
    Ok(out)
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    dispatch!(numbers x.dtype(), T => {
        let data = x.slice::<T>();
        let lowest = x.dtype().int_range().map_or(f64::NEG_INFINITY, |(lo, _)| lo as f64);
        let lowest = <T as qcc_tensor::Element>::from_f64(lowest);
        let mut out: Vec<(usize, T, usize)> = Vec::new();
        let shape = pool::each_window(x.ty(), a.attrs, |o, indices, _, _| {
            let first = indices.first().copied().unwrap_or(0);
            let better = |(m, at): (T, usize), i: usize| if data[i] > m { (data[i], i) } else { (m, at) };
            let (best, at) = indices.iter().fold((lowest, first), |m, &i| better(m, i));
            out.push((o, best, at));
        })?;
        let y = Tensor::build::<T>(shape.clone(), |y| out.iter().for_each(|&(o, v, _)| y[o] = v));
        if a.outputs < 2 {
            return Ok(vec![y]);
        }
        let by_columns = a.attrs.int("storage_order") == Some(1);
        let position = |at: usize| if by_columns { column_major(at, &x.shape()[2..]) } else { at } as i64;
        let indices = Tensor::build::<i64>(shape, |y| out.iter().for_each(|&(o, _, at)| y[o] = position(at)));
        Ok(vec![y, indices])
    }, "MaxPool")
}

/// A flat position with the first spatial axis counted fastest.
fn column_major(at: usize, spatial: &[usize]) -> usize {
    let pixels: usize = spatial.iter().product();
    let (plane, mut rest) = (at / pixels, at % pixels);
    let (mut position, mut step) = (0, pixels);
    for &size in spatial.iter().rev() {
        step /= size;
        position += rest % size * step;
        rest /= size;
    }
    plane * pixels + position
}
