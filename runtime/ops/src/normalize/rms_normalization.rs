//! `RMSNormalization`.

use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Tensor, TensorType, broadcast_shapes};

/// `x / sqrt(mean(x^2) + epsilon) * scale` over the axes from `axis` on.
pub static OP: OpDef = OpDef {
    name: "RMSNormalization",
    domain: "",
    doc: "Division by the root of the mean square over the last axes.",
    inputs: &[Param::one("x"), Param::one("scale")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("axis", AttrKind::Int, Default::Int(-1)),
        AttrDef::new("epsilon", AttrKind::Float, Default::Float(1e-5)),
        AttrDef::new("stash_type", AttrKind::Int, Default::Int(1)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, scale) = (a.ty(0)?, a.ty(1)?);
    let axis = crate::shape::positive_axis(a.attrs.int("axis").unwrap_or(-1), x.rank())?;
    if !x.dtype.is_float() || scale.dtype != x.dtype {
        return Err(OpError::invalid(format!("input and scale must have one float type, got {x} and {scale}")));
    }
    if broadcast_shapes(&scale.shape, &x.shape[axis..]).as_deref() != Some(&x.shape[axis..]) {
        return Err(OpError::invalid(format!("a scale of {x} over its axes from {axis} is {scale}")));
    }
    a.attrs.set("axis", AttrValue::Int(axis as i64));
    Ok(vec![x.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, scale) = (a.input(0)?, a.input(1)?);
    let axis = a.attrs.int("axis").unwrap_or(0) as usize;
    let epsilon = f64::from(a.attrs.float("epsilon").unwrap_or(1e-5));
    let n: usize = x.shape()[axis..].iter().product();
    let fail = || OpError::invalid("the scale does not broadcast");
    let wide = ndarray::ArrayD::from_shape_vec(scale.shape(), scale.to_f64_vec()).map_err(|_| fail())?;
    let scale: Vec<f64> = wide.broadcast(&x.shape()[axis..]).ok_or_else(fail)?.iter().copied().collect();
    dispatch!(floats x.dtype(), T => {
        let mut y = Vec::with_capacity(x.elements());
        for row in x.slice::<T>().chunks(n.max(1)) {
            let square = row.iter().map(|v| v.to_f64().powi(2)).sum::<f64>() / n as f64;
            let d = (square + epsilon).sqrt();
            y.extend(row.iter().zip(&scale).map(|(v, s)| T::from_f64(v.to_f64() / d * s)));
        }
        Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
    }, "RMSNormalization")
}
