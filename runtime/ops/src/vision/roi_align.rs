//! `RoiAlign`.

use crate::shape::axes::checked_elements;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// Regions of images brought to one size: each cell is the mean (or maximum) of samples between pixels.
pub static OP: OpDef = OpDef {
    name: "RoiAlign",
    domain: "",
    doc: "Regions of images brought to one size.",
    inputs: &[Param::one("x"), Param::one("rois"), Param::one("batch_indices")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("coordinate_transformation_mode", AttrKind::Str, Default::Str("half_pixel")),
        AttrDef::new("mode", AttrKind::Str, Default::Str("avg")),
        AttrDef::new("output_height", AttrKind::Int, Default::Int(1)),
        AttrDef::new("output_width", AttrKind::Int, Default::Int(1)),
        AttrDef::new("sampling_ratio", AttrKind::Int, Default::Int(0)),
        AttrDef::new("spatial_scale", AttrKind::Float, Default::Float(1.0)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

/// Samples along one axis of a cell; more would be a region of millions of pixels.
const SAMPLES: f64 = 4096.0;

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, rois, batch) = (a.ty(0)?, a.ty(1)?, a.ty(2)?);
    let count = rois.shape.first().copied().unwrap_or(0);
    let fits = x.rank() == 4
        && x.dtype.is_float()
        && rois.shape[..] == [count, 4]
        && rois.dtype.is_float()
        && batch.shape[..] == [count]
        && batch.dtype.is_int()
        && !x.shape[2..].contains(&0);
    if !fits {
        return Err(OpError::invalid(format!("regions {rois} of images {batch} do not fit {x}")));
    }
    if !matches!(a.attrs.str("mode"), Some("avg" | "max"))
        || !matches!(a.attrs.str("coordinate_transformation_mode"), Some("half_pixel" | "output_half_pixel"))
    {
        return Err(OpError::invalid("mode must be avg or max, positions half_pixel or output_half_pixel"));
    }
    let size = |name: &str| match a.attrs.int(name) {
        Some(n @ 1..) if n <= 1 << 20 => Ok(n as usize),
        other => Err(OpError::invalid(format!("{name} must be positive, got {other:?}"))),
    };
    let shape = [count, x.shape[1], size("output_height")?, size("output_width")?];
    checked_elements(&shape)?;
    if a.attrs.int("sampling_ratio").is_none_or(|r| r < 0 || r as f64 > SAMPLES) {
        return Err(OpError::invalid("sampling_ratio must not be negative"));
    }
    Ok(vec![TensorType::new(x.dtype, shape)])
}

/// Pixels and weights along one axis of a position; `None` outside of the image.
fn taps(at: f64, size: usize) -> Option<[(usize, f64); 2]> {
    if !(-1.0..=size as f64).contains(&at) {
        return None;
    }
    let at = at.max(0.0);
    let low = at as usize;
    if low + 1 >= size {
        return Some([(size - 1, 1.0), (size - 1, 0.0)]);
    }
    let t = at - low as f64;
    Some([(low, 1.0 - t), (low + 1, t)])
}

/// Where the samples of every cell lie along one axis.
fn samples(start: f64, length: f64, cells: usize, ratio: i64) -> Result<(f64, usize), OpError> {
    let cell = length / cells as f64;
    let count = if ratio > 0 { ratio as f64 } else { cell.ceil() };
    if !(start.is_finite() && count <= SAMPLES) {
        return Err(OpError::unsupported(format!("a region of {length} pixels from {start} on")));
    }
    Ok((cell, count.max(0.0) as usize))
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, rois) = (a.input(0)?, a.input(1)?.to_f64_vec());
    let batch = a.opt_ints(2)?.unwrap_or_default();
    let (images, channels, height, width) = (x.shape()[0], x.shape()[1], x.shape()[2], x.shape()[3]);
    let int = |name: &str| a.attrs.int(name).unwrap_or(1);
    let (rows, columns) = (int("output_height") as usize, int("output_width") as usize);
    let half = a.attrs.str("coordinate_transformation_mode") == Some("half_pixel");
    let largest = a.attrs.str("mode") == Some("max");
    let scale = f64::from(a.attrs.float("spatial_scale").unwrap_or(1.0));
    let data = x.to_f64_vec();
    let mut y = Vec::with_capacity(batch.len() * channels * rows * columns);
    for (n, &image) in batch.iter().enumerate() {
        let image = usize::try_from(image).ok().filter(|&i| i < images);
        let image = image
            .ok_or_else(|| OpError::invalid(format!("a region lies in image {}, there are {images}", batch[n])))?;
        let corner = |i: usize| rois[n * 4 + i] * scale - if half { 0.5 } else { 0.0 };
        let (left, top) = (corner(0), corner(1));
        let length = |to: usize, from: f64| if half { corner(to) - from } else { (corner(to) - from).max(1.0) };
        let (cell_w, samples_w) = samples(left, length(2, left), columns, int("sampling_ratio"))?;
        let (cell_h, samples_h) = samples(top, length(3, top), rows, int("sampling_ratio"))?;
        for c in 0..channels {
            let plane = &data[(image * channels + c) * height * width..][..height * width];
            for row in 0..rows {
                for column in 0..columns {
                    let (mut sum, mut top_value) = (0.0, None);
                    for i in 0..samples_h {
                        let at = top + row as f64 * cell_h + (i as f64 + 0.5) * cell_h / samples_h as f64;
                        let vertical = taps(at, height);
                        for j in 0..samples_w {
                            let at = left + column as f64 * cell_w + (j as f64 + 0.5) * cell_w / samples_w as f64;
                            // Outside of the image everything is zero.
                            let (mut value, mut most) = (0.0, f64::NEG_INFINITY);
                            match (vertical, taps(at, width)) {
                                (Some(v), Some(h)) => {
                                    for (py, wy) in v {
                                        for (px, wx) in h {
                                            let part = wy * wx * plane[py * width + px];
                                            value += part;
                                            most = most.max(part);
                                        }
                                    }
                                }
                                _ => most = 0.0,
                            }
                            sum += value;
                            top_value = Some(top_value.map_or(most, |t: f64| t.max(most)));
                        }
                    }
                    let count = (samples_h * samples_w).max(1) as f64;
                    y.push(if largest { top_value.unwrap_or(0.0) } else { sum / count });
                }
            }
        }
    }
    Ok(vec![Tensor::from_f64(x.dtype(), [batch.len(), channels, rows, columns], &y)])
}
