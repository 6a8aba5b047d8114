//! `Trilu`.

use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// The upper or lower triangle of the last two axes, counted from diagonal `k`; zeros elsewhere.
pub static OP: OpDef = OpDef {
    name: "Trilu",
    domain: "",
    doc: "The upper or lower triangle of matrices.",
    inputs: &[Param::one("input"), Param::optional("k")],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("upper", AttrKind::Int, Default::Int(1))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    if x.rank() < 2 {
        return Err(OpError::invalid(format!("the input must be matrices, got {x}")));
    }
    if let Some(k) = a.opt_ty(1)
        && (!k.dtype.is_int() || k.elements() != 1)
    {
        return Err(OpError::invalid(format!("the diagonal must be one integer, got {k}")));
    }
    Ok(vec![x.clone()])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let k = a.opt(1).and_then(Tensor::to_i64_vec).map_or(0, |k| k[0]);
    let upper = a.attrs.int("upper") != Some(0);
    let (rows, columns) = (x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]);
    let size = x.dtype().size();
    let mut bytes = x.bytes().to_vec();
    for (i, element) in bytes.chunks_exact_mut(size).enumerate() {
        let diagonal = (i % columns) as i64 - (i / columns % rows) as i64;
        if if upper { diagonal < k } else { diagonal > k } {
            element.fill(0);
        }
    }
    Ok(vec![super::moved::from_bytes(x.ty().clone(), bytes)])
}
