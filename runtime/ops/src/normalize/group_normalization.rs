//! `GroupNormalization`.

use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Tensor, TensorType};

/// `(x - mean) / sqrt(var + epsilon) * scale + bias`; statistics over a group of channels of one sample, scale and bias
/// per channel.
pub static OP: OpDef = OpDef {
    name: "GroupNormalization",
    domain: "",
    doc: "Normalisation over groups of channels.",
    inputs: &[Param::one("x"), Param::one("scale"), Param::one("bias")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("epsilon", AttrKind::Float, Default::Float(1e-5)),
        AttrDef::new("num_groups", AttrKind::Int, Default::Required),
        AttrDef::new("stash_type", AttrKind::Int, Default::Int(1)),
    ],
    elementwise: false,
    infer,
    eval: |a| eval(a, a.attrs.int("num_groups").unwrap_or(1) as usize),
    macs: no_macs,
};

/// Checks input and parameters; the number of channels.
pub(crate) fn check(a: &InferArgs<'_>) -> Result<usize, OpError> {
    let x = a.ty(0)?;
    if !x.dtype.is_float() || x.rank() < 2 {
        return Err(OpError::invalid(format!("expected floats with batch and channel axes, got {x}")));
    }
    for i in 1..3 {
        let p = a.ty(i)?;
        if p.shape.as_slice() != [x.shape[1]] || p.dtype != x.dtype {
            return Err(OpError::invalid(format!("a parameter of {} channels is {p}", x.shape[1])));
        }
    }
    Ok(x.shape[1])
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let channels = check(a)?;
    let groups = a.attrs.int("num_groups").unwrap_or(0);
    if groups < 1 || channels as i64 % groups != 0 {
        return Err(OpError::invalid(format!("{channels} channels do not divide into {groups} groups")));
    }
    Ok(vec![a.ty(0)?.clone()])
}

/// Normalises every group of channels of every sample.
pub(crate) fn eval(a: &EvalArgs<'_>, groups: usize) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let epsilon = f64::from(a.attrs.float("epsilon").unwrap_or(1e-5));
    let (scale, bias) = (a.input(1)?.to_f64_vec(), a.input(2)?.to_f64_vec());
    let channels = x.shape()[1];
    let pixels: usize = x.shape()[2..].iter().product();
    let n = channels / groups.max(1) * pixels;
    dispatch!(floats x.dtype(), T => {
        let mut y = Vec::with_capacity(x.elements());
        for group in x.slice::<T>().chunks(n.max(1)) {
            let mean = group.iter().map(|v| v.to_f64()).sum::<f64>() / n as f64;
            let var = group.iter().map(|v| (v.to_f64() - mean).powi(2)).sum::<f64>() / n as f64;
            let d = (var + epsilon).sqrt();
            for v in group {
                let c = y.len() / pixels % channels;
                y.push(T::from_f64((v.to_f64() - mean) / d * scale[c] + bias[c]));
            }
        }
        Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
    }, "a normalization")
}
