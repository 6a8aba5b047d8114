//! Folding the channels of one pixel: what softmax, layer normalisation and reductions over the last axis share.
//!
//! A fold keeps its value in the four lanes of one register, channel `i` going into lane `i % 4`, and combines the lanes
//! at the end. The order depends on the number of channels only.

use qcc_kernel::{Addr, BinOp, Buf, KernelBuilder, Lane, Op, VL, Value};

use super::emit::{Emitter, GROUP};
use super::layout::TensorLayout;
use super::place::{At, Place};
use super::twin::Twin;

/// Byte offset within a row: a scalar and a constant.
pub type Within = (Option<Value>, i64);

/// One step of a fold: `step(offset, vector, so far, mask)` is the next value. The mask, of the lanes that count, comes
/// with the last vector if that is not full.
pub type Step<'s> = dyn Fn(&mut KernelBuilder, Within, Value, Value, Option<Value>) -> Value + 's;

/// The pixel of the current task, where there is one task for each pixel of the output: its place in the output, and the
/// address of its channels in a tensor with as many pixels.
pub fn of_task(b: &mut KernelBuilder, out: &Emitter<'_>, input: Buf, x: &TensorLayout) -> (Place, Addr) {
    let task = b.task();
    let column = b.rem(task, x.w as i64);
    let rows = b.div(task, x.w as i64);
    let (row, image) = (b.rem(rows, x.h as i64), b.div(rows, x.h as i64));
    let place = out.place(b, At { n: Some(image), y: Some(row), x: Some(column), c: None });
    let mut index = b.mul(column, x.pixel_stride() as i64);
    for (coordinate, stride) in [(row, x.row_stride()), (image, x.image_stride())] {
        let bytes = b.mul(coordinate, stride as i64);
        index = b.index_add(index, bytes);
    }
    (place, Addr { buf: input, index: Some(index), offset: x.offset(0, 0) as i64, high: None })
}

/// Folds the `c` floats at `from`; the lanes are not combined yet.
pub fn fold(b: &mut KernelBuilder, c: usize, from: Addr, init: Value, step: &Step<'_>) -> Value {
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
        let mask = b.op(Op::Constant { lane: Lane::I32, bytes });
        now = step(b, (None, offset), v, now, Some(mask));
    }
    now
}

/// Folds the `c` floats at `from` by one operation; every lane of the result holds it. `neutral` changes nothing.
pub fn reduce(b: &mut KernelBuilder, c: usize, from: Addr, op: BinOp, neutral: f32) -> Value {
    let neutral = b.splat_f32(neutral);
    let lanes = fold(b, c, from, neutral, &|b, _, v, so_far, mask| {
        let v = mask.map_or(v, |mask| b.select(mask, v, neutral));
        b.binary(op, v, so_far)
    });
    across(b, lanes, op)
}

/// All lanes combined, in every lane.
pub fn across(b: &mut KernelBuilder, v: Value, op: BinOp) -> Value {
    let lanes: Vec<Value> = (0..4).map(|i| b.broadcast_lane(v, i)).collect();
    let (low, high) = (b.binary(op, lanes[0], lanes[1]), b.binary(op, lanes[2], lanes[3]));
    b.binary(op, low, high)
}

/// Writes the `c` results of a pixel, computed from the vectors of floats at `from`.
pub fn write(
    b: &mut KernelBuilder,
    out: &Emitter<'_>,
    place: &Place,
    c: usize,
    from: Addr,
    each: &dyn Fn(&mut KernelBuilder, Value) -> Value,
) {
    let group = |b: &mut KernelBuilder, place: &Place, from: Addr, first: usize, count: usize| {
        let core: Vec<Value> = (0..count.div_ceil(4))
            .map(|v| {
                let x = b.load(Lane::F32, VL, from.plus((4 * first + VL * v) as i64));
                each(b, x)
            })
            .collect();
        out.write(b, place, &core, first, count, Twin::None);
    };
    let (full, rest) = (c / GROUP, c % GROUP);
    if full > 0 {
        b.loop_(full as u32, GROUP as i64, |b, first| {
            let place = out.shift(b, place, At { c: Some(first), ..At::default() });
            let at = b.mul(first, 4);
            let index = from.index.map_or(at, |row| b.index_add(row, at));
            group(b, &place, Addr { index: Some(index), ..from }, 0, GROUP);
        });
    }
    if rest > 0 {
        group(b, place, from, full * GROUP, rest);
    }
}
