//! Staging: the codes that the windows of a block of rows touch, widened to 16 bits once, in working memory of the task.
//!
//! A product of pairs multiplies two 16-bit codes a lane. Read from the input, every pair takes an instruction to widen and
//! one to repeat it, for each panel of output channels anew; staged, repeating is part of the load. The copy keeps the
//! order of the bytes, so that an address in it is twice the distance from the first byte.

use qcc_kernel::{Addr, Buf, BufferKind, KernelBuilder, Lane, Value};

use super::conv::ConvSpec;
use super::layout::{Elem, SLACK};

/// Bytes of staged codes of a task, at most, unless one row has more: they and the weights of a task share the
/// second-level cache.
const MOST_BYTES: usize = 128 << 10;

/// Codes copied by one instruction.
const STEP: usize = 16;

/// Instructions of one iteration.
const UNROLLED: usize = 4;

/// Bytes of a staged code.
pub const WIDE: usize = 2;

/// How many rows, of `row` bytes each and `rest` bytes for the last one, can be staged together.
pub fn most_rows(row: usize, rest: usize) -> usize {
    ((MOST_BYTES / WIDE).saturating_sub(rest) / row.max(1) + 1).max(1)
}

/// Bytes that the windows of one row of `columns` outputs span, from the first tap of the first to the last of the last.
pub fn span(spec: &ConvSpec, columns: usize) -> usize {
    let x = &spec.input;
    let down = (spec.kernel[0] - 1) * spec.dilations[0] * x.row_stride();
    let right = (columns - 1) * spec.strides[1] + (spec.kernel[1] - 1) * spec.dilations[1];
    down + right * x.pixel_stride() + x.c
}

/// The working memory for `bytes` codes.
pub fn declare(b: &mut KernelBuilder, bytes: usize) -> Buf {
    b.buffer("staged", WIDE * bytes.next_multiple_of(STEP) + SLACK, BufferKind::Scratch)
}

/// Copies `bytes` codes from `from` on to the beginning of `to`, and a few more that nobody uses.
pub fn fill(b: &mut KernelBuilder, elem: Elem, from: Addr, to: Buf, bytes: usize) {
    let steps = bytes.div_ceil(STEP);
    let (rounds, rest) = (steps / UNROLLED, steps % UNROLLED);
    let round = (STEP * UNROLLED) as i64;
    if rounds > 0 {
        b.loop_(rounds as u32, round, |b, at| {
            let from = Addr { index: Some(from.index.map_or(at, |index| b.index_add(index, at))), ..from };
            let wide = b.mul(at, WIDE as i64);
            copy(b, elem, from, to.at(wide, 0), UNROLLED);
        });
    }
    let done = rounds as i64 * round;
    copy(b, elem, from.plus(done), to.fixed(WIDE as i64 * done), rest);
}

fn copy(b: &mut KernelBuilder, elem: Elem, from: Addr, to: Addr, steps: usize) {
    let codes: Vec<Value> = (0..steps)
        .map(|i| {
            let from = from.plus((i * STEP) as i64).with_high(STEP as i64 / 2);
            match elem {
                Elem::I8 => b.load_widen_s(Lane::I8, from),
                _ => b.load_widen_u(Lane::I8, from),
            }
        })
        .collect();
    for (i, codes) in codes.into_iter().enumerate() {
        b.store(to.plus((i * WIDE * STEP) as i64).with_high(STEP as i64), STEP, codes);
    }
}
