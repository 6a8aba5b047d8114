//! `AveragePool`.

use super::pool;
use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Tensor, TensorType};

/// Mean of every window, over the elements inside the input, or with `count_include_pad` over the padded window.
pub static OP: OpDef = OpDef {
    name: "AveragePool",
    domain: "",
    doc: "Mean of every window.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("auto_pad", AttrKind::Str, Default::Absent),
        AttrDef::new("ceil_mode", AttrKind::Int, Default::Int(0)),
        AttrDef::new("count_include_pad", AttrKind::Int, Default::Int(0)),
        AttrDef::new("dilations", AttrKind::Ints, Default::Computed),
        AttrDef::new("kernel_shape", AttrKind::Ints, Default::Required),
        AttrDef::new("layout", AttrKind::Str, Default::Str("NCHW")),
        AttrDef::new("pads", AttrKind::Ints, Default::Computed),
        AttrDef::new("strides", AttrKind::Ints, Default::Computed),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let shape = pool::infer_shape(a)?;
    let x = a.ty(0)?;
    if !x.dtype.is_float() {
        return Err(OpError::invalid(format!("the input must be a float tensor, got {x}")));
    }
    Ok(vec![TensorType { dtype: x.dtype, shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let include = a.attrs.int("count_include_pad") == Some(1);
    let last = super::window::channels_last(a.attrs);
    let spatial = super::window::split(x.shape(), last).2.to_vec();
    dispatch!(floats x.dtype(), T => {
        let data = x.slice::<T>();
        let mut out: Vec<(usize, T)> = Vec::new();
        let shape = pool::each_window(x.ty(), a.attrs, |o, indices, w, at| {
            let sum: f64 = indices.iter().map(|&i| data[i].to_f64()).sum();
            let count = if include {
                // With ceil_mode the last window may reach beyond the padding; what is beyond does not count.
                (0..at.len()).map(|i| {
                    let start = at[i] * w.strides[i];
                    let limit = spatial[i] + w.begin[i] + w.end[i];
                    (0..w.kernel[i]).filter(|k| start + k * w.dilations[i] < limit).count()
                }).product()
            } else {
                indices.len()
            };
            out.push((o, T::from_f64(sum / count as f64)));
        })?;
        Ok(vec![Tensor::build::<T>(shape, |y| out.iter().for_each(|&(o, v)| y[o] = v))])
    }, "AveragePool")
}
