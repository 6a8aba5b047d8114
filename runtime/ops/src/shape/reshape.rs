//! `Reshape`.

use super::axes::checked_elements;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Shape, Tensor, TensorType};

/// The same elements under another shape; `-1` is computed, `0` copies the input's size unless `allowzero`.
pub static OP: OpDef = OpDef {
    name: "Reshape",
    domain: "",
    doc: "The same elements under another shape.",
    inputs: &[Param::one("data"), Param::one("shape")],
    outputs: &[Param::one("reshaped")],
    attrs: &[AttrDef::new("allowzero", AttrKind::Int, Default::Int(0))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn resolve(input: &[usize], wanted: &[i64], allow_zero: bool) -> Result<Shape, OpError> {
    let elements = checked_elements(input)?;
    let mut shape = Shape::new();
    let mut open = None;
    for (i, &d) in wanted.iter().enumerate() {
        shape.push(match d {
            -1 if open.replace(i).is_none() => 1,
            0 if !allow_zero => *input
                .get(i)
                .ok_or_else(|| OpError::invalid(format!("shape {wanted:?} copies axis {i}, which does not exist")))?,
            d if d >= 0 => d as usize,
            _ => return Err(OpError::invalid(format!("{wanted:?} is no shape"))),
        });
    }
    let known = checked_elements(&shape)?;
    if let Some(i) = open {
        if known == 0 || !elements.is_multiple_of(known) {
            return Err(OpError::invalid(format!("{elements} elements do not fill the shape {wanted:?}")));
        }
        shape[i] = elements / known;
    } else if known != elements {
        return Err(OpError::invalid(format!("{elements} elements of {input:?} do not fill the shape {wanted:?}")));
    }
    Ok(shape)
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let wanted = a.ints(1, "the shape")?.unwrap_or_default();
    let shape = resolve(&x.shape, &wanted, a.attrs.int("allowzero") == Some(1))?;
    Ok(vec![TensorType { dtype: x.dtype, shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let wanted = a.input(1)?.to_i64_vec().ok_or_else(|| OpError::invalid("the shape must be integers"))?;
    Ok(vec![x.reshaped(resolve(x.shape(), &wanted, a.attrs.int("allowzero") == Some(1))?)])
}
