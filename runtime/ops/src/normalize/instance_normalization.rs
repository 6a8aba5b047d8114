//! `InstanceNormalization`.

use super::group_normalization;
use crate::{AttrDef, AttrKind, Default, OpDef, Param, def::no_macs};

/// `(x - mean) / sqrt(var + epsilon) * scale + bias`; statistics over one channel of one sample.
pub static OP: OpDef = OpDef {
    name: "InstanceNormalization",
    domain: "",
    doc: "Normalisation over each channel of each sample.",
    inputs: &[Param::one("input"), Param::one("scale"), Param::one("b")],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("epsilon", AttrKind::Float, Default::Float(1e-5))],
    elementwise: false,
    infer: |a| {
        group_normalization::check(a)?;
        Ok(vec![a.ty(0)?.clone()])
    },
    eval: |a| group_normalization::eval(a, a.input(0)?.shape()[1]),
    macs: no_macs,
};
