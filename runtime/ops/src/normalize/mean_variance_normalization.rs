//! `MeanVarianceNormalization`.

use crate::numeric::dispatch;
use crate::reduce::over;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Tensor, TensorType};

/// `(x - mean) / (deviation + 1e-9)` over axes.
pub static OP: OpDef = OpDef {
    name: "MeanVarianceNormalization",
    domain: "",
    doc: "Mean zero and deviation one over axes.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[AttrDef::new("axes", AttrKind::Ints, Default::Ints(&[0, 2, 3]))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

/// What the standard adds to the deviation.
const EPSILON: f64 = 1e-9;

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    crate::shape::sorted_axes(a.attrs.ints("axes").unwrap_or(&[]), x.rank())?;
    if !x.dtype.is_float() {
        return Err(OpError::invalid(format!("the input must be a float tensor, got {x}")));
    }
    Ok(vec![x.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let axes = crate::shape::sorted_axes(a.attrs.ints("axes").unwrap_or(&[]), x.rank())?;
    dispatch!(floats x.dtype(), T => {
        let data = x.slice::<T>();
        let mut y = vec![T::default(); data.len()];
        over::groups(x.shape(), &axes, |group| {
            let at: Vec<usize> = group.collect();
            let count = at.len() as f64;
            let mean = at.iter().map(|&i| data[i].to_f64()).sum::<f64>() / count;
            let variance = at.iter().map(|&i| (data[i].to_f64() - mean).powi(2)).sum::<f64>() / count;
            at.iter().for_each(|&i| y[i] = T::from_f64((data[i].to_f64() - mean) / (variance.sqrt() + EPSILON)));
        });
        Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
    }, "MeanVarianceNormalization")
}
