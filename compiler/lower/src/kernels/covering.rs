//! The range of a tensor and the grid that covers it, for codes whose scale and zero-point are known at run time.
//!
//! Two kernels: tasks leave the least and the largest of their part, zero included, then one task makes scale and zero-point
//! of them. Extremes have no order, so neither the number of tasks nor the width of registers shows in the result.

use qcc_kernel::{Addr, BinOp, Buf, Kernel, KernelBuilder, Lane, UnOp, VL, Value, Width};

use super::layout::SLACK;
use super::row;

/// Elements of one task: a thread takes a microsecond for them.
const PART: usize = 8192;

/// Registers that are loaded in one step, so that no extreme waits for the one before.
const AT_ONCE: usize = 4;

/// The kernels of a grid that covers the values of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Covering {
    /// From the dense floats of the tensor to the extremes of its parts.
    pub extremes: Kernel,
    /// From the extremes to the scale, F32, and the zero-point, U8.
    pub grid: Kernel,
    /// Bytes of the extremes.
    pub bytes: usize,
}

/// The kernels for a tensor of so many elements.
///
/// # Errors
/// A tensor with too many parts.
pub fn generate(name: &str, elements: usize, width: Width) -> Result<Covering, String> {
    let parts = elements.div_ceil(PART);
    let tasks = u32::try_from(parts).map_err(|_| format!("{parts} tasks"))?;
    let bytes = parts * 2 * width.bytes();
    Ok(Covering { extremes: extremes(name, elements, tasks, width), grid: grid(name, tasks, width), bytes })
}

fn extremes(name: &str, elements: usize, tasks: u32, width: Width) -> Kernel {
    let mut b = KernelBuilder::with_width(name, tasks, width);
    let x = b.input("x", 4 * elements + SLACK);
    let to = b.output("extremes", tasks as usize * 2 * width.bytes());
    if tasks == 0 {
        return b.finish();
    }
    let task = b.task();
    let (full, rest) = (elements / PART, elements % PART);
    let emit = |b: &mut KernelBuilder, count: usize| {
        let at = b.mul(task, 4 * PART as i64);
        let found = extremes_of(b, x.at(at, 0), count);
        let at = b.mul(task, 2 * width.bytes() as i64);
        for (i, v) in found.into_iter().enumerate() {
            b.store(to.at(at, (i * width.bytes()) as i64).whole(width), VL, v);
        }
    };
    match (full, rest) {
        (_, 0) => emit(&mut b, PART),
        (0, _) => emit(&mut b, rest),
        _ => b.if_less(task, full as i64, |b| emit(b, PART), |b| emit(b, rest)),
    }
    b.finish()
}

/// Registers with the least and the largest of `count` floats, and zeros.
fn extremes_of(b: &mut KernelBuilder, from: Addr, count: usize) -> [Value; 2] {
    let width = b.width();
    let lanes = width.bytes() / 4;
    let zero = b.splat_f32(0.0);
    let (steps, rest) = (count / (AT_ONCE * lanes), count % (AT_ONCE * lanes));
    let mut found = vec![zero; 2 * AT_ONCE];
    let one = |b: &mut KernelBuilder, found: &mut [Value], i: usize, v: Value| {
        // A NaN on the left gives the right.
        found[2 * i] = b.binary(BinOp::Min, v, found[2 * i]);
        found[2 * i + 1] = b.binary(BinOp::Max, v, found[2 * i + 1]);
    };
    if steps > 0 {
        found = b.loop_carried(steps as u32, (AT_ONCE * width.bytes()) as i64, &found, |b, at, carried| {
            let mut found = carried.to_vec();
            let index = from.index.map_or(at, |index| b.index_add(index, at));
            for i in 0..AT_ONCE {
                let addr = Addr { index: Some(index), ..from }.plus((i * width.bytes()) as i64);
                let v = b.load(Lane::F32, VL, addr.whole(width));
                one(b, &mut found, i, v);
            }
            found
        });
    }
    let mut at = 4 * (count - rest);
    for i in 0..rest / lanes {
        let v = b.load(Lane::F32, VL, from.plus(at as i64).whole(width));
        one(b, &mut found, i, v);
        at += width.bytes();
    }
    // What is not loaded of a register is zero, and zero has a part in the range anyway.
    for bytes in [16, 8, 4] {
        if (4 * (rest % lanes)) & bytes != 0 {
            let v = b.load(Lane::F32, bytes, from.plus(at as i64));
            one(b, &mut found, 0, v);
            at += bytes;
        }
    }
    let fold = |b: &mut KernelBuilder, op: BinOp, first: usize| {
        let each: Vec<Value> = found.iter().skip(first).step_by(2).copied().collect();
        each.into_iter().reduce(|v, w| b.binary(op, v, w)).unwrap_or(zero)
    };
    [fold(b, BinOp::Min, 0), fold(b, BinOp::Max, 1)]
}

fn grid(name: &str, parts: u32, width: Width) -> Kernel {
    let mut b = KernelBuilder::new(format!("{name} grid"), 1);
    let extremes = b.input("extremes", parts as usize * 2 * width.bytes());
    let (scale_to, zero_to) = (b.output("scale", 4), b.output("zero_point", 1));
    let low = over_parts(&mut b, extremes, parts, width, BinOp::Min, 0);
    let high = over_parts(&mut b, extremes, parts, width, BinOp::Max, width.bytes());
    let steps = b.splat_f32(255.0);
    let range = b.binary(BinOp::Sub, high, low);
    let covering = b.binary(BinOp::Div, range, steps);
    let empty = b.binary(BinOp::Eq, low, high);
    let (none, one) = (b.splat_f32(0.0), b.splat_f32(1.0));
    let scale = b.select(empty, one, covering);
    b.store(scale_to.fixed(0), 4, scale);
    let below = b.binary(BinOp::Div, low, scale);
    let zero = b.binary(BinOp::Sub, none, below);
    let zero = b.binary(BinOp::Max, zero, none);
    let zero = b.binary(BinOp::Min, zero, steps);
    let code = b.unary(UnOp::RoundToI32, zero);
    let byte = b.unary(UnOp::Bitcast(Lane::I8), code);
    b.store(zero_to.fixed(0), 1, byte);
    b.finish()
}

/// The extreme of all parts, in every lane; `first` is the place of its registers.
fn over_parts(b: &mut KernelBuilder, from: Buf, parts: u32, width: Width, op: BinOp, first: usize) -> Value {
    let zero = b.splat_f32(0.0);
    if parts == 0 {
        return zero;
    }
    let found = b.loop_carried(parts, 2 * width.bytes() as i64, &[zero], |b, at, carried| {
        let mut found = carried[0];
        for half in 0..width.halves() {
            let v = b.load(Lane::F32, VL, from.at(at, (first + half * VL) as i64));
            found = b.binary(op, v, found);
        }
        vec![found]
    });
    row::across(b, found[0], op)
}
