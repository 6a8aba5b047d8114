//! `Size`.

use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// The number of elements, as i64.
pub static OP: OpDef = OpDef {
    name: "Size",
    domain: "",
    doc: "The number of elements.",
    inputs: &[Param::one("data")],
    outputs: &[Param::one("size")],
    attrs: &[],
    elementwise: false,
    infer: |a: &mut InferArgs<'_>| {
        a.ty(0)?;
        Ok(vec![TensorType::new(DType::I64, [])])
    },
    eval: |a: &EvalArgs<'_>| -> Result<Vec<Tensor>, OpError> {
        Ok(vec![Tensor::scalar(a.input(0)?.elements() as i64)])
    },
    macs: no_macs,
};
