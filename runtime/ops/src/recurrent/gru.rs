//! `GRU`.

use super::cell::{self, Cell, Kind};
use crate::{AttrDef, AttrKind, Default, OpDef, Param};

const KIND: Kind = Kind { gates: 3, activations: &["Sigmoid", "Tanh"], cell: false };

/// A layer of gated recurrent units.
pub static OP: OpDef = OpDef {
    name: "GRU",
    domain: "",
    doc: "A layer of gated recurrent units.",
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
        AttrDef::new("linear_before_reset", AttrKind::Int, Default::Int(0)),
    ],
    elementwise: false,
    infer: |a| cell::infer(a, KIND),
    eval: |a| {
        let linear = a.attrs.int("linear_before_reset").unwrap_or(0) != 0;
        cell::eval(a, KIND, &|cell, x, h, _| if linear { reset_after(cell, x, h) } else { reset_before(cell, x, h) })
    },
    macs: cell::macs,
};

/// Gates are stored in the order update, reset, hidden.
fn gate(cell: &Cell<'_>, gate: usize, x: &[f64], h: &[f64]) -> Vec<f64> {
    (0..cell.hidden).map(|j| cell.activate(0, cell.input_sum(gate, j, x) + cell.state_sum(gate, j, h))).collect()
}

/// The state is reset before it is multiplied.
fn reset_before(cell: &Cell<'_>, x: &[f64], h: &mut Vec<f64>) {
    let (update, reset) = (gate(cell, 0, x, h), gate(cell, 1, x, h));
    let kept: Vec<f64> = reset.iter().zip(h.iter()).map(|(r, h)| r * h).collect();
    let new = |j: usize| cell.activate(1, cell.input_sum(2, j, x) + cell.state_sum(2, j, &kept));
    *h = (0..cell.hidden).map(|j| (1.0 - update[j]) * new(j) + update[j] * h[j]).collect();
}

/// The product, with its bias, is reset.
fn reset_after(cell: &Cell<'_>, x: &[f64], h: &mut Vec<f64>) {
    let (update, reset) = (gate(cell, 0, x, h), gate(cell, 1, x, h));
    let new = |j: usize| cell.activate(1, cell.input_sum(2, j, x) + reset[j] * cell.state_sum(2, j, h));
    *h = (0..cell.hidden).map(|j| (1.0 - update[j]) * new(j) + update[j] * h[j]).collect();
}
