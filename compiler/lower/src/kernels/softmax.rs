//! Softmax over the channels of each pixel, in F32: maximum, exponentials of the distances to it, their sum, quotients.
//!
//! The exponentials wait in the scratch. Maximum and sum are kept in the four lanes of one register; the order of a sum
//! depends on the number of channels only. Error at most 1e-6 of the quotient, plus 2e-38: `exp` gives no smaller number.
//! A row without a number above minus infinity has no meaning.

use qcc_kernel::{Addr, BinOp, BufferKind, KernelBuilder, Lane, VL, Value, math};

use super::Generated;
use super::body::Body;
use super::emit::{At, Emitter, GROUP, check};
use super::layout::{Elem, SLACK, TensorLayout};

/// A softmax.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftmaxSpec {
    /// Name for dumps and profiles.
    pub name: String,
    /// The input, F32; rows are its pixels.
    pub input: TensorLayout,
    /// The result, of the same shape.
    pub output: TensorLayout,
    /// Applied to every quotient.
    pub body: Body,
}

/// The kernel of a softmax over the channels of every pixel.
///
/// # Errors
/// The reason why there is none: element type, shapes, a body that does not fit.
pub fn generate(spec: &SoftmaxSpec) -> Result<Generated, String> {
    let (x, y) = (&spec.input, &spec.output);
    if x.elem != Elem::F32 {
        return Err(format!("a softmax of {:?}", x.elem));
    }
    if (x.n, x.h, x.w, x.c) != (y.n, y.h, y.w, y.c) {
        return Err(format!("a softmax of {x:?} gives {y:?}"));
    }
    check(&spec.body, Some(Elem::F32), y)?;
    let tasks = if y.is_empty() { 0 } else { y.n * y.h * y.w };
    let tasks = u32::try_from(tasks).map_err(|_| format!("{tasks} tasks"))?;
    let mut b = KernelBuilder::new(&spec.name, tasks);
    let input = b.input("x", x.bytes());
    let out = Emitter::new(&mut b, &spec.body, Some(Elem::F32), *y, Vec::new())?;
    if tasks == 0 {
        return Ok(out.finish(b));
    }
    let scratch = b.buffer("exponentials", 4 * y.c + SLACK, BufferKind::Scratch);
    let task = b.task();
    let column = b.rem(task, y.w as i64);
    let rows = b.div(task, y.w as i64);
    let (row, image) = (b.rem(rows, y.h as i64), b.div(rows, y.h as i64));
    let place = out.place(&mut b, At { n: Some(image), y: Some(row), x: Some(column), c: None });
    let steps = [(column, x.pixel_stride()), (row, x.row_stride()), (image, x.image_stride())];
    let at = steps.into_iter().fold(None, |sum: Option<Value>, (coordinate, stride)| {
        let bytes = b.mul(coordinate, stride as i64);
        Some(sum.map_or(bytes, |sum| b.index_add(sum, bytes)))
    });
    let from = Addr { buf: input, index: at, offset: x.offset(0, 0) as i64 };
    let kept = scratch.fixed(0);

    let lowest = b.splat_f32(f32::NEG_INFINITY);
    let largest = over(&mut b, y.c, from, lowest, &|b, _, v, best, rest| {
        let v = rest.map_or(v, |mask| b.select(mask, v, lowest));
        b.binary(BinOp::Max, v, best)
    });
    let largest = folded(&mut b, largest, BinOp::Max);
    let zero = b.splat_f32(0.0);
    let sum = over(&mut b, y.c, from, zero, &|b, at, v, sum, rest| {
        let distance = b.binary(BinOp::Sub, v, largest);
        let e = math::exp(b, distance);
        let to = Addr { index: at.0, offset: at.1, ..kept };
        b.store(to, VL, e);
        let e = rest.map_or(e, |mask| b.select(mask, e, zero));
        b.binary(BinOp::Add, sum, e)
    });
    let sum = folded(&mut b, sum, BinOp::Add);

    let group = |b: &mut KernelBuilder, place: &_, kept: Addr, count: usize| {
        let core: Vec<Value> = (0..count.div_ceil(4))
            .map(|v| {
                let e = b.load(Lane::F32, VL, kept.plus((VL * v) as i64));
                b.binary(BinOp::Div, e, sum)
            })
            .collect();
        out.write(b, place, &core, 0, count);
    };
    let (full, rest) = (y.c / GROUP, y.c % GROUP);
    if full > 0 {
        b.loop_(full as u32, GROUP as i64, |b, first| {
            let place = out.shift(b, &place, At { c: Some(first), ..At::default() });
            let at = b.mul(first, 4);
            group(b, &place, Addr { index: Some(at), ..kept }, GROUP);
        });
    }
    if rest > 0 {
        let first = b.index((full * GROUP) as i64);
        let place = out.shift(&mut b, &place, At { c: Some(first), ..At::default() });
        group(&mut b, &place, kept.plus((4 * full * GROUP) as i64), rest);
    }
    Ok(out.finish(b))
}

/// Byte offset within a row: a scalar and a constant.
type Within = (Option<Value>, i64);

/// One step of a fold: `step(offset, vector, so far, mask)` is the next value.
type Step<'s> = dyn Fn(&mut KernelBuilder, Within, Value, Value, Option<Value>) -> Value + 's;

/// Folds the vectors of a row of `c` floats. The last vector comes with a mask of its lanes if it is not full.
fn over(b: &mut KernelBuilder, c: usize, from: Addr, init: Value, step: &Step<'_>) -> Value {
    let (full, rest) = (c / 4, c % 4);
    let mut now = init;
    if full > 0 {
        let last = b.loop_carried(full as u32, VL as i64, &[now], |b, at, carried| {
            let index = from.index.map_or(at, |row| b.index_add(row, at));
            let v = b.load(Lane::F32, VL, Addr { index: Some(index), ..from });
            vec![step(b, (Some(at), 0), v, carried[0], None)]
        });
        now = last[0];
    }
    if rest > 0 {
        let offset = (full * VL) as i64;
        let v = b.load(Lane::F32, VL, from.plus(offset));
        let bytes = std::array::from_fn(|i| if i < 4 * rest { 0xff } else { 0 });
        let mask = b.op(qcc_kernel::Op::Constant { lane: Lane::I32, bytes });
        now = step(b, (None, offset), v, now, Some(mask));
    }
    now
}

/// All lanes combined, in every lane.
fn folded(b: &mut KernelBuilder, v: Value, op: BinOp) -> Value {
    let lanes: Vec<Value> = (0..4).map(|i| b.broadcast_lane(v, i)).collect();
    let (low, high) = (b.binary(op, lanes[0], lanes[1]), b.binary(op, lanes[2], lanes[3]));
    b.binary(op, low, high)
}
