//! `Gelu`.

use crate::elementwise::{error_function::erf, unary};
use crate::{AttrDef, AttrKind, Default, OpDef, Param, def::no_macs};

/// Gaussian error linear unit; `approximate` is `none` or `tanh`.
pub static OP: OpDef = OpDef {
    name: "Gelu",
    domain: "",
    doc: "x * (1 + erf(x / sqrt(2))) / 2, or its tanh approximation.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[AttrDef::new("approximate", AttrKind::Str, Default::Str("none"))],
    elementwise: true,
    infer: unary::infer_float,
    eval: |a| {
        let tanh = a.attrs.str("approximate") == Some("tanh");
        unary::eval_float(a, |x, _| {
            if tanh {
                0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
            } else {
                0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2))
            }
        })
    },
    macs: no_macs,
};
