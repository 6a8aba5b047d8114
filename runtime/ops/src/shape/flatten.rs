//! `Flatten`.

use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// A matrix: the axes before `axis` are its rows, the others its columns.
pub static OP: OpDef = OpDef {
    name: "Flatten",
    domain: "",
    doc: "The same elements as a matrix.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[AttrDef::new("axis", AttrKind::Int, Default::Int(1))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let axis = a.attrs.int("axis").unwrap_or(1);
    let at = if axis < 0 { axis + x.rank() as i64 } else { axis };
    if at < 0 || at > x.rank() as i64 {
        return Err(OpError::invalid(format!("axis {axis} does not exist in {x}")));
    }
    a.attrs.set("axis", AttrValue::Int(at));
    Ok(vec![TensorType::new(x.dtype, matrix(&x.shape, at as usize))])
}

fn matrix(shape: &[usize], axis: usize) -> [usize; 2] {
    [shape[..axis].iter().product(), shape[axis..].iter().product()]
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    Ok(vec![x.reshaped(matrix(x.shape(), a.attrs.int("axis").unwrap_or(1) as usize))])
}
