//! `IsNaN`.

use crate::elementwise::unary;
use crate::{OpDef, Param, def::no_macs};
use qcc_tensor::Tensor;

/// Whether the element is not a number.
pub static OP: OpDef = OpDef {
    name: "IsNaN",
    domain: "",
    doc: "Whether the element is not a number.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: true,
    infer: unary::infer_predicate,
    eval: |a| {
        let x = a.input(0)?;
        let y = x.to_f64_vec().into_iter().map(f64::is_nan).collect();
        Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
    },
    macs: no_macs,
};
