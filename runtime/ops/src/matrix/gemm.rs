//! `Gemm`.

use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, Attrs, Default, EvalArgs, InferArgs, OpDef, OpError, Param};
use qcc_tensor::{Element, Tensor, TensorType, broadcast_shapes};

/// `alpha * a' * b' + beta * c` of two matrices, each transposed or not; summed in f64, rounded once.
pub static OP: OpDef = OpDef {
    name: "Gemm",
    domain: "",
    doc: "alpha * a * b + beta * c of two matrices.",
    inputs: &[Param::one("a"), Param::one("b"), Param::optional("c")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("alpha", AttrKind::Float, Default::Float(1.0)),
        AttrDef::new("beta", AttrKind::Float, Default::Float(1.0)),
        AttrDef::new("transA", AttrKind::Int, Default::Int(0)),
        AttrDef::new("transB", AttrKind::Int, Default::Int(0)),
    ],
    elementwise: false,
    infer,
    eval,
    macs,
};

fn sizes(a: &[usize], b: &[usize], attrs: &Attrs) -> Result<(usize, usize, usize), OpError> {
    if a.len() != 2 || b.len() != 2 {
        return Err(OpError::invalid(format!("the operands must be matrices, got shapes {a:?} and {b:?}")));
    }
    let (ta, tb) = (attrs.int("transA") == Some(1), attrs.int("transB") == Some(1));
    let (m, k) = if ta { (a[1], a[0]) } else { (a[0], a[1]) };
    let (k2, n) = if tb { (b[1], b[0]) } else { (b[0], b[1]) };
    if k != k2 {
        return Err(OpError::invalid(format!("{k} columns meet {k2} rows (shapes {a:?} and {b:?})")));
    }
    Ok((m, k, n))
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, y) = (a.ty(0)?, a.ty(1)?);
    let (m, _, n) = sizes(&x.shape, &y.shape, a.attrs)?;
    if x.dtype != y.dtype || !x.dtype.is_float() || a.opt_ty(2).is_some_and(|c| c.dtype != x.dtype) {
        return Err(OpError::invalid(format!("the operands must have one float type, got {x} and {y}")));
    }
    if let Some(c) = a.opt_ty(2)
        && broadcast_shapes(&c.shape, &[m, n]).as_deref() != Some(&[m, n])
    {
        return Err(OpError::invalid(format!("the addend {c} does not broadcast to [{m}, {n}]")));
    }
    Ok(vec![TensorType::new(x.dtype, [m, n])])
}

fn macs(inputs: &[Option<&TensorType>], outputs: &[TensorType], attrs: &Attrs) -> u64 {
    match (inputs.first().copied().flatten(), inputs.get(1).copied().flatten()) {
        (Some(a), Some(b)) => {
            let k = sizes(&a.shape, &b.shape, attrs).map_or(0, |s| s.1);
            outputs.iter().map(|o| o.elements() as u64).sum::<u64>() * k as u64
        }
        _ => 0,
    }
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, y) = (a.input(0)?, a.input(1)?);
    let (m, k, n) = sizes(x.shape(), y.shape(), a.attrs)?;
    let (ta, tb) = (a.attrs.int("transA") == Some(1), a.attrs.int("transB") == Some(1));
    let alpha = f64::from(a.attrs.float("alpha").unwrap_or(1.0));
    let beta = f64::from(a.attrs.float("beta").unwrap_or(1.0));
    dispatch!(floats x.dtype(), T => {
        let (xs, ys) = (x.slice::<T>(), y.slice::<T>());
        let addend = |i: usize, j: usize| a.opt(2).map_or(0.0, |c| {
            let s = c.shape();
            let (rows, columns) = match s.len() { 0 => (1, 1), 1 => (1, s[0]), _ => (s[0], s[1]) };
            let at = (if rows == 1 { 0 } else { i }) * columns + if columns == 1 { 0 } else { j };
            c.slice::<T>()[at].to_f64()
        });
        let mut out = Vec::with_capacity(m * n);
        for i in 0..m {
            for j in 0..n {
                let sum: f64 = (0..k).map(|l| {
                    let left = xs[if ta { l * m + i } else { i * k + l }].to_f64();
                    left * ys[if tb { j * k + l } else { l * n + j }].to_f64()
                }).sum();
                out.push(T::from_f64(alpha * sum + beta * addend(i, j)));
            }
        }
        Ok(vec![Tensor::new([m, n], out)])
    }, "Gemm")
}
