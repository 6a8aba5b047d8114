//! Floats reduced or normalised over the channels of each pixel: sums and extremes over the last axis, and the core of
//! layer normalisation, whose scale and bias belong to the body.

use qcc_kernel::{BinOp, KernelBuilder, UnOp};

use super::body::Body;
use super::emit::{Emitter, check};
use super::layout::{Elem, TensorLayout};
use super::twin::Twin;
use super::{Generated, row};

/// A reduction or normalisation over channels.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalizeSpec {
    /// Name for dumps and profiles.
    pub name: String,
    /// What is computed.
    pub kind: NormalizeKind,
    /// The input, F32.
    pub input: TensorLayout,
    /// The result: one channel for a reduction, else all.
    pub output: TensorLayout,
    /// Applied to every result.
    pub body: Body,
}

/// What is computed of the channels of a pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NormalizeKind {
    /// Their sum.
    Sum,
    /// The largest; the lowest number there is if none is above minus infinity.
    Max,
    /// The smallest.
    Min,
    /// `(x - mean) / sqrt(variance + epsilon)` of each, by two passes: the variance is that of the distances to the mean.
    Layer {
        /// Added to the variance.
        epsilon: f32,
    },
}

/// The kernel of a reduction or normalisation over channels.
///
/// # Errors
/// The reason why there is none: element type, shapes, a body that does not fit.
pub fn generate(spec: &NormalizeSpec) -> Result<Generated, String> {
    let (x, y) = (&spec.input, &spec.output);
    if x.elem != Elem::F32 {
        return Err(format!("a normalisation of {:?}", x.elem));
    }
    let reduces = !matches!(spec.kind, NormalizeKind::Layer { .. });
    let channels = if reduces { 1 } else { x.c };
    if (x.n, x.h, x.w, channels) != (y.n, y.h, y.w, y.c) {
        return Err(format!("{:?} of {x:?} gives {y:?}", spec.kind));
    }
    check(&spec.body, Some(Elem::F32), y)?;
    let tasks = if y.is_empty() { 0 } else { y.n * y.h * y.w };
    let tasks = u32::try_from(tasks).map_err(|_| format!("{tasks} tasks"))?;
    let mut b = KernelBuilder::new(&spec.name, tasks);
    let input = b.input("x", x.bytes());
    let out = Emitter::new(&mut b, &spec.body, Some(Elem::F32), *y, Vec::new())?;
    if tasks == 0 {
        return out.finish(b);
    }
    let (place, from) = row::of_task(&mut b, &out, input, x);
    match spec.kind {
        NormalizeKind::Sum | NormalizeKind::Max | NormalizeKind::Min => {
            let (op, neutral) = match spec.kind {
                NormalizeKind::Max => (BinOp::Max, f32::NEG_INFINITY),
                NormalizeKind::Min => (BinOp::Min, f32::INFINITY),
                _ => (BinOp::Add, 0.0),
            };
            let result = row::reduce(&mut b, x.c, from, op, neutral);
            out.write(&mut b, &place, &[result], 0, 1, Twin::None);
        }
        NormalizeKind::Layer { epsilon } => {
            let count = b.splat_f32(x.c as f32);
            let sum = row::reduce(&mut b, x.c, from, BinOp::Add, 0.0);
            let mean = b.binary(BinOp::Div, sum, count);
            let zero = b.splat_f32(0.0);
            let squares = row::fold(&mut b, x.c, from, zero, &|b, _, v, sum, mask| {
                let distance = b.binary(BinOp::Sub, v, mean);
                let square = b.binary(BinOp::Mul, distance, distance);
                let square = mask.map_or(square, |mask| b.select(mask, square, zero));
                b.binary(BinOp::Add, sum, square)
            });
            let squares = row::across(&mut b, squares, BinOp::Add);
            let variance = b.binary(BinOp::Div, squares, count);
            let epsilon = b.splat_f32(epsilon);
            let variance = b.binary(BinOp::Add, variance, epsilon);
            let deviation = b.unary(UnOp::Sqrt, variance);
            row::write(&mut b, &out, &place, x.c, from, &|b, v| {
                let distance = b.binary(BinOp::Sub, v, mean);
                b.binary(BinOp::Div, distance, deviation)
            });
        }
    }
    out.finish(b)
}
