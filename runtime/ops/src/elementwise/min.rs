//! `Min`.

use crate::elementwise::binary;
use crate::numeric::dispatch;
use crate::{EvalArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::Tensor;

/// The minimum of all inputs, broadcast; a NaN operand gives NaN.
pub static OP: OpDef = OpDef {
    name: "Min",
    domain: "",
    doc: "Elementwise minimum of all inputs, broadcast.",
    inputs: &[Param::variadic("data")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: true,
    infer: binary::infer,
    eval,
    macs: no_macs,
};

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let mut acc = a.input(0)?.clone();
    for i in 1..a.inputs.len() {
        let next = a.input(i)?;
        #[allow(clippy::eq_op, reason = "a NaN is the only value that differs from itself")]
        let pick = dispatch!(numbers acc.dtype(), T => {
            binary::zip(&acc, next, |p: T, q: T| if p != p || p < q { p } else { q })
        }, "Min")?;
        acc = pick;
    }
    Ok(vec![acc])
}
