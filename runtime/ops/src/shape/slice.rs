//! `Slice`.

use super::axes::axis;
use super::moved::moved;
use crate::index::each_index;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType, row_major_strides};

/// A range with a step along each named axis; negative positions count from the end, negative steps walk backwards.
pub static OP: OpDef = OpDef {
    name: "Slice",
    domain: "",
    doc: "A range with a step along each named axis.",
    inputs: &[
        Param::one("data"),
        Param::one("starts"),
        Param::one("ends"),
        Param::optional("axes"),
        Param::optional("steps"),
    ],
    outputs: &[Param::one("output")],
    attrs: &[],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

/// First position, step and count along every axis.
fn resolve(
    shape: &[usize],
    starts: &[i64],
    ends: &[i64],
    named: Option<Vec<i64>>,
    steps: Option<Vec<i64>>,
) -> Result<Vec<(i64, i64, usize)>, OpError> {
    let named = named.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), named.len(), steps.len()].iter().any(|&n| n != starts.len()) {
        return Err(OpError::invalid("starts, ends, axes and steps must have one entry per sliced axis"));
    }
    let mut out: Vec<(i64, i64, usize)> = shape.iter().map(|&d| (0, 1, d)).collect();
    for i in 0..starts.len() {
        let at = axis(named[i], shape.len())?;
        let (size, step) = (shape[at] as i64, steps[i]);
        if step == 0 {
            return Err(OpError::invalid("a step must not be zero"));
        }
        let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
        let position = |v: i64| (if v < 0 { v.saturating_add(size) } else { v }).clamp(low, high);
        let start =
            if step > 0 { position(starts[i]) } else { position(starts[i]).max(if size == 0 { -1 } else { 0 }) };
        let end = position(ends[i]);
        let span = if step > 0 { end - start } else { start - end };
        let count = if span <= 0 { 0 } else { (span as u64).div_ceil(step.unsigned_abs()) as usize };
        out[at] = (start, step, count);
    }
    Ok(out)
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let starts = a.ints(1, "the list of starts")?.unwrap_or_default();
    let ends = a.ints(2, "the list of ends")?.unwrap_or_default();
    let ranges = resolve(&x.shape, &starts, &ends, a.ints(3, "the list of axes")?, a.ints(4, "the list of steps")?)?;
    Ok(vec![TensorType::new(x.dtype, ranges.iter().map(|r| r.2))])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let ints = |i: usize| a.opt(i).and_then(Tensor::to_i64_vec);
    let ranges = resolve(x.shape(), &ints(1).unwrap_or_default(), &ints(2).unwrap_or_default(), ints(3), ints(4))?;
    let shape: qcc_tensor::Shape = ranges.iter().map(|r| r.2).collect();
    let strides = row_major_strides(x.shape());
    let mut sources = Vec::new();
    each_index(&shape, |index| {
        let at = |d: usize| (ranges[d].0 + index[d] as i64 * ranges[d].1) as usize * strides[d];
        sources.push((0..index.len()).map(at).sum());
    });
    Ok(vec![moved(x, shape, sources.into_iter())])
}
