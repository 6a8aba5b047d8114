//! `LpPool`.

use super::pool;
use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Tensor, TensorType};

/// Norm of order `p` of every window.
pub static OP: OpDef = OpDef {
    name: "LpPool",
    domain: "",
    doc: "Norm of every window.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("auto_pad", AttrKind::Str, Default::Absent),
        AttrDef::new("ceil_mode", AttrKind::Int, Default::Int(0)),
        AttrDef::new("dilations", AttrKind::Ints, Default::Computed),
        AttrDef::new("kernel_shape", AttrKind::Ints, Default::Required),
        AttrDef::new("layout", AttrKind::Str, Default::Str("NCHW")),
        AttrDef::new("p", AttrKind::Int, Default::Int(2)),
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
    if !x.dtype.is_float() || a.attrs.int("p").unwrap_or(2) < 1 {
        return Err(OpError::invalid(format!("expected floats and a positive order, got {x}")));
    }
    Ok(vec![TensorType { dtype: x.dtype, shape }])
}

/// `(sum |v|^p)^(1/p)`.
pub(crate) fn norm(values: impl Iterator<Item = f64>, p: i64) -> f64 {
    let p = p as f64;
    values.map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p)
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let p = a.attrs.int("p").unwrap_or(2);
    dispatch!(floats x.dtype(), T => {
        let data = x.slice::<T>();
        let mut out: Vec<(usize, T)> = Vec::new();
        let shape = pool::each_window(x.ty(), a.attrs, |o, indices, _, _| {
            out.push((o, T::from_f64(norm(indices.iter().map(|&i| data[i].to_f64()), p))));
        })?;
        Ok(vec![Tensor::build::<T>(shape, |y| out.iter().for_each(|&(o, v)| y[o] = v))])
    }, "LpPool")
}
