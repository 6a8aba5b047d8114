//! Pointwise kernels without a core: the body over every element of the output, copies included.
//!
//! A tensor is walked as few long runs of contiguous elements: all of it if every tensor lies flat, else row by row, else
//! pixel by pixel.

use qcc_kernel::{KernelBuilder, Width};

use super::Generated;
use super::body::{Body, Node, Operand};
use super::emit::{Emitter, GROUP, check};
use super::layout::{Halo, TensorLayout};
use super::place::{At, Place, flatten};

/// A pointwise kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct MapSpec {
    /// Name for dumps and profiles.
    pub name: String,
    /// The result.
    pub output: TensorLayout,
    /// The program; it has operands only.
    pub body: Body,
}

/// Elements of one task of a kernel that walks one run: large enough to outweigh starting a task (about 5 ns against
/// half a microsecond), small enough that the smallest tensors worth splitting have a few.
const CHUNK: usize = 4096;

/// Longest row whose channel constants are repeated for every pixel, in elements: 16 KiB of constants.
const REPEATED: usize = 4096;

/// Operations of a body from which on a loop holds one group instead of four: its code is long enough.
const LONG_BODY: usize = 10;

/// Body that copies a tensor of this layout.
pub fn copy_of(layout: TensorLayout) -> Body {
    let mut body = Body::new();
    body.operand(Operand::Tensor(layout));
    body
}

/// The kernel of a pointwise program.
///
/// # Errors
/// The reason why the body does not fit the output.
pub fn generate(spec: &MapSpec, width: Width) -> Result<Generated, String> {
    check(&spec.body, None, &spec.output)?;
    let flat = flatten(&spec.body, &spec.output);
    let (body, output) = flat.as_ref().map_or((&spec.body, &spec.output), |(body, output)| (body, output));
    let wide = output.c.is_multiple_of(GROUP) || output.c >= 8 * GROUP;
    let per_channel = body.operands.iter().any(|o| !matches!(o, Operand::Tensor(_)));
    if per_channel && wide {
        return walk(&spec.name, body, output, width);
    }
    if let Some((body, output)) = rows_as_channels(body, output) {
        return walk(&spec.name, &body, &output, width);
    }
    // A flat row may be too long to repeat constants for; the rows of the image may not.
    match rows_as_channels(&spec.body, &spec.output) {
        Some((body, output)) => walk(&spec.name, &body, &output, width),
        None => walk(&spec.name, body, output, width),
    }
}

/// Rows of contiguous pixels seen as pixels with that many channels.
fn rows_as_channels(body: &Body, output: &TensorLayout) -> Option<(Body, TensorLayout)> {
    let merge = |l: &TensorLayout| {
        let halo = Halo { left: 0, right: 0, ..l.halo };
        let pitch = l.row_stride() / l.elem.bytes();
        TensorLayout { w: 1, c: l.w * l.c, halo, pitch, first: l.halo.left * l.pitch + l.first, ..*l }
    };
    let contiguous = |l: &TensorLayout| l.pitch == l.c || l.w == 1;
    if !contiguous(output) {
        return None;
    }
    let mut merged = body.clone();
    for operand in &mut merged.operands {
        match operand {
            Operand::ChannelF32(values) if output.w * output.c <= REPEATED => *values = values.repeat(output.w),
            Operand::ChannelI32(values) if output.w * output.c <= REPEATED => *values = values.repeat(output.w),
            Operand::Tensor(l) if (l.w, l.c) == (output.w, output.c) && contiguous(l) => *l = merge(l),
            Operand::Tensor(l) if l.w * l.c == 1 => *l = merge(l),
            _ => return None,
        }
    }
    Some((merged, merge(output)))
}

fn walk(name: &str, body: &Body, output: &TensorLayout, width: Width) -> Result<Generated, String> {
    let run = output.c;
    let pixels = output.n * output.h * output.w;
    let one_run = pixels == 1 && run > CHUNK;
    let tasks = match (output.is_empty(), one_run) {
        (true, _) => 0,
        (_, true) => run.div_ceil(CHUNK),
        (_, false) if output.n * output.h == 1 => output.w.div_ceil(pixels_per_task(run)),
        (_, false) => output.n * output.h,
    };
    let tasks = u32::try_from(tasks).map_err(|_| format!("{tasks} tasks"))?;
    let mut b = KernelBuilder::with_width(name, tasks, width);
    let out = Emitter::new(&mut b, body, None, *output, Vec::new())?;
    if tasks == 0 {
        return out.finish(b);
    }
    let task = b.task();
    if one_run {
        pieces(&mut b, run, CHUNK, &|b, count| {
            let c = b.mul(task, CHUNK as i64);
            let place = out.place(b, At { c: Some(c), ..At::default() });
            elements(b, &out, body, &place, count);
        });
    } else if output.n * output.h == 1 {
        let per_task = pixels_per_task(run);
        pieces(&mut b, output.w, per_task, &|b, count| {
            let x = b.mul(task, per_task as i64);
            let place = out.place(b, At { x: Some(x), ..At::default() });
            row(b, &out, body, &place, count, run);
        });
    } else {
        let (n, y) = if output.n == 1 {
            (None, Some(task))
        } else {
            (Some(b.div(task, output.h as i64)), Some(b.rem(task, output.h as i64)))
        };
        let place = out.place(&mut b, At { n, y, ..At::default() });
        row(&mut b, &out, body, &place, output.w, run);
    }
    out.finish(b)
}

/// Pixels of one task of a kernel that walks one row of pixels of `c` channels.
fn pixels_per_task(c: usize) -> usize {
    (CHUNK / c.max(1)).max(1)
}

/// The current task's share of `total` things in pieces of `size`: the last piece may be shorter.
fn pieces(b: &mut KernelBuilder, total: usize, size: usize, emit: &dyn Fn(&mut KernelBuilder, usize)) {
    let (full, rest) = (total / size, total % size);
    match (full, rest) {
        (_, 0) => emit(b, size),
        (0, _) => emit(b, rest),
        _ => b.if_less(b.task(), full as i64, |b| emit(b, size), |b| emit(b, rest)),
    }
}

/// `pixels` pixels of `c` channels from `place` on.
fn row(b: &mut KernelBuilder, out: &Emitter<'_>, body: &Body, place: &Place, pixels: usize, c: usize) {
    if pixels == 1 {
        return elements(b, out, body, place, c);
    }
    b.loop_(pixels as u32, 1, |b, x| {
        let place = out.shift(b, place, At { x: Some(x), ..At::default() });
        elements(b, out, body, &place, c);
    });
}

/// `count` consecutive channels from `place` on.
fn elements(b: &mut KernelBuilder, out: &Emitter<'_>, body: &Body, place: &Place, count: usize) {
    let twin = out.channel_twin(None, count);
    let group = twin.group();
    let step = if operations(body) < LONG_BODY { 4 * GROUP } else { group };
    let looped = if count / step > 1 { count / step * step } else { 0 };
    if looped > 0 {
        b.loop_((looped / step) as u32, step as i64, |b, c| {
            let place = out.shift(b, place, At { c: Some(c), ..At::default() });
            for first in (0..step).step_by(group) {
                out.write(b, &place, &[], first, group, twin);
            }
        });
    }
    for first in (looped..count).step_by(group) {
        let count = group.min(count - first);
        out.write(b, place, &[], first, count, out.channel_twin(None, count));
    }
}

/// Rough number of operations the body takes per vector.
fn operations(body: &Body) -> usize {
    let weight = |node: &Node| match node {
        Node::Core | Node::Operand(_) | Node::F32(_) | Node::I32(_) => 0,
        Node::Unary(..) => 10,
        Node::Lookup { .. } => 4,
        Node::Quantize { .. } | Node::Requantize { .. } => 3,
        _ => 1,
    };
    body.nodes.iter().map(weight).sum()
}
