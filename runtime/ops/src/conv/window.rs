//! Geometry of sliding windows: layouts, pads, strides, dilations.

use crate::{AttrValue, Attrs, InferArgs, OpError};
use qcc_tensor::Shape;
use std::ops::Range;

/// Canonical window attributes of a node, with as many entries as there are spatial axes.
#[derive(Debug, Clone)]
pub struct Window {
    /// Taps along each axis.
    pub kernel: Vec<usize>,
    /// Distance of neighbouring windows.
    pub strides: Vec<usize>,
    /// Distance of neighbouring taps.
    pub dilations: Vec<usize>,
    /// Padding before each axis.
    pub begin: Vec<usize>,
    /// Padding after each axis.
    pub end: Vec<usize>,
}

/// Whether the channel axis is the last one.
pub(crate) fn channels_last(attrs: &Attrs) -> bool {
    attrs.str("layout") == Some("NHWC")
}

/// `(batch, channels, spatial sizes)` of an activation.
pub(crate) fn split(shape: &[usize], last: bool) -> (usize, usize, &[usize]) {
    let rank = shape.len();
    if last { (shape[0], shape[rank - 1], &shape[1..rank - 1]) } else { (shape[0], shape[1], &shape[2..]) }
}

/// The inverse of [`split`].
pub(crate) fn join(batch: usize, channels: usize, spatial: &[usize], last: bool) -> Shape {
    let mut shape = Shape::new();
    shape.push(batch);
    if !last {
        shape.push(channels);
    }
    shape.extend_from_slice(spatial);
    if last {
        shape.push(channels);
    }
    shape
}

/// Checks rank and layout of an activation.
pub(crate) fn check_activation(shape: &[usize], attrs: &Attrs) -> Result<(), OpError> {
    if shape.len() < 3 {
        return Err(OpError::invalid(format!("expected batch, channels and spatial axes, got shape {shape:?}")));
    }
    match attrs.str("layout") {
        Some("NCHW" | "NHWC") => Ok(()),
        other => Err(OpError::invalid(format!("layout must be NCHW or NHWC, got {other:?}"))),
    }
}

fn positive(attrs: &Attrs, name: &str, axes: usize) -> Result<Vec<usize>, OpError> {
    let Some(list) = attrs.ints(name) else { return Ok(vec![1; axes]) };
    if list.len() != axes || list.iter().any(|v| !(1..=1 << 20).contains(v)) {
        return Err(OpError::invalid(format!("{name} must be {axes} positive numbers, got {list:?}")));
    }
    Ok(list.iter().map(|&v| v as usize).collect())
}

impl Window {
    /// From canonical attributes.
    ///
    /// # Errors
    /// Lists of another length than `kernel`, numbers out of range.
    pub fn read(attrs: &Attrs, kernel: Vec<usize>) -> Result<Self, OpError> {
        let axes = kernel.len();
        let pads = attrs.ints("pads").map_or_else(|| vec![0; 2 * axes], <[i64]>::to_vec);
        if pads.len() != 2 * axes || pads.iter().any(|&p| !(0..1 << 20).contains(&p)) {
            return Err(OpError::invalid(format!(
                "pads must be {} numbers that are not negative, got {pads:?}",
                2 * axes
            )));
        }
        Ok(Self {
            kernel,
            strides: positive(attrs, "strides", axes)?,
            dilations: positive(attrs, "dilations", axes)?,
            begin: pads[..axes].iter().map(|&p| p as usize).collect(),
            end: pads[axes..].iter().map(|&p| p as usize).collect(),
        })
    }

    /// Resolves `auto_pad`, fills in defaults, and writes the canonical attributes back.
    pub(crate) fn canonicalise(a: &mut InferArgs<'_>, kernel: Vec<usize>, input: &[usize]) -> Result<Self, OpError> {
        let axes = kernel.len();
        if input.len() != axes {
            return Err(OpError::invalid(format!(
                "the window has {axes} axes, the input {} spatial ones",
                input.len()
            )));
        }
        let auto = a.attrs.remove("auto_pad");
        let auto = match &auto {
            Some(AttrValue::Str(s)) => s.as_str(),
            _ => "NOTSET",
        };
        if matches!(auto, "VALID" | "SAME_UPPER" | "SAME_LOWER") {
            a.attrs.set("pads", AttrValue::Ints(vec![0; 2 * axes]));
        }
        let mut window = Self::read(a.attrs, kernel)?;
        if let "SAME_UPPER" | "SAME_LOWER" = auto {
            for (i, &size) in input.iter().enumerate() {
                let out = size.div_ceil(window.strides[i]);
                let extent = (window.kernel[i] - 1) * window.dilations[i] + 1;
                let total = (out.saturating_sub(1) * window.strides[i] + extent).saturating_sub(size);
                let (small, large) = (total / 2, total - total / 2);
                (window.begin[i], window.end[i]) = if auto == "SAME_UPPER" { (small, large) } else { (large, small) };
            }
        }
        let ints = |v: &[usize]| AttrValue::Ints(v.iter().map(|&x| x as i64).collect());
        let pads: Vec<usize> = window.begin.iter().chain(&window.end).copied().collect();
        a.attrs.set("pads", ints(&pads));
        a.attrs.set("strides", ints(&window.strides));
        a.attrs.set("dilations", ints(&window.dilations));
        Ok(window)
    }

    /// Output size along axis `i`.
    pub(crate) fn output(&self, i: usize, input: usize, ceil: bool) -> Result<usize, OpError> {
        let extent = (self.kernel[i] - 1) * self.dilations[i] + 1;
        let padded = input + self.begin[i] + self.end[i];
        if padded < extent {
            return Err(OpError::invalid(format!(
                "a window of {extent} does not fit an axis of {padded}, padding included"
            )));
        }
        let span = padded - extent;
        let mut out = if ceil { span.div_ceil(self.strides[i]) } else { span / self.strides[i] } + 1;
        // The last window must start inside the input or the padding before it.
        if ceil && (out - 1) * self.strides[i] >= input + self.begin[i] {
            out -= 1;
        }
        Ok(out)
    }

    /// Output sizes along all axes.
    ///
    /// # Errors
    /// A window that does not fit.
    pub fn outputs(&self, input: &[usize], ceil: bool) -> Result<Vec<usize>, OpError> {
        (0..input.len()).map(|i| self.output(i, input[i], ceil)).collect()
    }

    /// Kernel positions along axis `i` that fall inside the input for output position `o`.
    pub(crate) fn taps(&self, i: usize, o: usize, input: usize) -> Range<usize> {
        let start = o * self.strides[i];
        let d = self.dilations[i];
        let first = self.begin[i].saturating_sub(start).div_ceil(d);
        let last = (input + self.begin[i]).saturating_sub(start).div_ceil(d);
        first..last.min(self.kernel[i]).max(first)
    }

    /// Input position of kernel position `k` for output position `o`; only for `k` in [`Self::taps`].
    pub(crate) fn input_at(&self, i: usize, o: usize, k: usize) -> usize {
        o * self.strides[i] + k * self.dilations[i] - self.begin[i]
    }

    /// Calls `f` with the flat input position and the flat kernel position of every tap inside the input, for the output
    /// position `at`.
    pub fn each_tap(&self, at: &[usize], input: &[usize], f: &mut impl FnMut(usize, usize)) {
        self.walk(0, at, input, 0, 0, f);
    }

    fn walk(
        &self,
        axis: usize,
        at: &[usize],
        input: &[usize],
        position: usize,
        kernel: usize,
        f: &mut impl FnMut(usize, usize),
    ) {
        if axis == at.len() {
            return f(position, kernel);
        }
        for k in self.taps(axis, at[axis], input[axis]) {
            let p = position * input[axis] + self.input_at(axis, at[axis], k);
            self.walk(axis + 1, at, input, p, kernel * self.kernel[axis] + k, f);
        }
    }
}
