//! `LRN`.

use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Tensor, TensorType};

/// `y = x / (bias + alpha / size * sum of squares)^beta`, the sum over `size` neighbouring channels (axis 1).
pub static OP: OpDef = OpDef {
    name: "LRN",
    domain: "",
    doc: "Normalisation by the squares of neighbouring channels.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("alpha", AttrKind::Float, Default::Float(1e-4)),
        AttrDef::new("beta", AttrKind::Float, Default::Float(0.75)),
        AttrDef::new("bias", AttrKind::Float, Default::Float(1.0)),
        AttrDef::new("size", AttrKind::Int, Default::Required),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    if x.rank() < 2 || !x.dtype.is_float() || a.attrs.int("size").unwrap_or(0) < 1 {
        return Err(OpError::invalid(format!("expected floats with a channel axis and a positive size, got {x}")));
    }
    Ok(vec![x.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let number = |name: &str| f64::from(a.attrs.float(name).unwrap_or(0.0));
    let (alpha, beta, bias) = (number("alpha"), number("beta"), number("bias"));
    let size = a.attrs.int("size").unwrap_or(1);
    let channels = x.shape()[1] as i64;
    let inner: usize = x.shape()[2..].iter().product();
    dispatch!(floats x.dtype(), T => {
        let data = x.slice::<T>();
        let y = (0..data.len()).map(|i| {
            let c = (i / inner % x.shape()[1]) as i64;
            let first = i - c as usize * inner;
            let low = (c - (size - 1) / 2).max(0);
            let high = c.saturating_add(size / 2).min(channels - 1);
            let squares: f64 = (low..=high).map(|n| data[first + n as usize * inner].to_f64().powi(2)).sum();
            T::from_f64(data[i].to_f64() / (bias + alpha / size as f64 * squares).powf(beta))
        }).collect();
        Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
    }, "LRN")
}
