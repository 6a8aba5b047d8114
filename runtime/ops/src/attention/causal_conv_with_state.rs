//! `CausalConvWithState`.

use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// Convolution of each channel with a kernel of its own, over the present and past positions only; what is before the
/// first position is given and returned as state. With `activation` `silu` or `swish`, `y * sigmoid(y)`.
pub static OP: OpDef = OpDef {
    name: "CausalConvWithState",
    domain: "",
    doc: "Convolution over present and past positions, with the past as state.",
    inputs: &[Param::one("input"), Param::one("weight"), Param::optional("bias"), Param::optional("past_state")],
    outputs: &[Param::one("output"), Param::one("present_state")],
    attrs: &[AttrDef::new("activation", AttrKind::Str, Default::Str("none"))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, w) = (a.ty(0)?, a.ty(1)?);
    let (&[batch, channels, _], &[outputs, 1, k @ (1..)]) = (&x.shape[..], &w.shape[..]) else {
        return Err(OpError::invalid(format!(
            "expected [batch, channels, length] and [channels, 1, k], got {x} and {w}"
        )));
    };
    let state = [batch, channels, k - 1];
    let fits = channels == outputs
        && x.dtype.is_float()
        && w.dtype == x.dtype
        && a.opt_ty(2).is_none_or(|b| b.dtype == x.dtype && b.shape[..] == [channels])
        && a.opt_ty(3).is_none_or(|s| s.dtype == x.dtype && s.shape[..] == state);
    if !fits {
        return Err(OpError::invalid(format!("weights {w}, bias and state do not fit {x}")));
    }
    match a.attrs.str("activation") {
        Some("none" | "silu" | "swish") => {}
        other => return Err(OpError::invalid(format!("activation must be none, silu or swish, got {other:?}"))),
    }
    let mut out = vec![x.clone(), TensorType::new(x.dtype, state)];
    out.truncate(a.outputs);
    Ok(out)
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, w) = (a.input(0)?, a.input(1)?);
    let (channels, length, k) = (x.shape()[1], x.shape()[2], w.shape()[2]);
    let (xs, ws) = (x.to_f64_vec(), w.to_f64_vec());
    let bias = a.opt(2).map(Tensor::to_f64_vec);
    let past = a.opt(3).map(Tensor::to_f64_vec);
    let active = a.attrs.str("activation") != Some("none");
    let rows = x.shape()[0] * channels;
    let (mut y, mut state) = (Vec::with_capacity(xs.len()), Vec::with_capacity(rows * (k - 1)));
    for row in 0..rows {
        let before = past.as_ref().map_or_else(|| vec![0.0; k - 1], |p| p[row * (k - 1)..(row + 1) * (k - 1)].to_vec());
        let line: Vec<f64> = before.into_iter().chain(xs[row * length..(row + 1) * length].iter().copied()).collect();
        let kernel = &ws[row % channels * k..][..k];
        for i in 0..length {
            let sum: f64 = kernel.iter().zip(&line[i..]).map(|(w, x)| w * x).sum();
            let sum = sum + bias.as_ref().map_or(0.0, |b| b[row % channels]);
            y.push(if active { sum / (1.0 + (-sum).exp()) } else { sum });
        }
        state.extend_from_slice(&line[line.len() - (k - 1)..]);
    }
    let mut out = vec![
        Tensor::from_f64(x.dtype(), x.shape().iter().copied(), &y),
        Tensor::from_f64(x.dtype(), [x.shape()[0], channels, k - 1], &state),
    ];
    out.truncate(a.outputs);
    Ok(out)
}
