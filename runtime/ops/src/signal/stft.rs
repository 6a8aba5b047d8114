//! `STFT`.

use super::{scalar, spectrum};
use crate::shape::axes::checked_elements;
use crate::{AttrDef, AttrKind, Attrs, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// Fourier transforms of overlapping frames of a signal, each multiplied by a window: `[batch, frames, frequencies, 2]`.
pub static OP: OpDef = OpDef {
    name: "STFT",
    domain: "",
    doc: "Fourier transforms of overlapping frames of a signal.",
    inputs: &[
        Param::one("signal"),
        Param::one("frame_step"),
        Param::optional("window"),
        Param::optional("frame_length"),
    ],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("onesided", AttrKind::Int, Default::Int(1))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

/// Frame length, number of frames, number of frequencies.
fn sizes(
    x: &TensorType,
    step: i64,
    window: Option<&TensorType>,
    length: Option<i64>,
    attrs: &Attrs,
) -> Result<[usize; 3], OpError> {
    let (&[_, samples, parts @ 1..=2], true) = (&x.shape[..], x.dtype.is_float()) else {
        return Err(OpError::invalid(format!("the signal must be [batch, samples, 1 or 2] of floats, got {x}")));
    };
    let default = window.map_or(samples as i64, |w| w.elements() as i64);
    let length = scalar::size(length.unwrap_or(default), "the length of a frame")?;
    let step = scalar::size(step, "the step between frames")?;
    let fits = window.is_none_or(|w| w.shape[..] == [length] && w.dtype == x.dtype);
    if length == 0 || step == 0 || length > samples || !fits {
        return Err(OpError::invalid(format!(
            "frames of {length} samples every {step}, window included, do not fit {x}"
        )));
    }
    let onesided = attrs.int("onesided") != Some(0);
    if onesided && parts == 2 {
        return Err(OpError::invalid("a complex signal has no one-sided transform"));
    }
    let bins = if onesided { length / 2 + 1 } else { length };
    Ok([length, 1 + (samples - length) / step, bins])
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let step = scalar::known(a, 1, "the step between frames")?.unwrap_or(0);
    let length = scalar::known(a, 3, "the length of a frame")?;
    let x = a.ty(0)?;
    let [_, frames, bins] = sizes(x, step, a.opt_ty(2), length, a.attrs)?;
    let shape = [x.shape[0], frames, bins, 2];
    checked_elements(&shape)?;
    Ok(vec![TensorType::new(x.dtype, shape)])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let step = scalar::integer(a.input(1)?, "the step between frames")?;
    let length = a.opt(3).map(|t| scalar::integer(t, "the length of a frame")).transpose()?;
    let [length, frames, bins] = sizes(x.ty(), step, a.opt(2).map(Tensor::ty), length, a.attrs)?;
    let window = a.opt(2).map_or_else(|| vec![1.0; length], Tensor::to_f64_vec);
    let (batch, samples, parts) = (x.shape()[0], x.shape()[1], x.shape()[2]);
    let data = x.to_f64_vec();
    let mut y = Vec::with_capacity(batch * frames * bins * 2);
    for b in 0..batch {
        for frame in 0..frames {
            let first = b * samples + frame * step as usize;
            let signal: Vec<spectrum::Complex> = (0..length)
                .map(|i| {
                    let at = (first + i) * parts;
                    (data[at] * window[i], if parts == 2 { data[at + 1] * window[i] } else { 0.0 })
                })
                .collect();
            y.extend(spectrum::transform(&signal, length, bins, false).into_iter().flat_map(|(re, im)| [re, im]));
        }
    }
    Ok(vec![Tensor::from_f64(x.dtype(), [batch, frames, bins, 2], &y)])
}
