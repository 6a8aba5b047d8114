//! `GlobalAveragePool`.

use super::window;
use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Tensor, TensorType};

/// Mean of every channel; spatial axes become 1.
pub static OP: OpDef = OpDef {
    name: "GlobalAveragePool",
    domain: "",
    doc: "Mean of every channel.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[AttrDef::new("layout", AttrKind::Str, Default::Str("NCHW"))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    window::check_activation(&x.shape, a.attrs)?;
    if !x.dtype.is_float() {
        return Err(OpError::invalid(format!("the input must be a float tensor, got {x}")));
    }
    let last = window::channels_last(a.attrs);
    let (n, c, spatial) = window::split(&x.shape, last);
    Ok(vec![TensorType { dtype: x.dtype, shape: window::join(n, c, &vec![1; spatial.len()], last) }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let last = window::channels_last(a.attrs);
    let (n, c, spatial) = window::split(x.shape(), last);
    let pixels: usize = spatial.iter().product();
    let shape = window::join(n, c, &vec![1; spatial.len()], last);
    dispatch!(floats x.dtype(), T => {
        let data = x.slice::<T>();
        Ok(vec![Tensor::build::<T>(shape, |y| {
            for (i, out) in y.iter_mut().enumerate() {
                let (b, ch) = (i / c, i % c);
                let at = |p: usize| if last { (b * pixels + p) * c + ch } else { (b * c + ch) * pixels + p };
                let values: Vec<T> = (0..pixels).map(|p| data[at(p)]).collect();
                *out = T::from_f64(values.iter().map(|v| v.to_f64()).sum::<f64>() / values.len() as f64);
            }
        })])
    }, "GlobalAveragePool")
}
