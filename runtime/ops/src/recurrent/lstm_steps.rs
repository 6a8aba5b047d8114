//! `LstmSteps`.

use super::{cell, lstm};
use crate::{AttrDef, AttrKind, Default, InferArgs, OpDef, OpError, Param};
use qcc_tensor::TensorType;

/// The steps of an `LSTM` whose products of the inputs with the weights are given.
///
/// `products` is `[steps, batch, directions * 4 * hidden]`; the other inputs, the outputs and the attributes are those of
/// `LSTM` with its steps in front and no lengths.
pub static OP: OpDef = OpDef {
    name: "LstmSteps",
    domain: "qcc",
    doc: "The steps of an LSTM whose products of the inputs with the weights are given.",
    inputs: &[
        Param::one("products"),
        Param::one("r"),
        Param::optional("b"),
        Param::optional("initial_h"),
        Param::optional("initial_c"),
        Param::optional("p"),
    ],
    outputs: &[Param::one("y"), Param::one("y_h"), Param::one("y_c")],
    attrs: &[
        AttrDef::new("activation_alpha", AttrKind::Floats, Default::Absent),
        AttrDef::new("activation_beta", AttrKind::Floats, Default::Absent),
        AttrDef::new("activations", AttrKind::Strs, Default::Computed),
        AttrDef::new("clip", AttrKind::Float, Default::Absent),
        AttrDef::new("direction", AttrKind::Str, Default::Str("forward")),
        AttrDef::new("input_forget", AttrKind::Int, Default::Int(0)),
    ],
    elementwise: false,
    infer,
    eval: |a| lstm::eval_with(a, cell::eval_steps),
    macs: |inputs, _, _| match inputs {
        [Some(products), Some(r), ..] => products.shape[..2].iter().product::<usize>() as u64 * r.elements() as u64,
        _ => 0,
    },
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (products, r) = (a.ty(0)?.clone(), a.ty(1)?.clone());
    let (&[steps, batch, rows], &[directions, own, hidden]) = (products.shape.as_slice(), r.shape.as_slice()) else {
        return Err(OpError::invalid(format!("products {products} with recurrent weights {r}")));
    };
    if !products.dtype.is_float() || r.dtype != products.dtype || own != 4 * hidden || rows != directions * own {
        return Err(OpError::invalid(format!("products {products} with recurrent weights {r}")));
    }
    cell::check_attributes(a.attrs, lstm::KIND, directions)?;
    let state = [directions, batch, hidden];
    let expected = [vec![directions, 2 * own], state.to_vec(), state.to_vec(), vec![directions, 3 * hidden]];
    for (i, shape) in (2..).zip(expected) {
        if let Some(ty) = a.opt_ty(i)
            && (ty.shape.as_slice() != shape || ty.dtype != r.dtype)
        {
            return Err(OpError::invalid(format!("input {i} must be {} of shape {shape:?}, got {ty}", r.dtype)));
        }
    }
    let state = TensorType::new(r.dtype, state);
    Ok(vec![TensorType::new(r.dtype, [steps, directions, batch, hidden]), state.clone(), state])
}
