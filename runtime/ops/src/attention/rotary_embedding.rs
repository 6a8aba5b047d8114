//! `RotaryEmbedding`.

use super::heads::Heads;
use crate::{AttrDef, AttrKind, Attrs, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// Pairs of elements of each head rotated by an angle that depends on the step: halves of the head paired, or neighbours.
pub static OP: OpDef = OpDef {
    name: "RotaryEmbedding",
    domain: "",
    doc: "Pairs of elements rotated by an angle that depends on the position.",
    inputs: &[Param::one("x"), Param::one("cos_cache"), Param::one("sin_cache"), Param::optional("position_ids")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("interleaved", AttrKind::Int, Default::Int(0)),
        AttrDef::new("num_heads", AttrKind::Int, Default::Absent),
        AttrDef::new("rotary_embedding_dim", AttrKind::Int, Default::Int(0)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

/// Heads and the number of elements of a head that are rotated.
fn sizes(x: &TensorType, attrs: &Attrs) -> Result<(Heads, usize), OpError> {
    let heads = Heads::new(x, attrs.int("num_heads"))?;
    let width = match attrs.int("rotary_embedding_dim").unwrap_or(0) {
        0 => heads.size,
        n => usize::try_from(n).unwrap_or(usize::MAX),
    };
    if width > heads.size || width % 2 != 0 {
        return Err(OpError::invalid(format!(
            "{width} elements of heads of {} cannot be rotated in pairs",
            heads.size
        )));
    }
    Ok((heads, width))
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, cos, sin) = (a.ty(0)?, a.ty(1)?, a.ty(2)?);
    let (heads, width) = sizes(x, a.attrs)?;
    let rows: &[usize] = match a.opt_ty(3) {
        None => &[heads.batch, heads.steps],
        Some(ids) if ids.shape[..] == [heads.batch, heads.steps] && ids.dtype.is_int() => {
            &cos.shape[..1.min(cos.rank())]
        }
        Some(ids) => return Err(OpError::invalid(format!("expected a position for each step of {x}, got {ids}"))),
    };
    let expected: Vec<usize> = rows.iter().copied().chain([width / 2]).collect();
    if cos.shape[..] != expected[..]
        || sin.shape != cos.shape
        || !x.dtype.is_float()
        || cos.dtype != x.dtype
        || sin.dtype != x.dtype
    {
        return Err(OpError::invalid(format!(
            "cosines and sines of {x} must have the shape {expected:?}, got {cos} and {sin}"
        )));
    }
    Ok(vec![x.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let (h, width) = sizes(x.ty(), a.attrs)?;
    let (cos, sin) = (a.input(1)?.to_f64_vec(), a.input(2)?.to_f64_vec());
    let rows = a.input(1)?.shape()[0];
    let positions = a.opt_ints(3)?;
    let neighbours = a.attrs.int("interleaved") == Some(1);
    let half = width / 2;
    let mut y = x.to_f64_vec();
    for b in 0..h.batch {
        for step in 0..h.steps {
            let row = match &positions {
                None => b * h.steps + step,
                Some(p) => {
                    let at = p[b * h.steps + step];
                    let outside = || OpError::invalid(format!("position {at} is not among the {rows} of the caches"));
                    usize::try_from(at).ok().filter(|&p| p < rows).ok_or_else(outside)?
                }
            };
            for head in 0..h.heads {
                let base = h.at(b, head, step);
                for i in 0..half {
                    let (first, second) = if neighbours { (2 * i, 2 * i + 1) } else { (i, i + half) };
                    let (c, s) = (cos[row * half + i], sin[row * half + i]);
                    let (real, imaginary) = (y[base + first], y[base + second]);
                    y[base + first] = c * real - s * imaginary;
                    y[base + second] = s * real + c * imaginary;
                }
            }
        }
    }
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape().iter().copied(), &y)])
}
