//! `Loop`.

use super::stacked::Stacked;
use crate::{AttrDef, AttrKind, Attrs, Block, Budget, Default, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor};

/// Runs a nested graph again and again: for a number of times, while a condition holds, or both.
///
/// Inputs are the number of times, the condition, the values that go around, and then what the body reads from outside.
/// The body takes the iteration, the condition, the values that go around and what it reads from outside; it gives the
/// condition, the values that go around and one slice of each scan output.
pub static OP: OpDef = OpDef {
    name: "Loop",
    domain: "",
    doc: "Runs a nested graph again and again.",
    inputs: &[Param::optional("m"), Param::optional("cond"), Param::variadic("v_initial")],
    outputs: &[Param::variadic("outputs")],
    attrs: &[AttrDef::new("captures", AttrKind::Int, Default::Int(0))],
    elementwise: false,
    infer: |_| Err(OpError::dynamic("the number of iterations is known at run time only")),
    eval: |_| Err(OpError::unsupported("a Loop outside a graph")),
    macs: no_macs,
};

/// Runs the loop.
pub(crate) fn run(
    given: Vec<Option<Tensor>>,
    attrs: &Attrs,
    outputs: usize,
    body: &Block,
    budget: &mut Budget,
) -> Result<Vec<Tensor>, OpError> {
    let captures = usize::try_from(attrs.int("captures").unwrap_or(0)).unwrap_or(0);
    let times = match given.first().and_then(Option::as_ref) {
        None => i64::MAX,
        Some(t) => single(t.to_i64_vec(), "the number of iterations")?,
    };
    let mut condition = match given.get(1).and_then(Option::as_ref) {
        None => true,
        Some(t) => truth(t)?,
    };
    let rest: Option<Vec<Tensor>> = given.into_iter().skip(2).collect();
    let mut carried = rest.ok_or_else(|| OpError::unsupported("a Loop with absent initial values"))?;
    let around = carried.len().checked_sub(captures).ok_or_else(|| OpError::invalid("too few inputs"))?;
    let captured = carried.split_off(around);
    let scans = outputs.checked_sub(around).ok_or_else(|| OpError::invalid("fewer outputs than values go around"))?;
    if body.outputs.len() != 1 + around + scans {
        let message = format!("its body must have {} outputs, it has {}", 1 + around + scans, body.outputs.len());
        return Err(OpError::invalid(message));
    }
    let mut stacks: Vec<Stacked> = (0..scans).map(|_| Stacked::default()).collect();
    let mut iteration = 0;
    while condition && iteration < times {
        budget.spend(0)?;
        let mut inputs = vec![Tensor::scalar(iteration), Tensor::scalar(condition)];
        inputs.append(&mut carried);
        inputs.extend(captured.iter().cloned());
        let mut results = body.run(inputs, budget)?.into_iter();
        condition = truth(&results.next().ok_or_else(|| OpError::invalid("its body gives no condition"))?)?;
        carried = results.by_ref().take(around).collect();
        for (stack, slice) in stacks.iter_mut().zip(results) {
            stack.push(slice, budget)?;
        }
        iteration += 1;
    }
    for stack in stacks {
        carried.push(stack.finish(0)?);
    }
    Ok(carried)
}

fn single(values: Option<Vec<i64>>, what: &str) -> Result<i64, OpError> {
    match values.as_deref() {
        Some([one]) => Ok(*one),
        _ => Err(OpError::invalid(format!("{what} must be one integer"))),
    }
}

/// The value of a condition.
pub(crate) fn truth(t: &Tensor) -> Result<bool, OpError> {
    match (t.dtype(), t.bytes()) {
        (DType::Bool, [b]) => Ok(*b != 0),
        _ => Err(OpError::invalid(format!("a condition must be one bool, got {}", t.ty()))),
    }
}
