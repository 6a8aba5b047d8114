//! `DeformConv`.

use crate::conv::window::Window;
use crate::{AttrDef, AttrKind, AttrValue, Attrs, Default, EvalArgs, InferArgs, OpDef, OpError, Param};
use qcc_tensor::{Tensor, TensorType};

/// Convolution of images whose taps are moved by offsets and weighted by a mask; between pixels it is interpolated, outside
/// of the image there are zeros.
pub static OP: OpDef = OpDef {
    name: "DeformConv",
    domain: "",
    doc: "Convolution whose taps are moved by offsets.",
    inputs: &[Param::one("x"), Param::one("w"), Param::one("offset"), Param::optional("b"), Param::optional("mask")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("dilations", AttrKind::Ints, Default::Computed),
        AttrDef::new("group", AttrKind::Int, Default::Int(1)),
        AttrDef::new("kernel_shape", AttrKind::Ints, Default::Absent),
        AttrDef::new("offset_group", AttrKind::Int, Default::Int(1)),
        AttrDef::new("pads", AttrKind::Ints, Default::Computed),
        AttrDef::new("strides", AttrKind::Ints, Default::Computed),
    ],
    elementwise: false,
    infer,
    eval,
    macs: |inputs, outputs, attrs| crate::conv::conv_::macs(inputs, outputs, attrs),
};

fn positive(attrs: &Attrs, name: &str) -> Result<usize, OpError> {
    let n = attrs.int(name).unwrap_or(1);
    usize::try_from(n)
        .ok()
        .filter(|&n| n > 0)
        .ok_or_else(|| OpError::invalid(format!("{name} must be positive, got {n}")))
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, w, offset) = (a.ty(0)?.clone(), a.ty(1)?.clone(), a.ty(2)?.clone());
    if x.rank() != 4 || w.rank() != 4 {
        return Err(OpError::unsupported(format!(
            "a deformed convolution of {x} with {w}: images have two spatial axes"
        )));
    }
    let (group, parts) = (positive(a.attrs, "group")?, positive(a.attrs, "offset_group")?);
    let kernel = w.shape[2..].to_vec();
    let taps: usize = kernel.iter().product();
    if taps == 0
        || w.shape[1].checked_mul(group) != Some(x.shape[1])
        || w.shape[0] % group != 0
        || x.shape[1] % parts != 0
    {
        return Err(OpError::invalid(format!(
            "weights {w} do not fit {x} in {group} groups and {parts} parts of offsets"
        )));
    }
    a.attrs.remove("kernel_shape");
    let window = Window::canonicalise(a, kernel, &x.shape[2..])?;
    let out = window.outputs(&x.shape[2..], false)?;
    let shape = |c: usize| [x.shape[0], c, out[0], out[1]];
    let floats =
        |t: Option<&TensorType>, shape: &[usize]| t.is_none_or(|t| t.dtype == x.dtype && t.shape[..] == *shape);
    let fits = x.dtype.is_float()
        && w.dtype == x.dtype
        && floats(Some(&offset), &shape(parts * taps * 2))
        && floats(a.opt_ty(3), &[w.shape[0]])
        && floats(a.opt_ty(4), &shape(parts * taps));
    if !fits {
        return Err(OpError::invalid(format!("offsets {offset}, bias or mask do not fit {x} and {w}")));
    }
    a.attrs.set("group", AttrValue::Int(group as i64));
    Ok(vec![TensorType::new(x.dtype, shape(w.shape[0]))])
}

/// The image between its pixels.
fn sample(plane: &[f64], height: usize, width: usize, y: f64, x: f64) -> f64 {
    let (low_y, low_x) = (y.floor(), x.floor());
    let pixel = |py: f64, px: f64| {
        let inside = (0.0..height as f64).contains(&py) && (0.0..width as f64).contains(&px);
        if inside { plane[py as usize * width + px as usize] } else { 0.0 }
    };
    let (ty, tx) = (y - low_y, x - low_x);
    (1.0 - ty) * ((1.0 - tx) * pixel(low_y, low_x) + tx * pixel(low_y, low_x + 1.0))
        + ty * ((1.0 - tx) * pixel(low_y + 1.0, low_x) + tx * pixel(low_y + 1.0, low_x + 1.0))
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, w, offset) = (a.input(0)?, a.input(1)?, a.input(2)?);
    let (group, parts) = (positive(a.attrs, "group")?, positive(a.attrs, "offset_group")?);
    let window = Window::read(a.attrs, w.shape()[2..].to_vec())?;
    let (batch, channels, height, width) = (x.shape()[0], x.shape()[1], x.shape()[2], x.shape()[3]);
    let (outputs, depth, kw) = (w.shape()[0], w.shape()[1], w.shape()[3]);
    let taps = w.shape()[2] * kw;
    let (oh, ow) = (offset.shape()[2], offset.shape()[3]);
    let pixels = oh * ow;
    let (xs, ws, offsets) = (x.to_f64_vec(), w.to_f64_vec(), offset.to_f64_vec());
    let bias = a.opt(3).map(Tensor::to_f64_vec);
    let mask = a.opt(4).map(Tensor::to_f64_vec);
    let mut y = vec![0.0; batch * outputs * pixels];
    for n in 0..batch {
        for p in 0..pixels {
            let (row, column) = (p / ow, p % ow);
            // What every channel has under every tap.
            let mut found = vec![0.0; channels * taps];
            for c in 0..channels {
                let part = c / (channels / parts);
                let plane = &xs[(n * channels + c) * height * width..][..height * width];
                for t in 0..taps {
                    let moved = |d: usize| offsets[((n * parts + part) * taps * 2 + t * 2 + d) * pixels + p];
                    let base = |axis: usize, o: usize, k: usize| {
                        (o * window.strides[axis] + k * window.dilations[axis]) as f64 - window.begin[axis] as f64
                    };
                    let at_y = base(0, row, t / kw) + moved(0);
                    let at_x = base(1, column, t % kw) + moved(1);
                    let weight = mask.as_ref().map_or(1.0, |m| m[((n * parts + part) * taps + t) * pixels + p]);
                    found[c * taps + t] = weight * sample(plane, height, width, at_y, at_x);
                }
            }
            for o in 0..outputs {
                let first = o / (outputs / group) * depth;
                let weights = &ws[o * depth * taps..][..depth * taps];
                let sum: f64 = weights.iter().zip(&found[first * taps..]).map(|(w, v)| w * v).sum();
                y[(n * outputs + o) * pixels + p] = sum + bias.as_ref().map_or(0.0, |b| b[o]);
            }
        }
    }
    Ok(vec![Tensor::from_f64(x.dtype(), [batch, outputs, oh, ow], &y)])
}
