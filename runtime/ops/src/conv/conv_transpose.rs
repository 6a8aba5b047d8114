//! `ConvTranspose`.

use crate::{AttrDef, AttrKind, AttrValue, Attrs, Default, EvalArgs, InferArgs, OpDef, OpError, Param};
use qcc_tensor::{Element, Tensor, TensorType};

/// Transposed convolution; weights `[I, O / group, kernel…]`, channels first. Sums in f64, rounded once.
pub static OP: OpDef = OpDef {
    name: "ConvTranspose",
    domain: "",
    doc: "Transposed convolution of x with w, plus a bias per output channel.",
    inputs: &[Param::one("x"), Param::one("w"), Param::optional("b")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("auto_pad", AttrKind::Str, Default::Str("NOTSET")),
        AttrDef::new("dilations", AttrKind::Ints, Default::Computed),
        AttrDef::new("group", AttrKind::Int, Default::Int(1)),
        AttrDef::new("kernel_shape", AttrKind::Ints, Default::Absent),
        AttrDef::new("output_padding", AttrKind::Ints, Default::Computed),
        AttrDef::new("output_shape", AttrKind::Ints, Default::Absent),
        AttrDef::new("pads", AttrKind::Ints, Default::Computed),
        AttrDef::new("strides", AttrKind::Ints, Default::Computed),
    ],
    elementwise: false,
    infer,
    eval,
    macs,
};

fn list(attrs: &Attrs, name: &str, count: usize, default: i64) -> Result<Vec<usize>, OpError> {
    let values = attrs.ints(name).map_or_else(|| vec![default; count], <[i64]>::to_vec);
    if values.len() != count || values.iter().any(|&v| !(0..1 << 20).contains(&v)) {
        return Err(OpError::invalid(format!("{name} must be {count} numbers that are not negative, got {values:?}")));
    }
    Ok(values.iter().map(|&v| v as usize).collect())
}

/// Positions along an axis that the windows of so many pixels reach.
fn full(pixels: usize, stride: usize, kernel: usize, dilation: usize) -> usize {
    stride * pixels.saturating_sub(1) + kernel.saturating_sub(1) * dilation + 1
}

/// Whether weights fit an input.
fn fits(x: &[usize], w: &[usize], group: usize) -> Result<(), OpError> {
    if x.len() >= 3 && w.len() == x.len() && x[1] == w[0] && group > 0 && x[1].is_multiple_of(group) {
        return Ok(());
    }
    Err(OpError::invalid(format!("weights {w:?} do not fit an input {x:?} in {group} groups")))
}

fn nothing_left() -> OpError {
    OpError::invalid("the pads remove more than there is")
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, w) = (a.ty(0)?.clone(), a.ty(1)?.clone());
    let group = a.attrs.int("group").unwrap_or(1).max(1) as usize;
    if !x.dtype.is_float() || x.dtype != w.dtype {
        return Err(OpError::invalid(format!("input {x} and weights {w} do not fit")));
    }
    fits(&x.shape, &w.shape, group)?;
    let axes = x.rank() - 2;
    a.attrs.remove("kernel_shape");
    let (mut pads, strides) = (list(a.attrs, "pads", 2 * axes, 0)?, list(a.attrs, "strides", axes, 1)?);
    let (dilations, mut extra) = (list(a.attrs, "dilations", axes, 1)?, list(a.attrs, "output_padding", axes, 0)?);
    let full = |i: usize, extra: usize| full(x.shape[i + 2], strides[i], w.shape[i + 2], dilations[i]) + extra;
    let auto = a.attrs.str("auto_pad").unwrap_or("NOTSET").to_string();
    let same = auto == "SAME_UPPER" || auto == "SAME_LOWER";
    if !same && auto != "NOTSET" && auto != "VALID" {
        return Err(OpError::invalid(format!("unknown auto_pad `{auto}`")));
    }
    if auto == "VALID" {
        pads = vec![0; 2 * axes];
    }
    if a.attrs.get("output_shape").is_some() || same {
        let sizes = match a.attrs.get("output_shape") {
            Some(_) => list(a.attrs, "output_shape", axes, 0)?,
            None => (0..axes).map(|i| strides[i] * x.shape[i + 2]).collect(),
        };
        for i in 0..axes {
            // What is too much is cut off at both ends; what is missing is added behind.
            let total = full(i, extra[i]).saturating_sub(sizes[i]);
            let (small, large) = (total / 2, total - total / 2);
            (pads[i], pads[axes + i]) = if auto == "SAME_UPPER" { (small, large) } else { (large, small) };
            extra[i] += sizes[i].saturating_sub(full(i, extra[i]));
        }
    }
    a.attrs.remove("output_shape");
    a.attrs.set("auto_pad", AttrValue::Str("NOTSET".into()));
    let ints = |v: &[usize]| AttrValue::Ints(v.iter().map(|&x| x as i64).collect());
    for (name, v) in [("pads", &pads), ("strides", &strides), ("dilations", &dilations), ("output_padding", &extra)] {
        a.attrs.set(name, ints(v));
    }
    let mut shape: qcc_tensor::Shape = [x.shape[0], w.shape[1] * group].into_iter().collect();
    for i in 0..axes {
        let size = full(i, extra[i]).checked_sub(pads[i] + pads[axes + i]);
        shape.push(size.ok_or_else(nothing_left)?);
    }
    Ok(vec![TensorType { dtype: x.dtype, shape }])
}

fn macs(inputs: &[Option<&TensorType>], _: &[TensorType], _: &Attrs) -> u64 {
    match (inputs.first().copied().flatten(), inputs.get(1).copied().flatten()) {
        (Some(x), Some(w)) => x.elements() as u64 * w.shape[1..].iter().product::<usize>() as u64,
        _ => 0,
    }
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    crate::numeric::dispatch!(floats a.input(0)?.dtype(), T => eval_as::<T>(a), "ConvTranspose")
}

fn eval_as<T: Element>(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, w) = (a.input(0)?, a.input(1)?);
    let group = a.attrs.int("group").unwrap_or(1).max(1) as usize;
    fits(x.shape(), w.shape(), group)?;
    let axes = x.rank() - 2;
    let (pads, strides) = (list(a.attrs, "pads", 2 * axes, 0)?, list(a.attrs, "strides", axes, 1)?);
    let (dilations, extra) = (list(a.attrs, "dilations", axes, 1)?, list(a.attrs, "output_padding", axes, 0)?);
    let (spatial, kernel) = (&x.shape()[2..], &w.shape()[2..]);
    let size = |i: usize| {
        (full(spatial[i], strides[i], kernel[i], dilations[i]) + extra[i]).checked_sub(pads[i] + pads[axes + i])
    };
    let out: Vec<usize> = (0..axes).map(size).collect::<Option<_>>().ok_or_else(nothing_left)?;
    let (batch, depth, per_group) = (x.shape()[0], x.shape()[1], w.shape()[1]);
    let (pixels, taps, out_pixels): (usize, usize, usize) =
        (spatial.iter().product(), kernel.iter().product(), out.iter().product());
    let outputs = per_group * group;
    let bias = a.opt(2).map(|b| b.slice::<T>());
    if w.dtype() != x.dtype() || bias.is_some_and(|b| b.len() != outputs) {
        return Err(OpError::invalid(format!("weights {} or a bias do not fit {outputs} filters", w.ty())));
    }
    let mut acc: Vec<f64> =
        (0..batch * outputs * out_pixels).map(|i| bias.map_or(0.0, |b| b[i / out_pixels % outputs].to_f64())).collect();
    let (xs, ws) = (x.slice::<T>(), w.slice::<T>());
    // For every pair of input position and tap: where it lands, if inside.
    let mut landings = Vec::new();
    let mut p = 0;
    crate::index::each_index(spatial, |at| {
        let mut t = 0;
        crate::index::each_index(kernel, |k| {
            let mut index = Some(0usize);
            for i in 0..axes {
                let position = (at[i] * strides[i] + k[i] * dilations[i]).checked_sub(pads[i]).filter(|&q| q < out[i]);
                index = index.zip(position).map(|(index, q)| index * out[i] + q);
            }
            if let Some(q) = index {
                landings.push((p, t, q));
            }
            t += 1;
        });
        p += 1;
    });
    for n in 0..batch {
        for c in 0..depth {
            let first = c / (depth / group) * per_group;
            for o in 0..per_group {
                let to = (n * outputs + first + o) * out_pixels;
                let weights = (c * per_group + o) * taps;
                for &(p, t, q) in &landings {
                    acc[to + q] += xs[(n * depth + c) * pixels + p].to_f64() * ws[weights + t].to_f64();
                }
            }
        }
    }
    let shape = [batch, outputs].into_iter().chain(out);
    Ok(vec![Tensor::new(shape, acc.into_iter().map(T::from_f64).collect())])
}
