//! Depthwise convolution of floats: one filter per channel, channels last.
//!
//! Vectors hold channels; a tile is a few neighbouring pixels of one or two vectors, so that each weight and each input
//! column is loaded once for several products. Every result is the sum of its taps in row-major order, whatever the tile.
//! A body with codes has channels apart in the halves of a register: the weights are packed as registers hold them.

use qcc_kernel::{Addr, BinOp, KernelBuilder, Lane, VL, Value, Width};

use super::Generated;
use super::body::Body;
use super::emit::{Emitter, GROUP, check};
use super::layout::{Elem, TensorLayout};
use super::place::{At, Place};
use super::twin::Twin;

/// A depthwise convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthwiseF32Spec {
    /// Name for dumps and profiles.
    pub name: String,
    /// The input; its halo holds zeros where windows reach it.
    pub input: TensorLayout,
    /// The result, with as many channels.
    pub output: TensorLayout,
    /// `[channel, row, column]`, dense.
    pub weights: Vec<f32>,
    /// Size of the window: rows, columns.
    pub kernel: [usize; 2],
    /// Input rows and columns from one window to the next.
    pub strides: [usize; 2],
    /// Input rows and columns from one tap to the next.
    pub dilations: [usize; 2],
    /// Rows above and columns before the input that the first window starts at.
    pub pads: [usize; 2],
    /// Applied to every result.
    pub body: Body,
}

/// Accumulators of a tile: they leave room for a row of five weights.
const ACCUMULATORS: usize = 8;

/// Registers of a pixel, at most.
const VECTORS: usize = 2;

/// The kernel of a depthwise float convolution.
///
/// # Errors
/// The reason why there is none: shapes, a body that does not fit, a halo too small.
pub fn generate(spec: &DepthwiseF32Spec, width: Width) -> Result<Generated, String> {
    let (x, y) = (&spec.input, &spec.output);
    if x.elem != Elem::F32 {
        return Err(format!("a float convolution of {:?}", x.elem));
    }
    let codes = check(&spec.body, Some(Elem::F32), y)?.iter().any(|elem| elem.code_range().is_some());
    geometry(spec)?;
    let shape = Shape::of(y.c, codes, width);
    let taps = spec.kernel[0] * spec.kernel[1];
    if spec.weights.len() != taps * y.c {
        return Err(format!("{} weights for {} channels of {taps} taps", spec.weights.len(), y.c));
    }
    let tasks = if y.is_empty() { 0 } else { y.n * y.h };
    let tasks = u32::try_from(tasks).map_err(|_| format!("{tasks} tasks"))?;
    let mut b = KernelBuilder::with_width(&spec.name, tasks, width);
    let input = b.input("x", x.bytes());
    let weights = packed(spec, &shape);
    let out = Emitter::with_halves(&mut b, &spec.body, Some(Elem::F32), *y, weights, shape.far)?;
    if tasks == 0 {
        return out.finish(b);
    }
    let task = b.task();
    let (n, row) = if y.n == 1 { (None, task) } else { (Some(b.div(task, y.h as i64)), b.rem(task, y.h as i64)) };
    let place = out.place(&mut b, At { n, y: Some(row), ..At::default() });
    let mut at = b.mul(row, (spec.strides[0] * x.row_stride()) as i64);
    if let Some(n) = n {
        let image = b.mul(n, x.image_stride() as i64);
        at = b.index_add(at, image);
    }
    let offset = x.offset(-(spec.pads[0] as isize), -(spec.pads[1] as isize)) as i64;
    let from = Addr { buf: input, index: Some(at), offset, high: None };
    let pixels = ACCUMULATORS / shape.vectors();
    let (full, rest) = (y.w / pixels, y.w % pixels);
    let stride = (spec.strides[1] * x.pixel_stride()) as i64;
    if full > 0 {
        b.loop_(full as u32, pixels as i64, |b, column| {
            let by = b.mul(column, stride);
            let from = Addr { index: Some(b.index_add(at, by)), ..from };
            let place = out.shift(b, &place, At { x: Some(column), ..At::default() });
            channels(b, spec, (&shape, &out), &place, from, pixels);
        });
    }
    if rest > 0 {
        let done = full * pixels;
        let place = out.right(&place, done as i64);
        channels(&mut b, spec, (&shape, &out), &place, from.plus(done as i64 * stride), rest);
    }
    out.finish(b)
}

fn geometry(spec: &DepthwiseF32Spec) -> Result<(), String> {
    let (x, y) = (&spec.input, &spec.output);
    if (x.n, x.c) != (y.n, y.c) {
        return Err(format!("a depthwise convolution of {x:?} gives {y:?}"));
    }
    let axes = [(x.h, y.h, x.halo.top, x.halo.bottom), (x.w, y.w, x.halo.left, x.halo.right)];
    for (axis, (size, outputs, before, after)) in axes.into_iter().enumerate() {
        let (kernel, stride, dilation) = (spec.kernel[axis], spec.strides[axis], spec.dilations[axis]);
        if kernel * stride * dilation == 0 {
            return Err("a window, stride or dilation of 0".into());
        }
        let reach = outputs.saturating_sub(1) * stride + (kernel - 1) * dilation;
        if spec.pads[axis] > before || reach >= spec.pads[axis] + size + after {
            return Err(format!("a halo of {before} and {after} is too small along axis {axis}"));
        }
    }
    Ok(())
}

/// How registers hold channels.
struct Shape {
    width: Width,
    /// Whether the body has codes.
    codes: bool,
    /// Channels from the low half of a register to its high half, where they are apart.
    far: usize,
    /// Channels of a full tile.
    step: usize,
}

impl Shape {
    fn of(channels: usize, codes: bool, width: Width) -> Shape {
        let register = 4 * width.halves();
        let step = channels.next_multiple_of(register).clamp(register, VECTORS * register);
        Shape { width, codes, far: step / 2, step }
    }

    /// Registers of a pixel in a full tile.
    fn vectors(&self) -> usize {
        self.step / (4 * self.width.halves())
    }

    /// What the high halves of registers hold in a tile of so many channels.
    fn twin(&self, count: usize) -> Twin {
        Twin::of_channels(self.width, self.codes, self.far, count)
    }
}

/// Channels of one tap among the packed weights: padded so that whole vectors can be loaded.
fn padded(spec: &DepthwiseF32Spec) -> usize {
    spec.output.c.next_multiple_of(2 * GROUP)
}

/// Weights by taps, those of each tile as its registers hold them.
fn packed(spec: &DepthwiseF32Spec, shape: &Shape) -> Vec<u8> {
    let (c, taps) = (spec.output.c, spec.kernel[0] * spec.kernel[1]);
    let mut out = Vec::with_capacity(4 * taps * padded(spec));
    for tap in 0..taps {
        for lane in 0..padded(spec) {
            let first = lane / shape.step * shape.step;
            let twin = shape.twin(shape.step.min(c.saturating_sub(first)));
            let channel = first + twin.channel(lane - first);
            let w = if channel < c { spec.weights[channel * taps + tap] } else { 0.0 };
            out.extend(w.to_le_bytes());
        }
    }
    out
}

/// All channels of `pixels` neighbouring pixels.
fn channels(
    b: &mut KernelBuilder,
    spec: &DepthwiseF32Spec,
    (shape, out): (&Shape, &Emitter<'_>),
    place: &Place,
    from: Addr,
    pixels: usize,
) {
    let (c, step) = (spec.output.c, shape.step);
    let twin = shape.twin(c);
    let looped = if c / step > 1 { c / step * step } else { 0 };
    if looped > 0 {
        b.loop_((looped / step) as u32, step as i64, |b, first| {
            let bytes = b.mul(first, 4);
            let from = Addr { index: Some(from.index.map_or(bytes, |at| b.index_add(at, bytes))), ..from };
            let weights = Addr { buf: out.constants(), index: Some(bytes), offset: 0, high: None };
            let place = out.shift(b, place, At { c: Some(first), ..At::default() });
            let sums = tile(b, spec, from, weights, pixels, (step, twin));
            for (p, core) in sums.iter().enumerate() {
                out.write(b, &out.right(&place, p as i64), core, 0, step, twin);
            }
        });
    }
    for first in (looped..c).step_by(step) {
        let count = step.min(c - first);
        let twin = shape.twin(count);
        let offset = 4 * first as i64;
        let weights = out.constants().fixed(offset);
        let sums = tile(b, spec, from.plus(offset), weights, pixels, (count, twin));
        for (p, core) in sums.iter().enumerate() {
            out.write(b, &out.right(place, p as i64), core, first, count, twin);
        }
    }
}

/// The sums of some channels, in registers as the twin has them, of each of `pixels` pixels.
fn tile(
    b: &mut KernelBuilder,
    spec: &DepthwiseF32Spec,
    from: Addr,
    weights: Addr,
    pixels: usize,
    (count, twin): (usize, Twin),
) -> Vec<Vec<Value>> {
    let [rows, columns] = spec.kernel;
    let (stride, dilation) = (spec.strides[1], spec.dilations[1]);
    let (row_bytes, pixel_bytes) = (spec.input.row_stride(), spec.input.pixel_stride());
    let mut sums: Vec<Vec<Option<Value>>> = vec![vec![None; pixels]; twin.vectors(count)];
    let width = (pixels - 1) * stride + (columns - 1) * dilation + 1;
    for (v, sums) in sums.iter_mut().enumerate() {
        let lanes = twin.number_step() * v as i64;
        let high = twin.numbers(&spec.input, true);
        // The weights of a register are together.
        let together = (twin != Twin::None).then_some(VL as i64);
        let weights = Addr { high: together, ..weights.plus((VL + together.map_or(0, |_| VL)) as i64 * v as i64) };
        for row in 0..rows {
            let mut loaded: Vec<Option<Value>> = vec![None; columns];
            for column in 0..width {
                // The taps of the tile's pixels that read this input column.
                let users: Vec<(usize, usize)> = (0..pixels)
                    .filter_map(|p| {
                        let tap = column.checked_sub(p * stride)?;
                        (tap % dilation == 0 && tap / dilation < columns).then_some((p, tap / dilation))
                    })
                    .collect();
                if users.is_empty() {
                    continue;
                }
                let at = (row * spec.dilations[0] * row_bytes + column * pixel_bytes) as i64;
                let x = b.load(Lane::F32, VL, Addr { high, ..from.plus(at + lanes) });
                for (p, tap) in users {
                    let at = (4 * (row * columns + tap) * padded(spec)) as i64;
                    let w = *loaded[tap].get_or_insert_with(|| b.load(Lane::F32, VL, weights.plus(at)));
                    let product = b.binary(BinOp::Mul, x, w);
                    let sum = &mut sums[p];
                    *sum = Some(sum.map_or(product, |sum| b.binary(BinOp::Add, sum, product)));
                }
            }
        }
    }
    (0..pixels).map(|p| sums.iter().filter_map(|sums| sums[p]).collect()).collect()
}
