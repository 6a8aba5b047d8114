//! Bodies of kernels: what a variable in the body of a `Fused` may stand for.

use super::case::Term;
use super::content::Content;
use super::generate::Generator;
use super::pins::Pin;
use super::want::Want;
use qcc_ops::{AttrValue, Attrs};
use qcc_tensor::{DType, TensorType};

/// A body has at most so many operators.
const STEPS: usize = 4;

const OF_FLOATS: &[&str] = &["Relu", "Add", "Mul", "QuantizeLinear", "Neg", "Sigmoid", "Clip", "Sub"];
const OF_SUMS: &[&str] = &["DequantizeLinear", "Requantize", "Add"];
const OF_CODES: &[&str] = &["DequantizeLinear", "Lookup", "Clip", "Flip"];

/// A chain of elementwise operators over the accumulator.
pub(crate) fn body(g: &mut Generator<'_, '_>, acc: TensorType, want: &Want) -> usize {
    let place = g.draw.place();
    let mut at = g.case.push(Term::Acc(acc));
    for i in 0..g.draw.pick("steps", STEPS) {
        g.draw.enter(place, 200 + i);
        at = step(g, at).unwrap_or(at);
    }
    g.draw.enter(place, 300);
    let dtype = g.case.ty(at).dtype;
    if !want.dtypes.is_empty() && !want.dtypes.contains(&dtype) {
        at = converted(g, at, want.dtypes[0]).unwrap_or(at);
    }
    g.draw.leave(place);
    at
}

fn step(g: &mut Generator<'_, '_>, at: usize) -> Result<usize, String> {
    let ty = g.case.ty(at).clone();
    let names = match ty.dtype {
        d if d.is_float() => OF_FLOATS,
        DType::I32 => OF_SUMS,
        DType::U8 | DType::I8 => OF_CODES,
        _ => return Ok(at),
    };
    let name = g.draw.one_of("operator", names);
    apply(g, name, at, &ty, None)
}

fn converted(g: &mut Generator<'_, '_>, at: usize, to: DType) -> Result<usize, String> {
    let ty = g.case.ty(at).clone();
    match (ty.dtype.is_float(), to) {
        (true, DType::U8 | DType::I8 | DType::I16 | DType::U16) => apply(g, "QuantizeLinear", at, &ty, Some(to)),
        (false, to) if to.is_float() && matches!(ty.dtype, DType::U8 | DType::I8 | DType::I32) => {
            apply(g, "DequantizeLinear", at, &ty, Some(to))
        }
        _ => {
            let op = qcc_ops::find("Cast").ok_or("no Cast")?;
            g.case.call(op, vec![Some(at)], Attrs::new().with("to", AttrValue::Type(to)), 0)
        }
    }
}

fn apply(
    g: &mut Generator<'_, '_>,
    name: &str,
    at: usize,
    ty: &TensorType,
    to: Option<DType>,
) -> Result<usize, String> {
    let op = qcc_ops::find(name).ok_or("no such operator")?;
    let free = Pin { closed: true, ..Pin::default() };
    let constant = |want: Want| Want { constant: Some(true), ..want };
    let mut attrs = Attrs::new();
    let mut args = vec![Some(at)];
    match name {
        "Add" | "Mul" | "Sub" => {
            let shape = if g.draw.rarely("whole", 2) { ty.shape.to_vec() } else { Vec::new() };
            args.push(Some(g.leaf(&Want::exactly(ty.dtype, shape), &free)));
        }
        "Clip" => args.push(Some(g.leaf(&constant(Want::exactly(ty.dtype, [])), &free))),
        "Lookup" => {
            let dtype = to.unwrap_or_else(|| g.draw.one_of("entries", &[DType::F32, DType::U8]));
            args.push(Some(g.leaf(&constant(Want::exactly(dtype, [256])), &free)));
        }
        "QuantizeLinear" => {
            let dtype = to.unwrap_or_else(|| g.draw.one_of("code", &[DType::U8, DType::I8]));
            attrs.set("output_dtype", AttrValue::Type(dtype));
            args.push(Some(g.leaf(&constant(Want::exactly(ty.dtype, []).with(Content::Scale)), &free)));
        }
        "DequantizeLinear" => {
            let want = Want::exactly(to.unwrap_or(DType::F32), []).with(Content::Scale);
            args.push(Some(g.leaf(&constant(want), &free)));
        }
        "Requantize" => {
            attrs.set("dtype", AttrValue::Type(g.draw.one_of("code", &[DType::U8, DType::I8])));
            args.push(Some(g.leaf(&constant(Want::exactly(DType::F32, []).with(Content::Scale)), &free)));
        }
        _ => {}
    }
    g.case.call(op, args, attrs, 0)
}
