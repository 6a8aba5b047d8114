//! `Pad`.

use super::axes::{axis, checked_elements};
use super::moved::from_bytes;
use crate::index::each_index;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType, row_major_strides};

/// Elements added (or, with negative amounts, removed) before and after each axis: a constant, the edge, a reflection, or
/// the other end (`wrap`).
pub static OP: OpDef = OpDef {
    name: "Pad",
    domain: "",
    doc: "Elements added before and after each axis.",
    inputs: &[Param::one("data"), Param::one("pads"), Param::optional("constant_value"), Param::optional("axes")],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("mode", AttrKind::Str, Default::Str("constant"))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn amounts(shape: &[usize], pads: &[i64], axes: Option<Vec<i64>>) -> Result<Vec<(i64, i64)>, OpError> {
    let axes = axes.unwrap_or_else(|| (0..shape.len() as i64).collect());
    if pads.len() != 2 * axes.len() {
        return Err(OpError::invalid(format!("pads must have {} entries, got {}", 2 * axes.len(), pads.len())));
    }
    let mut out = vec![(0, 0); shape.len()];
    for (i, &a) in axes.iter().enumerate() {
        out[axis(a, shape.len())?] = (pads[i], pads[axes.len() + i]);
    }
    for (i, &(b, e)) in out.iter().enumerate() {
        if b.unsigned_abs() > 1 << 24 || e.unsigned_abs() > 1 << 24 || shape[i] as i64 + b + e < 0 {
            return Err(OpError::invalid(format!("pads {b} and {e} do not fit an axis of {}", shape[i])));
        }
    }
    Ok(out)
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    if a.opt_ty(2).is_some_and(|v| v.dtype != x.dtype || v.elements() != 1) {
        return Err(OpError::invalid(format!("the padding value must be one {}", x.dtype)));
    }
    if !matches!(a.attrs.str("mode"), Some("constant" | "reflect" | "edge" | "wrap")) {
        return Err(OpError::invalid(format!("unknown mode {:?}", a.attrs.str("mode"))));
    }
    let pads = amounts(&x.shape, &a.ints(1, "the list of pads")?.unwrap_or_default(), a.ints(3, "the list of axes")?)?;
    let shape: Vec<usize> = x.shape.iter().zip(&pads).map(|(&d, p)| (d as i64 + p.0 + p.1) as usize).collect();
    checked_elements(&shape)?;
    Ok(vec![TensorType::new(x.dtype, shape)])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let ints = |i: usize| a.opt(i).and_then(Tensor::to_i64_vec);
    let pads = amounts(x.shape(), &ints(1).unwrap_or_default(), ints(3))?;
    let mode = a.attrs.str("mode").unwrap_or("constant");
    let size = x.dtype().size();
    let value = a.opt(2).map_or_else(|| vec![0; size], |v| v.bytes().to_vec());
    let ty = TensorType::new(x.dtype(), x.shape().iter().zip(&pads).map(|(&d, p)| (d as i64 + p.0 + p.1) as usize));
    let strides = row_major_strides(x.shape());
    let mut out = Vec::with_capacity(ty.bytes());
    // Along the last axis, elements that are side by side in the input stay so: those in front, inside, behind.
    let (rows, last) = match ty.shape.split_last() {
        Some((&last, rows)) => (rows, last),
        None => (&[][..], 1),
    };
    let along: Vec<Option<usize>> = match (pads.last(), x.shape().last()) {
        (Some(&(before, _)), Some(&n)) => {
            (0..last).map(|i| source_position(i as i64 - before, n as i64, mode)).collect()
        }
        _ => vec![Some(0)],
    };
    let runs: Vec<&[Option<usize>]> =
        along.chunk_by(|a, b| a.zip(*b).map_or(a.is_none() && b.is_none(), |(a, b)| a + 1 == b)).collect();
    each_index(rows, |index| {
        let row = (0..index.len()).try_fold(0, |row, d| {
            let at = source_position(index[d] as i64 - pads[d].0, x.shape()[d] as i64, mode)?;
            Some(row + at * strides[d])
        });
        for run in &runs {
            match row.zip(run[0]) {
                Some((row, at)) => out.extend_from_slice(&x.bytes()[(row + at) * size..][..run.len() * size]),
                None => run.iter().for_each(|_| out.extend_from_slice(&value)),
            }
        }
    });
    Ok(vec![from_bytes(ty, out)])
}

fn source_position(p: i64, n: i64, mode: &str) -> Option<usize> {
    let inside = (0..n).contains(&p);
    let at = match mode {
        _ if inside => p,
        _ if n == 0 => return None,
        "edge" => p.clamp(0, n - 1),
        "wrap" => p.rem_euclid(n),
        "reflect" if n == 1 => 0,
        "reflect" => {
            let q = p.rem_euclid(2 * (n - 1));
            if q < n { q } else { 2 * (n - 1) - q }
        }
        _ => return None,
    };
    Some(at as usize)
}

#[cfg(test)]
mod tests {
    use super::amounts;

    #[test]
    fn amounts_that_no_axis_has_are_an_error() {
        assert_eq!(amounts(&[4], &[1, -2], None).expect("they fit"), vec![(1, -2)]);
        assert!(amounts(&[4], &[-2, -3], None).is_err());
        // Their sum is zero in 64 bits.
        assert!(amounts(&[4], &[i64::MIN, i64::MIN], None).is_err());
    }
}
