//! Pooling over windows of channels-last tensors: maxima of codes and floats, sums of codes and floats.
//!
//! A sum reads its padding from the halo of its input, which must hold the zero-point. A maximum never reads the halo:
//! rows are clamped to taps inside the input, which repeats elements of the same window, and border columns have their
//! own code with the taps they have.

use qcc_kernel::{Addr, BinOp, IndexOp, KernelBuilder, Lane, Op, VL, Value, Width};

use super::Generated;
use super::body::Body;
use super::emit::{Emitter, GROUP, check};
use super::layout::{Elem, TensorLayout};
use super::place::{At, Place, Sums};
use super::sum;
use super::twin::Twin;

/// A pool.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSpec {
    /// Name for dumps and profiles.
    pub name: String,
    /// What is computed over a window.
    pub kind: PoolKind,
    /// The input.
    pub input: TensorLayout,
    /// The result.
    pub output: TensorLayout,
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

/// What a pool computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest element, a code or F32; padding never wins.
    Max,
    /// The sum of `code - zero_point` in I32, or the F32 sum of floats.
    Sum {
        /// The code of zero; 0 for floats.
        zero_point: i32,
    },
}

/// Most registers of maxima per iteration over channels.
const WIDE: usize = 4;

/// Taps from which on an iteration handles one group of channels: its code is long enough.
const MANY_TAPS: usize = 32;

/// The kernel of a pool.
///
/// # Errors
/// The reason why there is none: element types, a body that does not fit, a halo too small, a window without taps.
pub fn generate(spec: &PoolSpec, width: Width) -> Result<Generated, String> {
    let core = match (spec.kind, spec.input.elem) {
        (_, Elem::F32) => Elem::F32,
        (PoolKind::Max, code @ (Elem::U8 | Elem::I8)) => code,
        (PoolKind::Sum { .. }, Elem::U8 | Elem::I8) => Elem::I32,
        (kind, elem) => return Err(format!("no {kind:?} pool of {elem:?}")),
    };
    check(&spec.body, Some(core), &spec.output)?;
    geometry(spec)?;
    let (x, y) = (&spec.input, &spec.output);
    let tasks = if y.is_empty() { 0 } else { y.n * y.h };
    let tasks = u32::try_from(tasks).map_err(|_| format!("{tasks} tasks"))?;
    let mut b = KernelBuilder::with_width(&spec.name, tasks, width);
    let input = b.input("x", x.bytes());
    let out = Emitter::new(&mut b, &spec.body, Some(core), *y, Vec::new())?;
    let out = match spec.kind {
        PoolKind::Sum { zero_point } => out.with_core_within(sum::largest(x.elem, zero_point, spec.kernel)),
        PoolKind::Max => out,
    };
    if tasks == 0 {
        return out.finish(b);
    }
    let task = b.task();
    let (n, row) = if y.n == 1 { (None, task) } else { (Some(b.div(task, y.h as i64)), b.rem(task, y.h as i64)) };
    let place = out.place(&mut b, At { n, y: Some(row), ..At::default() });
    let rows: Vec<Addr> = rows(&mut b, spec, n, row)
        .into_iter()
        .map(|(index, offset)| Addr { buf: input, index: Some(index), offset, high: None })
        .collect();
    let inside = interior(spec);
    for column in (0..y.w).filter(|c| !inside.contains(c)) {
        let first = column as isize * spec.strides[1] as isize - spec.pads[1] as isize;
        let taps = taps(spec, &rows, first);
        let place = out.right(&place, column as i64);
        channels(&mut b, spec, &out, &place, &taps);
    }
    if !inside.is_empty() {
        let first = inside.start * spec.strides[1];
        let taps = taps(spec, &rows, first as isize - spec.pads[1] as isize);
        let place = out.right(&place, inside.start as i64);
        b.loop_(inside.len() as u32, 1, |b, column| {
            let stride = spec.strides[1] * x.pixel_stride();
            let taps = moved(b, &taps, column, stride);
            let place = out.shift(b, &place, At { x: Some(column), ..At::default() });
            channels(b, spec, &out, &place, &taps);
        });
    }
    out.finish(b)
}

/// Checks that windows and halo fit the input.
fn geometry(spec: &PoolSpec) -> Result<(), String> {
    let (x, y) = (&spec.input, &spec.output);
    if (x.n, x.c) != (y.n, y.c) {
        return Err(format!("a pool of {x:?} gives {y:?}"));
    }
    let axes = [(x.h, y.h, x.halo.top, x.halo.bottom), (x.w, y.w, x.halo.left, x.halo.right)];
    for (axis, (size, outputs, before, after)) in axes.into_iter().enumerate() {
        let (kernel, stride, dilation) = (spec.kernel[axis], spec.strides[axis], spec.dilations[axis]);
        if kernel * stride * dilation == 0 {
            return Err("a window, stride or dilation of 0".into());
        }
        let pad = spec.pads[axis];
        let last = outputs.saturating_sub(1) * stride;
        let reach = last + (kernel - 1) * dilation;
        if outputs > 0 && spec.kind == PoolKind::Max {
            let has_tap = |o: usize| (0..kernel).any(|k| (pad..pad + size).contains(&(o * stride + k * dilation)));
            if !(0..outputs).all(has_tap) {
                return Err("a window lies in the padding".into());
            }
        } else if outputs > 0 && (pad > before || reach >= pad + size + after) {
            return Err(format!("a halo of {before} and {after} is too small along axis {axis}"));
        }
    }
    Ok(())
}

/// For each row of taps, the byte offset of the input's column 0 there: a scalar and a constant.
fn rows(b: &mut KernelBuilder, spec: &PoolSpec, n: Option<Value>, row: Value) -> Vec<(Value, i64)> {
    let x = &spec.input;
    let [kernel, stride, dilation, pad] = [spec.kernel[0], spec.strides[0], spec.dilations[0], spec.pads[0]];
    let image = n.map(|n| b.mul(n, x.image_stride() as i64));
    let add = |b: &mut KernelBuilder, v: Value| image.map_or(v, |image| b.index_add(image, v));
    let reach = (spec.output.h - 1) * stride + (kernel - 1) * dilation;
    let clamped = spec.kind == PoolKind::Max && (pad > 0 || reach >= pad + x.h);
    if !clamped {
        let first = b.mul(row, (stride * x.row_stride()) as i64);
        let first = add(b, first);
        let at = |k: usize| (k * dilation) as isize - pad as isize;
        return (0..kernel).map(|k| (first, x.offset(at(k), 0) as i64)).collect();
    }
    // Taps lie inside from `lo` to `hi`; others repeat the nearest of those.
    let start = b.mul(row, stride as i64);
    let before = b.index(pad as i64 + dilation as i64 - 1);
    let lo = b.op(Op::Index { op: IndexOp::Sub, a: before, b: start });
    let lo = b.max(lo, 0);
    let lo = b.div(lo, dilation as i64);
    let end = b.index((x.h + pad) as i64 - 1);
    let hi = b.op(Op::Index { op: IndexOp::Sub, a: end, b: start });
    let hi = b.max(hi, 0);
    let hi = b.div(hi, dilation as i64);
    (0..kernel)
        .map(|k| {
            let k = b.index(k as i64);
            let k = b.op(Op::Index { op: IndexOp::Max, a: k, b: lo });
            let k = b.op(Op::Index { op: IndexOp::Min, a: k, b: hi });
            let k = b.mul(k, dilation as i64);
            let at = b.index_add(start, k);
            let at = b.add(at, -(pad as i64));
            // The clamp changes nothing; it lets the verifier see the range.
            let at = b.max(at, 0);
            let at = b.min(at, x.h as i64 - 1);
            let at = b.mul(at, x.row_stride() as i64);
            (add(b, at), x.offset(0, 0) as i64)
        })
        .collect()
}

/// The output columns whose taps may all be read.
fn interior(spec: &PoolSpec) -> std::ops::Range<usize> {
    if spec.kind != PoolKind::Max {
        return 0..spec.output.w;
    }
    let (stride, pad) = (spec.strides[1], spec.pads[1]);
    let extent = (spec.kernel[1] - 1) * spec.dilations[1];
    let start = pad.div_ceil(stride).min(spec.output.w);
    let end = if spec.input.w + pad > extent { (spec.input.w + pad - extent - 1) / stride + 1 } else { 0 };
    start..end.clamp(start, spec.output.w)
}

/// The addresses of a window's taps, row by row, for a window that starts at input column `first`. A maximum has only
/// the taps inside the input, except for windows it will move.
fn taps(spec: &PoolSpec, rows: &[Addr], first: isize) -> Vec<Addr> {
    let columns = (0..spec.kernel[1]).map(|k| first + (k * spec.dilations[1]) as isize);
    let readable = |&c: &isize| spec.kind != PoolKind::Max || (0..spec.input.w as isize).contains(&c);
    let columns: Vec<isize> = columns.filter(readable).collect();
    let stride = spec.input.pixel_stride() as isize;
    rows.iter().flat_map(|row| columns.iter().map(|c| row.plus((c * stride) as i64))).collect()
}

/// Addresses `by * stride` bytes further.
fn moved(b: &mut KernelBuilder, taps: &[Addr], by: Value, stride: usize) -> Vec<Addr> {
    let mut sums = Sums::default();
    taps.iter().map(|tap| Addr { index: sums.add(b, tap.index, Some(by), stride as i64), ..*tap }).collect()
}

/// All channels of one window.
fn channels(b: &mut KernelBuilder, spec: &PoolSpec, out: &Emitter<'_>, place: &Place, taps: &[Addr]) {
    let c = spec.output.c;
    let twin = out.channel_twin(Some(spec.input.elem), c);
    let group = twin.group();
    let step = match spec.kind {
        PoolKind::Max if taps.len() < MANY_TAPS && spec.input.elem != Elem::F32 => WIDE * GROUP,
        _ => group,
    };
    let looped = if c / step > 1 { c / step * step } else { 0 };
    if looped > 0 {
        b.loop_((looped / step) as u32, step as i64, |b, first| {
            let taps = moved(b, taps, first, spec.input.elem.bytes());
            let place = out.shift(b, place, At { c: Some(first), ..At::default() });
            for first in (0..step).step_by(group) {
                let core = window(b, spec, &taps, first, group, twin);
                out.write(b, &place, &core, first, group, twin);
            }
        });
    }
    for first in (looped..c).step_by(group) {
        let count = group.min(c - first);
        let twin = out.channel_twin(Some(spec.input.elem), count);
        let core = window(b, spec, taps, first, count, twin);
        out.write(b, place, &core, first, count, twin);
    }
}

/// The core's value for `count` channels from channel `first` on.
fn window(b: &mut KernelBuilder, spec: &PoolSpec, taps: &[Addr], first: usize, count: usize, twin: Twin) -> Vec<Value> {
    let elem = spec.input.elem;
    let taps = taps.iter().map(|tap| tap.plus((first * elem.bytes()) as i64));
    match spec.kind {
        PoolKind::Max if elem == Elem::F32 => {
            let lowest = b.splat_f32(f32::NEG_INFINITY);
            let init = vec![lowest; twin.vectors(count)];
            taps.fold(init, |best, tap| {
                let load = |(v, &best): (usize, &Value)| {
                    let high = twin.numbers(&spec.input, true);
                    let x = b.load(Lane::F32, VL, Addr { high, ..tap.plus(twin.number_step() * v as i64) });
                    b.binary(BinOp::Max, x, best)
                };
                best.iter().enumerate().map(load).collect()
            })
        }
        PoolKind::Max => {
            let op = if elem == Elem::U8 { BinOp::MaxU } else { BinOp::Max };
            let best = taps.fold(None, |best, tap| {
                let tap = Addr { high: twin.codes(&spec.input, true), ..tap };
                let codes = b.load(Lane::I8, twin.low(count).next_power_of_two(), tap);
                Some(best.map_or(codes, |best| b.binary(op, best, codes)))
            });
            best.into_iter().collect()
        }
        PoolKind::Sum { zero_point } => {
            let taps: Vec<Addr> = taps.collect();
            let channels = sum::Channels { layout: &spec.input, count, twin };
            let mut total: Option<Vec<Value>> = None;
            for part in taps.chunks(sum::PARTIAL) {
                let mut partial = sum::terms(b, channels, part[0]);
                for &tap in &part[1..] {
                    let terms = sum::terms(b, channels, tap);
                    partial = sum::add(b, &partial, &terms);
                }
                let wide = sum::widened(b, channels, &partial);
                total = Some(total.map_or_else(|| wide.clone(), |total| sum::add(b, &total, &wide)));
            }
            let total = total.unwrap_or_default();
            if elem == Elem::F32 { total } else { sum::less(b, total, zero_point * taps.len() as i32) }
        }
    }
}
