//! `BatchNormalization`.

use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Tensor, TensorType};

/// Inference: `y = (x - mean) / sqrt(var + epsilon) * scale + bias` per channel (axis 1).
pub static OP: OpDef = OpDef {
    name: "BatchNormalization",
    domain: "",
    doc: "Per-channel normalisation with stored statistics.",
    inputs: &[Param::one("x"), Param::one("scale"), Param::one("b"), Param::one("mean"), Param::one("var")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("epsilon", AttrKind::Float, Default::Float(1e-5)),
        AttrDef::new("momentum", AttrKind::Float, Default::Float(0.9)),
        AttrDef::new("training_mode", AttrKind::Int, Default::Int(0)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    if a.attrs.int("training_mode") == Some(1) || a.outputs > 1 {
        return Err(OpError::unsupported("BatchNormalization in training mode"));
    }
    let channels = *x.shape.get(1).ok_or_else(|| OpError::invalid(format!("{x} has no channel axis")))?;
    for i in 1..5 {
        if a.ty(i)?.shape.as_slice() != [channels] || !a.ty(i)?.dtype.is_float() {
            return Err(OpError::invalid(format!("a parameter of {channels} channels is {}", a.ty(i)?)));
        }
    }
    Ok(vec![x.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let epsilon = f64::from(a.attrs.float("epsilon").unwrap_or(1e-5));
    let p: Vec<Vec<f64>> = (1..5).map(|i| a.input(i).map(Tensor::to_f64_vec)).collect::<Result<_, _>>()?;
    let channels = x.shape()[1];
    let inner: usize = x.shape()[2..].iter().product();
    dispatch!(floats x.dtype(), T => {
        let y = x.slice::<T>().iter().enumerate().map(|(i, v)| {
            let c = i / inner % channels;
            T::from_f64((v.to_f64() - p[2][c]) / (p[3][c] + epsilon).sqrt() * p[0][c] + p[1][c])
        }).collect();
        Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
    }, "BatchNormalization")
}
