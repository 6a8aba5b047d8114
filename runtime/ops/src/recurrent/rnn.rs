//! `RNN`.

use super::cell::{self, Cell, Kind};
use crate::{AttrDef, AttrKind, Default, OpDef, Param};

const KIND: Kind = Kind { gates: 1, activations: &["Tanh"], cell: false };

/// A simple recurrent layer: h = f(x W + h R + b).
pub static OP: OpDef = OpDef {
    name: "RNN",
    domain: "",
    doc: "A simple recurrent layer: h = f(x W + h R + b).",
    inputs: &[
        Param::one("x"),
        Param::one("w"),
        Param::one("r"),
        Param::optional("b"),
        Param::optional("sequence_lens"),
        Param::optional("initial_h"),
    ],
    outputs: &[Param::optional("y"), Param::optional("y_h")],
    attrs: &[
        AttrDef::new("activation_alpha", AttrKind::Floats, Default::Absent),
        AttrDef::new("activation_beta", AttrKind::Floats, Default::Absent),
        AttrDef::new("activations", AttrKind::Strs, Default::Computed),
        AttrDef::new("clip", AttrKind::Float, Default::Absent),
        AttrDef::new("direction", AttrKind::Str, Default::Str("forward")),
        AttrDef::new("hidden_size", AttrKind::Int, Default::Computed),
        AttrDef::new("layout", AttrKind::Int, Default::Int(0)),
    ],
    elementwise: false,
    infer: |a| cell::infer(a, KIND),
    eval: |a| cell::eval(a, KIND, &step),
    macs: cell::macs,
};

fn step(cell: &Cell<'_>, x: &[f64], h: &mut Vec<f64>, _: &mut Vec<f64>) {
    *h = (0..cell.hidden).map(|j| cell.activate(0, cell.input_sum(0, j, x) + cell.state_sum(0, j, h))).collect();
}
