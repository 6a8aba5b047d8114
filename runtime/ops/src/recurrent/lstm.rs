//! `LSTM`.

use super::cell::{self, Cell, Kind};
use crate::{AttrDef, AttrKind, Default, EvalArgs, OpDef, OpError, Param};
use qcc_tensor::Tensor;

pub(super) const KIND: Kind = Kind { gates: 4, activations: &["Sigmoid", "Tanh", "Tanh"], cell: true };

/// A layer of long short-term memory.
pub static OP: OpDef = OpDef {
    name: "LSTM",
    domain: "",
    doc: "A layer of long short-term memory.",
    inputs: &[
        Param::one("x"),
        Param::one("w"),
        Param::one("r"),
        Param::optional("b"),
        Param::optional("sequence_lens"),
        Param::optional("initial_h"),
        Param::optional("initial_c"),
        Param::optional("p"),
    ],
    outputs: &[Param::optional("y"), Param::optional("y_h"), Param::optional("y_c")],
    attrs: &[
        AttrDef::new("activation_alpha", AttrKind::Floats, Default::Absent),
        AttrDef::new("activation_beta", AttrKind::Floats, Default::Absent),
        AttrDef::new("activations", AttrKind::Strs, Default::Computed),
        AttrDef::new("clip", AttrKind::Float, Default::Absent),
        AttrDef::new("direction", AttrKind::Str, Default::Str("forward")),
        AttrDef::new("hidden_size", AttrKind::Int, Default::Computed),
        AttrDef::new("input_forget", AttrKind::Int, Default::Int(0)),
        AttrDef::new("layout", AttrKind::Int, Default::Int(0)),
    ],
    elementwise: false,
    infer: |a| cell::infer(a, KIND),
    eval: |a| eval_with(a, cell::eval),
    macs: cell::macs,
};

/// An evaluation that takes the steps of this layer.
pub(super) fn eval_with(a: &EvalArgs<'_>, eval: cell::Eval) -> Result<Vec<Tensor>, OpError> {
    let coupled = a.attrs.int("input_forget").unwrap_or(0) != 0;
    eval(a, KIND, &|cell, x, h, c| step(cell, x, h, c, coupled))
}

/// Gates are stored in the order input, output, forget, cell; peepholes in the order input, output, forget. With
/// `coupled`, what is not taken in is forgotten.
fn step(cell: &Cell<'_>, x: &[f64], h: &mut Vec<f64>, c: &mut [f64], coupled: bool) {
    let n = cell.hidden;
    let sum = |gate: usize, j: usize| cell.input_sum(gate, j, x) + cell.state_sum(gate, j, h);
    let mut new = Vec::with_capacity(n);
    for (j, c) in c.iter_mut().enumerate() {
        let take = cell.activate(0, sum(0, j) + cell.peephole[j] * *c);
        let keep = if coupled { 1.0 - take } else { cell.activate(0, sum(2, j) + cell.peephole[2 * n + j] * *c) };
        *c = keep * *c + take * cell.activate(1, sum(3, j));
        let give = cell.activate(0, sum(1, j) + cell.peephole[n + j] * *c);
        new.push(give * cell.activate(2, *c));
    }
    *h = new;
}
