//! `BitwiseNot`.

use crate::elementwise::unary;
use crate::{OpDef, OpError, Param, def::no_macs};

/// Every bit of an integer inverted.
pub static OP: OpDef = OpDef {
    name: "BitwiseNot",
    domain: "",
    doc: "Every bit of an integer inverted.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: true,
    infer: |a| {
        let x = a.ty(0)?;
        if !x.dtype.is_int() {
            return Err(OpError::invalid(format!("only integers have bits to invert, got {x}")));
        }
        unary::infer(a)
    },
    eval: |a| unary::eval_number(a, |x| x, |i| !i),
    macs: no_macs,
};
