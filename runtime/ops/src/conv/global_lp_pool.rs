//! `GlobalLpPool`.

use super::{lp_pool::norm, window};
use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Tensor, TensorType};

/// Norm of order `p` of every channel.
pub static OP: OpDef = OpDef {
    name: "GlobalLpPool",
    domain: "",
    doc: "Norm of every channel.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[AttrDef::new("p", AttrKind::Int, Default::Int(2))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    if x.rank() < 3 || !x.dtype.is_float() || a.attrs.int("p").unwrap_or(2) < 1 {
        return Err(OpError::invalid(format!("expected floats with spatial axes and a positive order, got {x}")));
    }
    Ok(vec![TensorType { dtype: x.dtype, shape: window::join(x.shape[0], x.shape[1], &vec![1; x.rank() - 2], false) }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let p = a.attrs.int("p").unwrap_or(2);
    let (n, c, spatial) = window::split(x.shape(), false);
    let pixels: usize = spatial.iter().product();
    dispatch!(floats x.dtype(), T => {
        let data = x.slice::<T>();
        let channel = |i: usize| data[i * pixels..(i + 1) * pixels].iter().map(|v| v.to_f64());
        let y = (0..n * c).map(|i| T::from_f64(norm(channel(i), p))).collect();
        Ok(vec![Tensor::new(window::join(n, c, &vec![1; spatial.len()], false), y)])
    }, "GlobalLpPool")
}
