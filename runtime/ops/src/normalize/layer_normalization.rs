//! `LayerNormalization`.

use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Element, Tensor, TensorType, broadcast_shapes};

/// `(x - mean) / sqrt(var + epsilon) * scale + bias` over the axes from `axis` on.
pub static OP: OpDef = OpDef {
    name: "LayerNormalization",
    domain: "",
    doc: "Normalisation over the last axes.",
    inputs: &[Param::one("x"), Param::one("scale"), Param::optional("b")],
    outputs: &[Param::one("y"), Param::optional("mean"), Param::optional("inv_std_dev")],
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
    let x = a.ty(0)?;
    let axis = crate::shape::positive_axis(a.attrs.int("axis").unwrap_or(-1), x.rank())?;
    for i in 1..3 {
        if let Some(p) = a.opt_ty(i)
            && (broadcast_shapes(&p.shape, &x.shape[axis..]).as_deref() != Some(&x.shape[axis..]) || p.dtype != x.dtype)
        {
            return Err(OpError::invalid(format!("a parameter of {x} over its axes from {axis} is {p}")));
        }
    }
    if !x.dtype.is_float() {
        return Err(OpError::invalid(format!("the input must be a float tensor, got {x}")));
    }
    a.attrs.set("axis", AttrValue::Int(axis as i64));
    let statistics = statistics_type(x, axis);
    let mut out = vec![x.clone(), statistics.clone(), statistics];
    out.truncate(a.outputs);
    Ok(out)
}

/// Type of mean and deviation: one element for each row, in f32 unless the input is wider.
fn statistics_type(x: &TensorType, axis: usize) -> TensorType {
    let dtype = if x.dtype == DType::F64 { DType::F64 } else { DType::F32 };
    TensorType::new(dtype, x.shape.iter().enumerate().map(|(d, &size)| if d < axis { size } else { 1 }))
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let axis = a.attrs.int("axis").unwrap_or(0) as usize;
    let epsilon = f64::from(a.attrs.float("epsilon").unwrap_or(1e-5));
    let n: usize = x.shape()[axis..].iter().product();
    let parameter = |i: usize| -> Option<Vec<f64>> {
        let p = a.opt(i)?;
        let v = p.to_f64_vec();
        if v.len() == n {
            return Some(v);
        }
        let wide = ndarray::ArrayD::from_shape_vec(p.shape(), v).ok()?;
        Some(wide.broadcast(&x.shape()[axis..])?.iter().copied().collect())
    };
    let scale = parameter(1).ok_or_else(|| OpError::invalid("the scale does not broadcast"))?;
    let bias = parameter(2);
    dispatch!(floats x.dtype(), T => {
        let mut y = Vec::with_capacity(x.elements());
        let (mut means, mut inverses) = (Vec::new(), Vec::new());
        for row in x.slice::<T>().chunks(n.max(1)) {
            let mean = row.iter().map(|v| v.to_f64()).sum::<f64>() / n as f64;
            let var = row.iter().map(|v| (v.to_f64() - mean).powi(2)).sum::<f64>() / n as f64;
            let d = (var + epsilon).sqrt();
            means.push(mean);
            inverses.push(1.0 / d);
            y.extend(row.iter().enumerate().map(|(i, v)| {
                T::from_f64((v.to_f64() - mean) / d * scale[i] + bias.as_ref().map_or(0.0, |b| b[i]))
            }));
        }
        let mut out = vec![Tensor::new(x.shape().iter().copied(), y)];
        if a.outputs > 1 {
            let TensorType { dtype, shape } = statistics_type(x.ty(), axis);
            // A row without elements has no statistics of its own.
            means.resize(shape.iter().product(), f64::NAN);
            inverses.resize(shape.iter().product(), f64::NAN);
            out.push(Tensor::from_f64(dtype, shape.iter().copied(), &means));
            out.push(Tensor::from_f64(dtype, shape, &inverses));
            out.truncate(a.outputs);
        }
        Ok(out)
    }, "LayerNormalization")
}
