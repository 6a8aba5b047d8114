//! `GridSample`.

use crate::index::each_index;
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType, row_major_strides};

/// Elements at the positions that a grid names: -1 and 1 are the ends of an axis, the last axis stands first.
pub static OP: OpDef = OpDef {
    name: "GridSample",
    domain: "",
    doc: "Elements at the positions that a grid names.",
    inputs: &[Param::one("x"), Param::one("grid")],
    outputs: &[Param::one("y")],
    attrs: &[
        AttrDef::new("align_corners", AttrKind::Int, Default::Int(0)),
        AttrDef::new("mode", AttrKind::Str, Default::Str("linear")),
        AttrDef::new("padding_mode", AttrKind::Str, Default::Str("zeros")),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, grid) = (a.ty(0)?, a.ty(1)?);
    // Before operator set 20 the modes had the names of two axes.
    match a.attrs.str("mode") {
        Some("bilinear") => a.attrs.set("mode", AttrValue::Str("linear".into())),
        Some("bicubic") => a.attrs.set("mode", AttrValue::Str("cubic".into())),
        Some("linear" | "nearest" | "cubic") => {}
        other => return Err(OpError::invalid(format!("unknown mode {other:?}"))),
    }
    if !matches!(a.attrs.str("padding_mode"), Some("zeros" | "border" | "reflection")) {
        return Err(OpError::invalid(format!("unknown padding_mode {:?}", a.attrs.str("padding_mode"))));
    }
    let axes = x.rank().saturating_sub(2);
    let fits = axes > 0
        && grid.rank() == x.rank()
        && grid.shape[0] == x.shape[0]
        && grid.shape[grid.rank() - 1] == axes
        && grid.dtype.is_float()
        && x.dtype != DType::Bool;
    if !fits || x.shape[2..].contains(&0) {
        return Err(OpError::invalid(format!("the grid {grid} does not fit {x}")));
    }
    let shape = x.shape[..2].iter().chain(&grid.shape[1..grid.rank() - 1]).copied();
    Ok(vec![TensorType::new(x.dtype, shape)])
}

/// How positions outside are treated along one axis.
#[derive(Clone, Copy)]
struct Axis<'a> {
    size: usize,
    aligned: bool,
    padding: &'a str,
}

impl Axis<'_> {
    /// The ends at which positions are reflected.
    fn ends(self) -> (f64, f64) {
        let last = self.size as f64 - 1.0;
        if self.aligned { (0.0, last) } else { (-0.5, last + 0.5) }
    }

    /// A position from -1..1, moved inside.
    fn position(self, n: f64, mode: &str) -> f64 {
        let size = self.size as f64;
        let at = if self.aligned { (n + 1.0) / 2.0 * (size - 1.0) } else { ((n + 1.0) * size - 1.0) / 2.0 };
        let at = if mode == "nearest" { at.round_ties_even() } else { at };
        let (low, high) = self.ends();
        match self.padding {
            _ if (low..=high).contains(&at) => at,
            "border" => at.clamp(0.0, size - 1.0),
            "reflection" => self.reflected(at),
            _ => at,
        }
    }

    fn reflected(self, at: f64) -> f64 {
        let (low, high) = self.ends();
        let range = high - low;
        if range <= 0.0 || !at.is_finite() {
            return low.max(0.0);
        }
        let beyond = if at < low { low - at } else { at - high };
        if beyond <= 0.0 {
            return at;
        }
        let turns = (beyond / range).floor();
        let rest = beyond - turns * range;
        if (at < low) == (turns % 2.0 == 0.0) { low + rest } else { high - rest }
    }

    /// The element of a tap; `None` is zero.
    fn index(self, tap: f64) -> Option<usize> {
        let last = self.size as f64 - 1.0;
        match self.padding {
            _ if (0.0..=last).contains(&tap) => Some(tap as usize),
            "border" => Some(tap.clamp(0.0, last) as usize),
            "reflection" => Some(self.reflected(tap).clamp(0.0, last) as usize),
            _ => None,
        }
    }

    fn taps(self, n: f64, mode: &str) -> Vec<(Option<usize>, f64)> {
        /// Coefficient of the cubic kernel.
        const A: f64 = -0.75;
        let at = self.position(n, mode);
        let below = at.floor();
        let t = at - below;
        let near = |d: f64| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
        let far = |d: f64| ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A;
        let taps = match mode {
            "nearest" => vec![(at, 1.0)],
            "linear" => vec![(below, 1.0 - t), (below + 1.0, t)],
            _ => vec![
                (below - 1.0, far(t + 1.0)),
                (below, near(t)),
                (below + 1.0, near(1.0 - t)),
                (below + 2.0, far(2.0 - t)),
            ],
        };
        taps.into_iter().map(|(p, w)| (self.index(p), w)).collect()
    }
}

/// Sum over the product of the axes' taps.
fn weighted(taps: &[Vec<(Option<usize>, f64)>], strides: &[usize], base: usize, data: &[f64]) -> f64 {
    let Some((first, rest)) = taps.split_first() else { return data[base] };
    let inside = first.iter().filter_map(|&(p, w)| p.filter(|_| w != 0.0).map(|p| (p, w)));
    inside.map(|(p, w)| w * weighted(rest, &strides[1..], base + p * strides[0], data)).sum()
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, grid) = (a.input(0)?, a.input(1)?);
    let mode = a.attrs.str("mode").unwrap_or("linear");
    let padding = a.attrs.str("padding_mode").unwrap_or("zeros");
    let aligned = a.attrs.int("align_corners") == Some(1);
    let (data, positions) = (x.to_f64_vec(), grid.to_f64_vec());
    let spatial = &x.shape()[2..];
    let axes: Vec<Axis<'_>> = spatial.iter().map(|&size| Axis { size, aligned, padding }).collect();
    let strides = row_major_strides(spatial);
    let pixels: usize = spatial.iter().product();
    let out = &grid.shape()[1..grid.rank() - 1];
    let points: usize = out.iter().product();
    let (batch, channels, rank) = (x.shape()[0], x.shape()[1], axes.len());
    let mut y = vec![0.0; batch * channels * points];
    for n in 0..batch {
        let mut p = 0;
        each_index(out, |_| {
            let at = &positions[(n * points + p) * rank..][..rank];
            let taps: Vec<_> = axes.iter().zip(at.iter().rev()).map(|(axis, &v)| axis.taps(v, mode)).collect();
            for c in 0..channels {
                let plane = &data[(n * channels + c) * pixels..][..pixels];
                y[(n * channels + c) * points + p] = weighted(&taps, &strides, 0, plane);
            }
            p += 1;
        });
    }
    let shape = [batch, channels].into_iter().chain(out.iter().copied());
    Ok(vec![Tensor::from_f64(x.dtype(), shape, &y)])
}
