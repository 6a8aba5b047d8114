//! `Not`.

use crate::elementwise::unary;
use crate::{OpDef, OpError, Param, def::no_macs};
use qcc_tensor::Tensor;

/// Logical negation.
pub static OP: OpDef = OpDef {
    name: "Not",
    domain: "",
    doc: "Logical negation.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: true,
    infer: unary::infer_predicate,
    eval: |a| {
        let x = a.input(0)?;
        let bits = x.as_slice::<bool>().ok_or_else(|| OpError::invalid("the input must be bool"))?;
        Ok(vec![Tensor::new(x.shape().iter().copied(), bits.iter().map(|b| !b).collect())])
    },
    macs: no_macs,
};
