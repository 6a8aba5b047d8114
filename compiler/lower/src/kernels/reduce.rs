//! Sums over all pixels of each image: the core of global average pooling, in I32 for codes and in F32 for floats.

use qcc_kernel::{Addr, BinOp, KernelBuilder, Value, Width};

use super::Generated;
use super::body::Body;
use super::emit::{Emitter, GROUP, check};
use super::layout::{Elem, TensorLayout};
use super::place::At;
use super::sum::{self, PARTIAL};

/// A reduction of `[n, h, w, c]` to `[n, 1, 1, c]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceSpec {
    /// Name for dumps and profiles.
    pub name: String,
    /// The input, codes or F32.
    pub input: TensorLayout,
    /// The code of zero; 0 for floats.
    pub zero_point: i32,
    /// The result; one pixel an image.
    pub output: TensorLayout,
    /// Applied to every sum.
    pub body: Body,
}

/// Channels of one task: two groups use half a cache line of codes and twelve registers.
const CHANNELS: usize = 2 * GROUP;

/// The kernel of a sum over all pixels.
///
/// # Errors
/// The reason why there is none: element types, shapes or a body that does not fit.
pub fn generate(spec: &ReduceSpec, width: Width) -> Result<Generated, String> {
    let (x, y) = (&spec.input, &spec.output);
    let core = match x.elem {
        Elem::F32 => Elem::F32,
        Elem::U8 | Elem::I8 => Elem::I32,
        Elem::I16 | Elem::I32 => return Err(format!("no sum of {:?} over pixels", x.elem)),
    };
    check(&spec.body, Some(core), y)?;
    if (x.n, x.c) != (y.n, y.c) || (y.h, y.w) != (1, 1) {
        return Err(format!("a sum over the pixels of {x:?} gives {y:?}"));
    }
    if x.h * x.w > 1 << 23 && core == Elem::I32 {
        return Err(format!("a sum of {} codes may leave I32", x.h * x.w));
    }
    let per_image = y.c.div_ceil(CHANNELS);
    let tasks = u32::try_from(y.n * per_image).map_err(|_| format!("{} images", y.n))?;
    let mut b = KernelBuilder::with_width(&spec.name, tasks, width);
    let input = b.input("x", x.bytes());
    let out = Emitter::new(&mut b, &spec.body, Some(core), *y, Vec::new())?;
    let out = out.with_core_within(sum::largest(x.elem, spec.zero_point, [x.h, x.w]));
    if tasks == 0 {
        return out.finish(b);
    }
    let (full, rest) = (y.c / CHANNELS, y.c % CHANNELS);
    let task = b.task();
    let (n, part) =
        if y.n == 1 { (None, task) } else { (Some(b.div(task, per_image as i64)), b.rem(task, per_image as i64)) };
    let emit = |b: &mut KernelBuilder, count: usize| {
        let c = b.mul(part, CHANNELS as i64);
        let place = out.place(b, At { n, c: Some(c), ..At::default() });
        let mut at = b.mul(c, x.elem.bytes() as i64);
        if let Some(n) = n {
            let image = b.mul(n, x.image_stride() as i64);
            at = b.index_add(at, image);
        }
        let from = Addr { buf: input, index: Some(at), offset: x.offset(0, 0) as i64, high: None };
        let twin = out.channel_twin(Some(x.elem), count);
        let group = twin.group();
        for first in (0..count).step_by(group) {
            let count = group.min(count - first);
            let channels = sum::Channels { layout: x, count, twin };
            let sums = pixels(b, spec, from.plus((first * x.elem.bytes()) as i64), channels);
            out.write(b, &place, &sums, first, count, twin);
        }
    };
    match (full, rest) {
        (_, 0) => emit(&mut b, CHANNELS),
        (0, _) => emit(&mut b, rest),
        _ => b.if_less(part, full as i64, |b| emit(b, CHANNELS), |b| emit(b, rest)),
    }
    out.finish(b)
}

/// The sums of channels over all pixels of the image at `from`.
fn pixels(b: &mut KernelBuilder, spec: &ReduceSpec, from: Addr, channels: sum::Channels<'_>) -> Vec<Value> {
    let x = &spec.input;
    let contiguous = x.halo.left + x.halo.right == 0;
    let (rows, columns) = if contiguous { (1, x.h * x.w) } else { (x.h, x.w) };
    let zero = if x.elem == Elem::F32 { b.splat_f32(0.0) } else { b.splat_i32(0) };
    let total = vec![zero; channels.twin.vectors(channels.count)];
    if x.h * x.w == 0 {
        return total;
    }
    let (parts, rest) = (columns / PARTIAL, columns % PARTIAL);
    let stride = x.pixel_stride() as i64;
    let total = b.loop_carried(rows as u32, x.row_stride() as i64, &total, |b, row, total| {
        let from = offset(b, from, row);
        let mut total = total.to_vec();
        if parts > 0 {
            total = b.loop_carried(parts as u32, PARTIAL as i64 * stride, &total, |b, at, total| {
                let from = offset(b, from, at);
                partial(b, channels, from, PARTIAL, total)
            });
        }
        partial(b, channels, from.plus(parts as i64 * PARTIAL as i64 * stride), rest, &total)
    });
    let constant = (x.h * x.w) as i32 * spec.zero_point;
    if x.elem == Elem::F32 { total } else { sum::less(b, total, constant) }
}

/// `total` and the partial sum over `columns` pixels.
fn partial(
    b: &mut KernelBuilder,
    channels: sum::Channels<'_>,
    from: Addr,
    columns: usize,
    total: &[Value],
) -> Vec<Value> {
    if columns == 0 {
        return total.to_vec();
    }
    let zeros = sum::zeros(b, channels);
    let partial = b.loop_carried(columns as u32, channels.layout.pixel_stride() as i64, &zeros, |b, at, sums| {
        let addr = offset(b, from, at);
        let terms = sum::terms(b, channels, addr);
        sum::add(b, sums, &terms)
    });
    let wide = sum::widened(b, channels, &partial);
    total.iter().zip(&wide).map(|(&t, &w)| b.binary(BinOp::Add, t, w)).collect()
}

fn offset(b: &mut KernelBuilder, addr: Addr, by: Value) -> Addr {
    Addr { index: Some(addr.index.map_or(by, |index| b.index_add(index, by))), ..addr }
}
