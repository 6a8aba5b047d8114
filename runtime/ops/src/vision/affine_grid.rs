//! `AffineGrid`.

use crate::index::each_index;
use crate::shape::axes::checked_elements;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// Positions in an image for every pixel of another, by an affine map: the grid that `GridSample` reads.
pub static OP: OpDef = OpDef {
    name: "AffineGrid",
    domain: "",
    doc: "A grid of positions from an affine map.",
    inputs: &[Param::one("theta"), Param::one("size")],
    outputs: &[Param::one("grid")],
    attrs: &[AttrDef::new("align_corners", AttrKind::Int, Default::Int(0))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

/// Spatial sizes.
fn sizes(theta: &[usize], size: &[i64]) -> Result<Vec<usize>, OpError> {
    let axes = size.len().saturating_sub(2);
    let dims: Option<Vec<usize>> = size.iter().map(|&d| usize::try_from(d).ok()).collect();
    let dims = dims.filter(|d| (2..=3).contains(&axes) && theta[..] == [d[0], axes, axes + 1]);
    let dims = dims.ok_or_else(|| OpError::invalid(format!("the map {theta:?} does not fit the size {size:?}")))?;
    let grid: Vec<usize> = [dims[0]].into_iter().chain(dims[2..].iter().copied()).chain([axes]).collect();
    checked_elements(&grid)?;
    Ok(dims[2..].to_vec())
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let theta = a.ty(0)?;
    if !theta.dtype.is_float() {
        return Err(OpError::invalid(format!("the map must be of floats, got {theta}")));
    }
    let spatial = sizes(&theta.shape, &a.ints(1, "the size")?.unwrap_or_default())?;
    let shape = [theta.shape[0]].into_iter().chain(spatial.iter().copied()).chain([spatial.len()]);
    Ok(vec![TensorType::new(theta.dtype, shape)])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let theta = a.input(0)?;
    let spatial = sizes(theta.shape(), &a.input(1)?.to_i64_vec().unwrap_or_default())?;
    let aligned = a.attrs.int("align_corners") == Some(1);
    let axes = spatial.len();
    let map = theta.to_f64_vec();
    let position = |i: usize, size: usize| {
        let (i, size) = (i as f64, size as f64);
        if aligned { 2.0 * i / (size - 1.0) - 1.0 } else { (2.0 * i + 1.0) / size - 1.0 }
    };
    let mut out = Vec::new();
    for n in 0..theta.shape()[0] {
        each_index(&spatial, |index| {
            // Positions with the last axis first, and a one for the translation.
            let point: Vec<f64> = (0..axes).rev().map(|d| position(index[d], spatial[d])).chain([1.0]).collect();
            for row in 0..axes {
                let coefficients = &map[(n * axes + row) * (axes + 1)..][..axes + 1];
                out.push(coefficients.iter().zip(&point).map(|(c, p)| c * p).sum::<f64>());
            }
        });
    }
    let shape = [theta.shape()[0]].into_iter().chain(spatial.iter().copied()).chain([axes]);
    Ok(vec![Tensor::from_f64(theta.dtype(), shape, &out)])
}
