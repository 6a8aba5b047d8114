//! Softmax over the channels of each pixel, in F32: maximum, exponentials of the distances to it, their sum, quotients.
//!
//! The exponentials wait in the scratch. Error at most 1e-6 of the quotient, plus 2e-38: `exp` gives zero below that.
//! A row of minus infinities, or with a NaN or an infinity in it, has no quotients but NaN.

use qcc_kernel::{Addr, BinOp, BufferKind, KernelBuilder, VL, math};

use super::body::Body;
use super::emit::{Emitter, check};
use super::layout::{Elem, SLACK, TensorLayout};
use super::{Generated, row};

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
        return out.finish(b);
    }
    let scratch = b.buffer("exponentials", 4 * y.c + SLACK, BufferKind::Scratch);
    let (place, from) = row::of_task(&mut b, &out, input, x);
    let kept = scratch.fixed(0);
    let largest = row::reduce(&mut b, y.c, from, BinOp::Max, f32::NEG_INFINITY);
    let zero = b.splat_f32(0.0);
    let sum = row::fold(&mut b, y.c, from, zero, &|b, at, v, sum, mask| {
        let distance = b.binary(BinOp::Sub, v, largest);
        let e = math::exp(b, distance);
        b.store(Addr { index: at.0, offset: at.1, ..kept }, VL, e);
        let e = mask.map_or(e, |mask| b.select(mask, e, zero));
        b.binary(BinOp::Add, sum, e)
    });
    let sum = row::across(&mut b, sum, BinOp::Add);
    row::write(&mut b, &out, &place, y.c, kept, &|b, e| b.binary(BinOp::Div, e, sum));
    out.finish(b)
}
