//! `Acc`.

use crate::shape::axes::checked_elements;
use crate::{AttrDef, AttrKind, Default, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::TensorType;

/// The accumulator inside the body of a fused kernel.
pub static OP: OpDef = OpDef {
    name: "Acc",
    domain: "qcc",
    doc: "The accumulator inside the body of a fused kernel.",
    inputs: &[],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("dtype", AttrKind::Type, Default::Required),
        AttrDef::new("shape", AttrKind::Ints, Default::Required),
    ],
    elementwise: true,
    infer,
    eval: |_| Err(OpError::invalid("an accumulator has a value only inside a fused kernel")),
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let fail = || OpError::invalid("an accumulator needs an element type and a shape");
    let dtype = a.attrs.dtype("dtype").ok_or_else(fail)?;
    let shape = a.attrs.ints("shape").ok_or_else(fail)?;
    let shape: Option<Vec<usize>> = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
    let shape = shape.ok_or_else(fail)?;
    checked_elements(&shape)?;
    Ok(vec![TensorType::new(dtype, shape)])
}
