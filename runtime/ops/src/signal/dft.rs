//! `DFT`.

use super::{scalar, spectrum};
use crate::reduce::over;
use crate::shape::axes::{axis, checked_elements};
use crate::{AttrDef, AttrKind, Attrs, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// Discrete Fourier transform along an axis. The last axis holds the real part, or real and imaginary part. One-sided, a
/// real signal has its frequencies up to the highest, and the inverse takes only these and gives the real signal.
pub static OP: OpDef = OpDef {
    name: "DFT",
    domain: "",
    doc: "Discrete Fourier transform along an axis.",
    inputs: &[Param::one("input"), Param::optional("dft_length"), Param::optional("axis")],
    outputs: &[Param::one("output")],
    attrs: &[
        AttrDef::new("inverse", AttrKind::Int, Default::Int(0)),
        AttrDef::new("onesided", AttrKind::Int, Default::Int(0)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

/// What a call does.
struct Plan {
    axis: usize,
    length: usize,
    inverse: bool,
    onesided: bool,
    /// Shape of the result.
    shape: Vec<usize>,
}

fn plan(x: &TensorType, length: Option<i64>, along: Option<i64>, attrs: &Attrs) -> Result<Plan, OpError> {
    let (inverse, onesided) = (attrs.int("inverse") == Some(1), attrs.int("onesided") == Some(1));
    let parts = x.shape.last().copied().unwrap_or(0);
    if x.rank() < 2 || !(parts == 1 || parts == 2) || !x.dtype.is_float() {
        return Err(OpError::invalid(format!("the last axis of {x} must hold real, or real and imaginary parts")));
    }
    let axis = axis(along.unwrap_or(-2), x.rank())?;
    if axis == x.rank() - 1 {
        return Err(OpError::invalid("the transform cannot go along the axis of real and imaginary parts"));
    }
    let default = if inverse && onesided { 2 * (x.shape[axis] as i64 - 1) } else { x.shape[axis] as i64 };
    let length = scalar::size(length.unwrap_or(default), "the length of the transform")?;
    if length == 0 {
        return Err(OpError::invalid("a transform of no elements"));
    }
    let mut shape = x.shape.to_vec();
    shape[axis] = if onesided && !inverse { length / 2 + 1 } else { length };
    shape[x.rank() - 1] = if onesided && inverse { 1 } else { 2 };
    checked_elements(&shape)?;
    Ok(Plan { axis, length, inverse, onesided, shape })
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let length = scalar::known(a, 1, "the length of the transform")?;
    let along = scalar::known(a, 2, "the axis of the transform")?;
    let x = a.ty(0)?;
    Ok(vec![TensorType::new(x.dtype, plan(x, length, along, a.attrs)?.shape)])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let number = |i: usize| a.opt(i).map(|t| scalar::integer(t, "length and axis")).transpose();
    let p = plan(x.ty(), number(1)?, number(2)?, a.attrs)?;
    let data = x.to_f64_vec();
    let parts = x.shape()[x.rank() - 1];
    let out_parts = p.shape[x.rank() - 1];
    let mut y = vec![0.0; p.shape.iter().product()];
    // Flat positions of the lines, without the last axis.
    let lines = |shape: &[usize]| {
        let mut lines: Vec<Vec<usize>> = Vec::new();
        over::groups(&shape[..shape.len() - 1], &[p.axis], |line| lines.push(line.collect()));
        lines
    };
    for (from, to) in lines(x.shape()).into_iter().zip(lines(&p.shape)) {
        let signal: Vec<spectrum::Complex> =
            from.iter().map(|&i| (data[i * parts], if parts == 2 { data[i * parts + 1] } else { 0.0 })).collect();
        if p.inverse && p.onesided {
            let real = spectrum::real_inverse(&signal, p.length);
            to.iter().zip(real).for_each(|(&i, v)| y[i] = v);
            continue;
        }
        for (&i, (re, im)) in to.iter().zip(spectrum::transform(&signal, p.length, to.len(), p.inverse)) {
            y[i * out_parts] = re;
            y[i * out_parts + 1] = im;
        }
    }
    Ok(vec![Tensor::from_f64(x.dtype(), p.shape, &y)])
}
