//! `CenterCropPad`.

use super::axes::{axis, checked_elements};
use super::moved::from_bytes;
use crate::index::each_index;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Shape, Tensor, TensorType, row_major_strides};

/// Axes brought to a size: elements removed or zeros added at both ends, one more at the end where the number is odd.
pub static OP: OpDef = OpDef {
    name: "CenterCropPad",
    domain: "",
    doc: "Axes brought to a size by removing or adding at both ends.",
    inputs: &[Param::one("input_data"), Param::one("shape")],
    outputs: &[Param::one("output_data")],
    attrs: &[AttrDef::new("axes", AttrKind::Ints, Default::Absent)],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn resolve(x: &[usize], sizes: &[i64], axes: Option<&[i64]>) -> Result<Shape, OpError> {
    let axes: Vec<i64> = axes.map_or_else(|| (0..x.len() as i64).collect(), <[i64]>::to_vec);
    if axes.len() != sizes.len() {
        return Err(OpError::invalid(format!("{} sizes for {} axes", sizes.len(), axes.len())));
    }
    let mut shape: Shape = x.iter().copied().collect();
    for (&a, &size) in axes.iter().zip(sizes) {
        shape[axis(a, x.len())?] = usize::try_from(size).map_err(|_| OpError::invalid(format!("{size} is no size")))?;
    }
    checked_elements(&shape)?;
    Ok(shape)
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let sizes = a.ints(1, "the shape")?.unwrap_or_default();
    Ok(vec![TensorType { dtype: x.dtype, shape: resolve(&x.shape, &sizes, a.attrs.ints("axes"))? }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let shape = resolve(x.shape(), &a.input(1)?.to_i64_vec().unwrap_or_default(), a.attrs.ints("axes"))?;
    // Index in the input of index 0 of the output: rounded down where elements are removed, and where they are added the
    // smaller half stands in front.
    let shift: Vec<i64> = x
        .shape()
        .iter()
        .zip(&shape)
        .map(|(&from, &to)| if to <= from { ((from - to) / 2) as i64 } else { -(((to - from) / 2) as i64) })
        .collect();
    let strides = row_major_strides(x.shape());
    let size = x.dtype().size();
    let mut out = Vec::new();
    each_index(&shape, |index| {
        let source = (0..index.len()).try_fold(0usize, |sum, d| {
            let at = index[d] as i64 + shift[d];
            (0..x.shape()[d] as i64).contains(&at).then(|| sum + at as usize * strides[d])
        });
        match source {
            Some(s) => out.extend_from_slice(&x.bytes()[s * size..(s + 1) * size]),
            None => out.resize(out.len() + size, 0),
        }
    });
    Ok(vec![from_bytes(TensorType { dtype: x.dtype(), shape }, out)])
}
