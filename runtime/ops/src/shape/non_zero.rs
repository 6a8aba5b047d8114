//! `NonZero`.

use super::axes::checked_elements;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// Positions of the elements that are not zero, in row-major order: `[rank, count]`.
pub static OP: OpDef = OpDef {
    name: "NonZero",
    domain: "",
    doc: "Positions of the elements that are not zero.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y")],
    attrs: &[],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

/// Flat positions.
fn positions(x: &Tensor) -> Vec<usize> {
    let zero = |v: &f64| *v == 0.0;
    x.to_f64_vec().iter().enumerate().filter(|(_, v)| !zero(v)).map(|(i, _)| i).collect()
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let value = a.value(0).ok_or_else(|| OpError::dynamic("how many elements are not zero depends on the data"))?;
    Ok(vec![TensorType::new(DType::I64, [x.rank(), positions(value).len()])])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let found = positions(x);
    checked_elements(&[x.rank(), found.len()])?;
    let mut out = Vec::with_capacity(x.rank() * found.len());
    for axis in 0..x.rank() {
        let inner: usize = x.shape()[axis + 1..].iter().product();
        out.extend(found.iter().map(|i| (i / inner % x.shape()[axis]) as i64));
    }
    Ok(vec![Tensor::new([x.rank(), found.len()], out)])
}
