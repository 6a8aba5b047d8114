//! `MaxUnpool`.

use crate::shape::axes::checked_elements;
use crate::{AttrDef, AttrKind, Attrs, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Shape, Tensor, TensorType};

/// Zeros, with the elements of a pool's result at the positions they came from.
///
/// The positions count in a tensor of the shape that follows from the window; where another shape is given, they are
/// brought to it by their coordinates.
pub static OP: OpDef = OpDef {
    name: "MaxUnpool",
    domain: "",
    doc: "A pool's maxima at the positions they came from.",
    inputs: &[Param::one("x"), Param::one("i"), Param::optional("output_shape")],
    outputs: &[Param::one("output")],
    attrs: &[
        AttrDef::new("kernel_shape", AttrKind::Ints, Default::Required),
        AttrDef::new("pads", AttrKind::Ints, Default::Absent),
        AttrDef::new("strides", AttrKind::Ints, Default::Absent),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn unpooled(x: &[usize], attrs: &Attrs) -> Result<Shape, OpError> {
    let axes = x.len() - 2;
    let list = |name: &str, count: usize, default: i64| -> Result<Vec<i64>, OpError> {
        let list = attrs.ints(name).map_or_else(|| vec![default; count], <[i64]>::to_vec);
        if list.len() != count || list.iter().any(|v| !(0..1 << 20).contains(v)) {
            return Err(OpError::invalid(format!("{name} must be {count} numbers, got {list:?}")));
        }
        Ok(list)
    };
    let (kernel, strides, pads) =
        (list("kernel_shape", axes, 1)?, list("strides", axes, 1)?, list("pads", 2 * axes, 0)?);
    let mut shape: Shape = x[..2].iter().copied().collect();
    for i in 0..axes {
        let size = (x[i + 2] as i64 - 1) * strides[i] - pads[i] - pads[axes + i] + kernel[i];
        shape.push(usize::try_from(size).map_err(|_| OpError::invalid(format!("a window gives {size} elements")))?);
    }
    checked_elements(&shape)?;
    Ok(shape)
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, i) = (a.ty(0)?, a.ty(1)?);
    if x.rank() < 3 || i.shape != x.shape || !i.dtype.is_int() {
        return Err(OpError::invalid(format!("positions {i} do not fit {x}")));
    }
    let own = unpooled(&x.shape, a.attrs)?;
    let shape = match a.ints(2, "the output shape")? {
        None => own,
        Some(dims) => {
            let shape: Option<Shape> = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
            let fits = |s: &Shape| s.len() == x.rank() && s[..2] == x.shape[..2];
            shape.filter(fits).ok_or_else(|| OpError::invalid(format!("{x} does not become {dims:?}")))?
        }
    };
    checked_elements(&shape)?;
    Ok(vec![TensorType { dtype: x.dtype, shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let own = unpooled(x.shape(), a.attrs)?;
    let shape: Shape = match a.opt_ints(2)? {
        Some(dims) => dims.iter().map(|&d| d as usize).collect(),
        None => own.clone(),
    };
    let size = x.dtype().size();
    let ty = TensorType { dtype: x.dtype(), shape };
    let mut out = vec![0u8; ty.bytes()];
    let outside = |p: i64| OpError::invalid(format!("position {p} lies outside of the result"));
    for (from, &p) in a.opt_ints(1)?.unwrap_or_default().iter().enumerate() {
        let mut rest = usize::try_from(p).map_err(|_| outside(p))?;
        let (mut to, mut step) = (0, 1);
        // The same flat position if both shapes are equal; else by coordinates, the last axis first.
        for d in (0..own.len()).rev() {
            let at = if d == 0 { rest } else { rest % own[d].max(1) };
            rest /= own[d].max(1);
            if at >= ty.shape[d] {
                return Err(outside(p));
            }
            to += at * step;
            step *= ty.shape[d];
        }
        out[to * size..(to + 1) * size].copy_from_slice(&x.bytes()[from * size..(from + 1) * size]);
    }
    Tensor::from_bytes(ty, out.into()).map(|t| vec![t]).map_err(|e| OpError::invalid(e.to_string()))
}
