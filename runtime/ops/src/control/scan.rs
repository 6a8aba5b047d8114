//! `Scan`.

use super::stacked::Stacked;
use crate::{AttrDef, AttrKind, Attrs, Block, Budget, Default, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// Runs a nested graph once for every slice of its scan inputs, with states that go around.
///
/// Inputs are the states, the scan inputs, and then what the body reads from outside; the body takes the states, a slice
/// of each scan input and what it reads from outside, and gives the states and a slice of each scan output.
pub static OP: OpDef = OpDef {
    name: "Scan",
    domain: "",
    doc: "Runs a nested graph for every slice of its inputs.",
    inputs: &[Param::variadic("inputs")],
    outputs: &[Param::variadic("outputs")],
    attrs: &[
        AttrDef::new("captures", AttrKind::Int, Default::Int(0)),
        AttrDef::new("num_scan_inputs", AttrKind::Int, Default::Required),
        AttrDef::new("scan_input_axes", AttrKind::Ints, Default::Absent),
        AttrDef::new("scan_input_directions", AttrKind::Ints, Default::Absent),
        AttrDef::new("scan_output_axes", AttrKind::Ints, Default::Absent),
        AttrDef::new("scan_output_directions", AttrKind::Ints, Default::Absent),
    ],
    elementwise: false,
    infer: |_| Err(OpError::dynamic("a Scan runs its nested graph step by step")),
    eval: |_| Err(OpError::unsupported("a Scan outside a graph")),
    macs: no_macs,
};

/// Runs the scan.
pub(crate) fn run(
    given: Vec<Option<Tensor>>,
    attrs: &Attrs,
    outputs: usize,
    body: &Block,
    budget: &mut Budget,
) -> Result<Vec<Tensor>, OpError> {
    let count = |name: &str| {
        usize::try_from(attrs.int(name).unwrap_or(0)).map_err(|_| OpError::invalid(format!("`{name}` is negative")))
    };
    let (captures, scanned) = (count("captures")?, count("num_scan_inputs")?);
    let given: Option<Vec<Tensor>> = given.into_iter().collect();
    let mut states = given.ok_or_else(|| OpError::unsupported("a Scan with absent inputs"))?;
    let few = || OpError::invalid("it has fewer inputs than it says");
    let captured = states.split_off(states.len().checked_sub(captures).ok_or_else(few)?);
    let inputs = states.split_off(states.len().checked_sub(scanned).ok_or_else(few)?);
    let scans =
        outputs.checked_sub(states.len()).ok_or_else(|| OpError::invalid("it has fewer outputs than states"))?;
    if body.outputs.len() != states.len() + scans {
        let message = format!("its body must have {} outputs, it has {}", states.len() + scans, body.outputs.len());
        return Err(OpError::invalid(message));
    }
    let mut sources = Vec::new();
    for (i, input) in inputs.iter().enumerate() {
        let axis = along(attrs, "scan_input_axes", i, input.rank())?;
        sources.push((input, axis, backwards(attrs, "scan_input_directions", i)));
    }
    let steps = sources.first().map_or(0, |(t, axis, _)| t.shape()[*axis]);
    if sources.iter().any(|(t, axis, _)| t.shape()[*axis] != steps) {
        return Err(OpError::invalid("its scan inputs have different lengths"));
    }
    let mut stacks: Vec<Stacked> = (0..scans).map(|_| Stacked::default()).collect();
    for step in 0..steps {
        budget.spend(0)?;
        let around = states.len();
        let slices = sources.iter().map(|(t, axis, back)| slice(t, *axis, if *back { steps - 1 - step } else { step }));
        let arguments = states.drain(..).chain(slices).chain(captured.iter().cloned()).collect();
        let mut results = body.run(arguments, budget)?.into_iter();
        states = results.by_ref().take(around).collect();
        for (stack, slice) in stacks.iter_mut().zip(results) {
            stack.push(slice, budget)?;
        }
    }
    for (i, mut stack) in stacks.into_iter().enumerate() {
        if backwards(attrs, "scan_output_directions", i) {
            stack.reverse();
        }
        let axis = attrs.ints("scan_output_axes").and_then(|a| a.get(i)).copied().unwrap_or(0);
        states.push(match axis {
            0.. => stack.finish(axis as usize)?,
            _ => {
                let rank = stack.rank() + 1;
                let axis = usize::try_from(axis + rank as i64)
                    .map_err(|_| OpError::invalid(format!("axis {axis} does not exist")))?;
                stack.finish(axis)?
            }
        });
    }
    Ok(states)
}

fn along(attrs: &Attrs, name: &str, i: usize, rank: usize) -> Result<usize, OpError> {
    let axis = attrs.ints(name).and_then(|a| a.get(i)).copied().unwrap_or(0);
    let positive = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(positive)
        .ok()
        .filter(|&a| a < rank)
        .ok_or_else(|| OpError::invalid(format!("axis {axis} of scan input {i} does not exist, it has {rank} axes")))
}

fn backwards(attrs: &Attrs, name: &str, i: usize) -> bool {
    attrs.ints(name).and_then(|d| d.get(i)).is_some_and(|&d| d == 1)
}

/// The slice at `index` along `axis`, without that axis.
fn slice(t: &Tensor, axis: usize, index: usize) -> Tensor {
    let size = t.dtype().size();
    let inner = t.shape()[axis + 1..].iter().product::<usize>() * size;
    let outer: usize = t.shape()[..axis].iter().product();
    let pitch = t.shape()[axis] * inner;
    let bytes: Vec<u8> = (0..outer)
        .flat_map(|o| &t.bytes()[o * pitch + index * inner..o * pitch + (index + 1) * inner])
        .copied()
        .collect();
    let mut shape: qcc_tensor::Shape = t.shape().iter().copied().collect();
    shape.remove(axis);
    Tensor::from_bytes(TensorType { dtype: t.dtype(), shape }, bytes.into())
        .expect("a slice has as many bytes as its type says")
}
