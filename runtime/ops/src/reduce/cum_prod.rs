//! `CumProd`.

use super::over;
use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Tensor, TensorType};

/// Running products along an axis, with `exclusive` of the elements before, with `reverse` from the end.
pub static OP: OpDef = OpDef {
    name: "CumProd",
    domain: "",
    doc: "Running products along an axis.",
    inputs: &[Param::one("x"), Param::one("axis")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("exclusive", AttrKind::Int, Default::Int(0)),
        AttrDef::new("reverse", AttrKind::Int, Default::Int(0)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, axis) = (a.ty(0)?, a.ty(1)?);
    if axis.elements() != 1 || !axis.dtype.is_int() {
        return Err(OpError::invalid(format!("the axis must be one integer, got {axis}")));
    }
    Ok(vec![x.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let axis = a.input(1)?.to_i64_vec().and_then(|v| v.first().copied()).unwrap_or(0);
    let axis = crate::shape::positive_axis(axis, x.rank())?;
    let (exclusive, reverse) = (a.attrs.int("exclusive") == Some(1), a.attrs.int("reverse") == Some(1));
    if x.dtype().is_float() {
        return dispatch!(floats x.dtype(), T => {
            let data = x.slice::<T>();
            let mut y = vec![T::default(); data.len()];
            over::groups(x.shape(), &[axis], |group| {
                let mut at: Vec<usize> = group.collect();
                if reverse { at.reverse(); }
                let mut product = 1.0;
                for i in at {
                    let next = product * data[i].to_f64();
                    y[i] = T::from_f64(if exclusive { product } else { next });
                    product = next;
                }
            });
            Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
        }, "CumProd");
    }
    dispatch!(ints x.dtype(), T => {
        let data = x.slice::<T>();
        let mut y = vec![T::default(); data.len()];
        over::groups(x.shape(), &[axis], |group| {
            let mut at: Vec<usize> = group.collect();
            if reverse { at.reverse(); }
            let mut product: T = 1;
            for i in at {
                let next = product.wrapping_mul(data[i]);
                y[i] = if exclusive { product } else { next };
                product = next;
            }
        });
        Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
    }, "CumProd")
}
