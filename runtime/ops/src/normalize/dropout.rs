//! `Dropout`.

use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// The input itself at inference; the mask output, if asked for, is all true. Training mode is refused, unless nothing is
/// dropped.
pub static OP: OpDef = OpDef {
    name: "Dropout",
    domain: "",
    doc: "The input itself at inference.",
    inputs: &[Param::one("data"), Param::optional("ratio"), Param::optional("training_mode")],
    outputs: &[Param::one("output"), Param::optional("mask")],
    attrs: &[AttrDef::new("seed", AttrKind::Int, Default::Absent)],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let mask = TensorType { dtype: DType::Bool, shape: x.shape.clone() };
    Ok([x.clone(), mask].into_iter().take(a.outputs).collect())
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let drops = a.opt(1).is_none_or(|t| t.to_f64_vec().iter().any(|&r| r != 0.0));
    if drops && a.opt(2).is_some_and(|t| t.bytes().contains(&1)) {
        return Err(OpError::unsupported("Dropout in training mode"));
    }
    let mask = || Tensor::full(x.shape().iter().copied(), true);
    Ok((0..a.outputs).map(|i| if i == 0 { x.clone() } else { mask() }).collect())
}
