//! `Clip`.

use crate::numeric::dispatch;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// `min(max(x, lo), hi)` for any number type; NaN stays NaN. Applied to quantized codes it is a clamp of the values.
pub static OP: OpDef = OpDef {
    name: "Clip",
    domain: "",
    doc: "Limits elements to the interval from min to max.",
    inputs: &[Param::one("x"), Param::optional("min"), Param::optional("max")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: true,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    for i in 1..3 {
        if let Some(bound) = a.opt_ty(i)
            && (bound.dtype != x.dtype || bound.elements() != 1)
        {
            return Err(OpError::invalid(format!("a bound must be one {}, got {bound}", x.dtype)));
        }
    }
    Ok(vec![x.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    dispatch!(numbers x.dtype(), T => {
        let bound = |i: usize| a.opt(i).map(|t| t.slice::<T>()[0]);
        let (lo, hi) = (bound(1), bound(2));
        let y = x.slice::<T>().iter().map(|&v| {
            let v = match lo { Some(lo) if v < lo => lo, _ => v };
            match hi { Some(hi) if v > hi => hi, _ => v }
        }).collect();
        Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
    }, "Clip")
}
