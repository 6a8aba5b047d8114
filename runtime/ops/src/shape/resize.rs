//! `Resize`.

use super::axes::{axis, checked_elements};
use crate::numeric::dispatch;
use crate::{AttrDef, AttrKind, AttrValue, Attrs, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Shape, Tensor, TensorType, row_major_strides};

/// Resampling along axes: nearest, linear or cubic. The interpolation is separable; sums are kept in f64 and rounded once.
pub static OP: OpDef = OpDef {
    name: "Resize",
    domain: "",
    doc: "Resampling along axes, by scales or to sizes.",
    inputs: &[Param::one("x"), Param::optional("roi"), Param::optional("scales"), Param::optional("sizes")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("antialias", AttrKind::Int, Default::Int(0)),
        AttrDef::new("axes", AttrKind::Ints, Default::Absent),
        AttrDef::new("coordinate_transformation_mode", AttrKind::Str, Default::Str("half_pixel")),
        AttrDef::new("cubic_coeff_a", AttrKind::Float, Default::Float(-0.75)),
        AttrDef::new("exclude_outside", AttrKind::Int, Default::Int(0)),
        AttrDef::new("extrapolation_value", AttrKind::Float, Default::Float(0.0)),
        AttrDef::new("keep_aspect_ratio_policy", AttrKind::Str, Default::Str("stretch")),
        AttrDef::new("mode", AttrKind::Str, Default::Str("nearest")),
        AttrDef::new("nearest_mode", AttrKind::Str, Default::Str("round_prefer_floor")),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

const TRANSFORMS: [&str; 7] = [
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
    "tf_half_pixel_for_nn",
];
const NEAREST: [&str; 4] = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];
const POLICIES: [&str; 3] = ["stretch", "not_larger", "not_smaller"];

/// One resampled axis.
struct Axis {
    input: usize,
    output: usize,
    scale: f64,
    /// Start and end of the region, in fractions of the axis.
    region: (f64, f64),
}

/// What every axis becomes; axes that are not named keep their size.
fn resolve(
    shape: &[usize],
    attrs: &Attrs,
    region: Option<Vec<f64>>,
    scales: Option<Vec<f64>>,
    sizes: Option<Vec<i64>>,
) -> Result<Vec<Axis>, OpError> {
    let rank = shape.len();
    let named: Vec<usize> = match attrs.ints("axes") {
        Some(list) => list.iter().map(|&v| axis(v, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    let mut out: Vec<Axis> =
        shape.iter().map(|&d| Axis { input: d, output: d, scale: 1.0, region: (0.0, 1.0) }).collect();
    let entries = |what: &str, got: usize| {
        if got == named.len() {
            return Ok(());
        }
        Err(OpError::invalid(format!("{what} must have one entry for each of {} axes, got {got}", named.len())))
    };
    match (scales, sizes) {
        (Some(_), Some(_)) | (None, None) => {
            return Err(OpError::invalid("exactly one of scales and sizes must be given"));
        }
        (Some(scales), None) => {
            entries("scales", scales.len())?;
            for (&at, &scale) in named.iter().zip(&scales) {
                let size = (shape[at] as f64 * scale).floor();
                if !(scale > 0.0 && scale.is_finite() && size < 1e12) {
                    return Err(OpError::invalid(format!("a scale must be positive, got {scale}")));
                }
                (out[at].scale, out[at].output) = (scale, size as usize);
            }
        }
        (None, Some(sizes)) => {
            entries("sizes", sizes.len())?;
            let policy = attrs.str("keep_aspect_ratio_policy").unwrap_or("stretch");
            let ratios: Vec<f64> = named.iter().zip(&sizes).map(|(&at, &s)| s as f64 / shape[at] as f64).collect();
            let common = match policy {
                "not_larger" => Some(ratios.iter().copied().fold(f64::INFINITY, f64::min)),
                "not_smaller" => Some(ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
                _ => None,
            };
            for (i, &at) in named.iter().enumerate() {
                let size = usize::try_from(sizes[i])
                    .map_err(|_| OpError::invalid(format!("a size must not be negative, got {}", sizes[i])))?;
                // Half of a position rounds up.
                let size = common.map_or(size, |c| (c * shape[at] as f64 + 0.5).floor() as usize);
                (out[at].scale, out[at].output) = (common.unwrap_or(ratios[i]), size);
            }
        }
    }
    if attrs.str("coordinate_transformation_mode") == Some("tf_crop_and_resize") {
        let region = region.ok_or_else(|| OpError::invalid("tf_crop_and_resize needs a region"))?;
        if region.len() != 2 * named.len() {
            return Err(OpError::invalid(format!("the region must have {} entries", 2 * named.len())));
        }
        for (i, &at) in named.iter().enumerate() {
            out[at].region = (region[i], region[i + named.len()]);
        }
    }
    if out.iter().any(|a| a.input == 0 && a.output > 0) {
        return Err(OpError::invalid("an axis without elements cannot be resampled"));
    }
    Ok(out)
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?.clone();
    for (name, known) in [
        ("coordinate_transformation_mode", &TRANSFORMS[..]),
        ("mode", &["nearest", "linear", "cubic"][..]),
        ("nearest_mode", &NEAREST[..]),
        ("keep_aspect_ratio_policy", &POLICIES[..]),
    ] {
        let value = a.attrs.str(name).unwrap_or_default();
        if !known.contains(&value) {
            return Err(OpError::invalid(format!("{name} is `{value}`, expected one of {known:?}")));
        }
    }
    let nearest = a.attrs.str("mode") == Some("nearest");
    if a.attrs.int("antialias") == Some(1) && nearest {
        return Err(OpError::invalid("there is no antialiasing to the nearest element"));
    }
    if !nearest && x.dtype == qcc_tensor::DType::Bool {
        return Err(OpError::invalid(format!("{x} can be resampled to the nearest element only")));
    }
    let floats = |i: usize, what: &str| match (a.opt_ty(i), a.value(i)) {
        (Some(ty), Some(v)) if ty.elements() > 0 => Ok(Some(v.to_f64_vec())),
        (Some(ty), None) if ty.elements() > 0 => {
            Err(OpError::dynamic(format!("{what} are computed from run-time data, so the shape is not known")))
        }
        _ => Ok(None),
    };
    let scales = floats(2, "scales")?;
    let sizes = a.ints(3, "the list of sizes")?.filter(|s| !s.is_empty() || x.rank() == 0);
    // The region moves coordinates but not the output shape.
    let region = a.opt_ty(1).map(|ty| vec![0.0; ty.elements()]);
    if let Some(list) = a.attrs.ints("axes") {
        let axes: Vec<i64> = list.iter().map(|&v| axis(v, x.rank()).map(|v| v as i64)).collect::<Result<_, _>>()?;
        if (1..axes.len()).any(|i| axes[..i].contains(&axes[i])) {
            return Err(OpError::invalid(format!("an axis is named twice in {axes:?}")));
        }
        a.attrs.set("axes", AttrValue::Ints(axes));
    }
    let shape: Shape = resolve(&x.shape, a.attrs, region, scales, sizes)?.iter().map(|a| a.output).collect();
    checked_elements(&shape)?;
    Ok(vec![TensorType { dtype: x.dtype, shape }])
}

/// Position in the input of output position `i`.
fn original(a: &Axis, i: usize, mode: &str) -> f64 {
    let (x, scale) = (i as f64, a.scale);
    // The size before rounding down.
    let resized = scale * a.input as f64;
    match mode {
        "half_pixel_symmetric" => {
            let adjustment = a.output as f64 / resized;
            let centre = a.input as f64 / 2.0;
            centre * (1.0 - adjustment) + (x + 0.5) / scale - 0.5
        }
        "pytorch_half_pixel" if a.output <= 1 => -0.5,
        "align_corners" if a.output <= 1 => 0.0,
        "align_corners" => x * (a.input as f64 - 1.0) / (resized - 1.0),
        "asymmetric" => x / scale,
        "tf_half_pixel_for_nn" => (x + 0.5) / scale,
        "tf_crop_and_resize" => {
            let (start, end) = a.region;
            let last = a.input as f64 - 1.0;
            if a.output > 1 {
                start * last + x * (end - start) * last / (resized - 1.0)
            } else {
                0.5 * (start + end) * last
            }
        }
        _ => (x + 0.5) / scale - 0.5,
    }
}

/// Input positions and weights of one output position; `None` where it lies outside the region.
type Taps = Option<Vec<(usize, f64)>>;

fn taps(a: &Axis, i: usize, attrs: &Attrs) -> Taps {
    if a.scale == 1.0
        && a.input == a.output
        && attrs.str("coordinate_transformation_mode") != Some("tf_crop_and_resize")
    {
        return Some(vec![(i, 1.0)]);
    }
    let mode = attrs.str("coordinate_transformation_mode").unwrap_or("half_pixel");
    let at = original(a, i, mode);
    let last = a.input as f64 - 1.0;
    if mode == "tf_crop_and_resize" && !(0.0..=last).contains(&at) {
        return None;
    }
    let clamped = |p: f64| p.clamp(0.0, last) as usize;
    let below = at.floor();
    let t = at - below;
    let mut taps: Vec<(f64, f64)> = match attrs.str("mode") {
        Some(kind @ ("linear" | "cubic")) if attrs.int("antialias") == Some(1) && a.scale < 1.0 => {
            stretched(at, a.scale, kind == "cubic", f64::from(attrs.float("cubic_coeff_a").unwrap_or(-0.75)))
        }
        Some("linear") => vec![(below, 1.0 - t), (below + 1.0, t)],
        Some("cubic") => {
            let c = f64::from(attrs.float("cubic_coeff_a").unwrap_or(-0.75));
            let near = |d: f64| ((c + 2.0) * d - (c + 3.0)) * d * d + 1.0;
            let far = |d: f64| ((c * d - 5.0 * c) * d + 8.0 * c) * d - 4.0 * c;
            vec![
                (below - 1.0, far(t + 1.0)),
                (below, near(t)),
                (below + 1.0, near(1.0 - t)),
                (below + 2.0, far(2.0 - t)),
            ]
        }
        _ => {
            let p = match attrs.str("nearest_mode") {
                Some("floor") => below,
                Some("ceil") => at.ceil(),
                Some("round_prefer_ceil") => (at + 0.5).floor(),
                _ => (at - 0.5).ceil(),
            };
            return Some(vec![(clamped(p), 1.0)]);
        }
    };
    if attrs.int("exclude_outside") == Some(1) {
        taps.retain(|(p, _)| (0.0..=last).contains(p));
        let sum: f64 = taps.iter().map(|t| t.1).sum();
        taps.iter_mut().for_each(|t| t.1 /= sum);
    }
    Some(taps.into_iter().filter(|t| t.1 != 0.0).map(|(p, w)| (clamped(p), w)).collect())
}

/// Where an axis shrinks, the kernel is stretched to cover as many elements as become one.
fn stretched(at: f64, scale: f64, cubic: bool, c: f64) -> Vec<(f64, f64)> {
    let weight = |d: f64| match (cubic, d) {
        (false, d) => (1.0 - d).max(0.0),
        (true, d) if d <= 1.0 => ((c + 2.0) * d - (c + 3.0)) * d * d + 1.0,
        (true, d) if d < 2.0 => ((c * d - 5.0 * c) * d + 8.0 * c) * d - 4.0 * c,
        (true, _) => 0.0,
    };
    let reach = if cubic { 2.0 } else { 1.0 } / scale;
    let mut taps = Vec::new();
    let mut p = (at - reach).ceil();
    while p <= at + reach {
        taps.push((p, weight((p - at).abs() * scale)));
        p += 1.0;
    }
    let sum: f64 = taps.iter().map(|t| t.1).sum();
    taps.iter_mut().for_each(|t| t.1 /= sum);
    taps
}

/// Sum over the product of the axes' taps.
fn weighted(axes: &[&[(usize, f64)]], strides: &[usize], base: usize, value: &impl Fn(usize) -> f64) -> f64 {
    match axes.split_first() {
        None => value(base),
        Some((&[(p, 1.0)], rest)) => weighted(rest, &strides[1..], base + p * strides[0], value),
        Some((&taps, rest)) => {
            taps.iter().map(|&(p, w)| w * weighted(rest, &strides[1..], base + p * strides[0], value)).sum()
        }
    }
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let floats = |i: usize| a.opt(i).filter(|t| t.elements() > 0).map(Tensor::to_f64_vec);
    let sizes = a.opt(3).and_then(Tensor::to_i64_vec).filter(|s| !s.is_empty() || x.rank() == 0);
    let axes = resolve(x.shape(), a.attrs, floats(1), floats(2), sizes)?;
    let shape: Shape = axes.iter().map(|a| a.output).collect();
    let table: Vec<Vec<Taps>> =
        axes.iter().map(|axis| (0..axis.output).map(|i| taps(axis, i, a.attrs)).collect()).collect();
    let strides = row_major_strides(x.shape());
    let outside = f64::from(a.attrs.float("extrapolation_value").unwrap_or(0.0));
    let nearest = a.attrs.str("mode") == Some("nearest");
    dispatch!(all x.dtype(), T => {
        let data = x.slice::<T>();
        let mut y: Vec<T> = Vec::new();
        let mut here: Vec<&[(usize, f64)]> = Vec::new();
        crate::index::each_index(&shape, |index| {
            here.clear();
            here.extend(index.iter().zip(&table).map_while(|(&i, t)| t[i].as_deref()));
            y.push(if here.len() < index.len() {
                T::from_f64(outside)
            } else if nearest {
                data[here.iter().zip(&strides).map(|(t, s)| t[0].0 * s).sum::<usize>()]
            } else {
                let v = weighted(&here, &strides, 0, &|i| data[i].to_f64());
                T::from_f64(if x.dtype().is_float() { v } else { v.round_ties_even() })
            });
        });
        Ok(vec![Tensor::new(shape, y)])
    }, "Resize")
}
