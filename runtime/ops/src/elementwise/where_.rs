//! `Where`.

use crate::elementwise::binary;
use crate::numeric::dispatch;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use ndarray::IxDyn;
use qcc_tensor::{DType, Tensor, TensorType};

/// Elements of `x` where the condition holds, of `y` elsewhere; all broadcast.
pub static OP: OpDef = OpDef {
    name: "Where",
    domain: "",
    doc: "Elements of x where the condition holds, of y elsewhere.",
    inputs: &[Param::one("condition"), Param::one("x"), Param::one("y")],
    outputs: &[Param::one("output")],
    attrs: &[],
    elementwise: true,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (c, x, y) = (a.ty(0)?, a.ty(1)?, a.ty(2)?);
    if c.dtype != DType::Bool || x.dtype != y.dtype {
        return Err(OpError::invalid(format!(
            "expected a bool condition and two tensors of one type, got {c}, {x}, {y}"
        )));
    }
    Ok(vec![TensorType { dtype: x.dtype, shape: binary::common_shape(a)? }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (c, x, y) = (a.input(0)?, a.input(1)?, a.input(2)?);
    let fail = || OpError::invalid("shapes do not broadcast");
    let shape = qcc_tensor::broadcast_shapes(c.shape(), x.shape())
        .and_then(|s| qcc_tensor::broadcast_shapes(&s, y.shape()))
        .ok_or_else(fail)?;
    let dims = IxDyn(&shape);
    let (cv, dims2) = (c.view::<bool>(), dims.clone());
    let cv = cv.broadcast(dims2).ok_or_else(fail)?;
    dispatch!(all x.dtype(), T => {
        let (xv, yv) = (x.view::<T>(), y.view::<T>());
        let (xv, yv) = (xv.broadcast(dims.clone()).ok_or_else(fail)?, yv.broadcast(dims.clone()).ok_or_else(fail)?);
        let data = cv.iter().zip(xv.iter()).zip(yv.iter()).map(|((&c, &p), &q)| if c { p } else { q }).collect();
        Ok(vec![Tensor::new(shape, data)])
    }, "Where")
}
