//! `IsInf`.

use crate::elementwise::unary;
use crate::{AttrDef, AttrKind, Default, OpDef, Param, def::no_macs};
use qcc_tensor::Tensor;

/// Whether the element is infinite, of a sign that counts.
pub static OP: OpDef = OpDef {
    name: "IsInf",
    domain: "",
    doc: "Whether the element is infinite.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("detect_negative", AttrKind::Int, Default::Int(1)),
        AttrDef::new("detect_positive", AttrKind::Int, Default::Int(1)),
    ],
    elementwise: true,
    infer: unary::infer_predicate,
    eval: |a| {
        let x = a.input(0)?;
        let (negative, positive) =
            (a.attrs.int("detect_negative") != Some(0), a.attrs.int("detect_positive") != Some(0));
        let counts = |v: f64| v.is_infinite() && if v > 0.0 { positive } else { negative };
        let y = x.to_f64_vec().into_iter().map(counts).collect();
        Ok(vec![Tensor::new(x.shape().iter().copied(), y)])
    },
    macs: no_macs,
};
