//! `DynamicQuantizeLSTM`.

use super::codes::{optional, required};
use crate::scope::Scope;
use crate::upgrade::{Call, newest};
use qcc_ir::ValueId;
use qcc_ops::{AttrValue, Attrs, OpError};
use qcc_tensor::{DType, Tensor};

/// `DynamicQuantizeLSTM(x, w, r, b?, lengths?, h?, c?, p?, w_s, w_z, r_s, r_z)`: a layer whose weights are codes, `[D, input, 4 H]`
/// and `[D, H, 4 H]`, with a scale for each direction `[D]` or each direction and gate's unit `[D, 4 H]`. Its text says nothing of
/// how a runtime rounds what goes in and around: here nothing is rounded, it is the standard's layer with the weights' values.
pub(super) fn import(call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    let w = weights(&call, scope, 1, 8)?;
    let r = weights(&call, scope, 2, 10)?;
    let mut inputs = vec![Some(required(&call, 0)?), Some(w), Some(r)];
    inputs.extend((3..8).map(|i| optional(&call, i)));
    inputs.truncate(inputs.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
    newest(Call { op: "LSTM".to_string(), inputs, ..call }, scope)
}

/// The values of the codes in input `i`, as the standard's layer takes them: `[D, 4 H, …]`. Their scale and zero-point are the
/// inputs `parameters` and the next.
fn weights(call: &Call, scope: &mut Scope<'_>, i: usize, parameters: usize) -> Result<ValueId, OpError> {
    let [codes, scale, zero] = [i, parameters, parameters + 1].map(|i| required(call, i));
    let (codes, scale, zero) = (codes?, scale?, zero?);
    let axes = match scope.fact(Some(scale)).rank {
        Some(1) => vec![1i64, 2],
        Some(2) => vec![1],
        _ => return Err(OpError::unsupported("a scale that has neither one nor two axes")),
    };
    let axes = scope.constant(Tensor::new([axes.len()], axes));
    let float = || Attrs::new().with("to", AttrValue::Type(DType::F32));
    let codes = scope.extra(call, "Cast", float(), &[codes])?;
    let zero = scope.extra(call, "Cast", float(), &[zero])?;
    let zero = scope.extra(call, "Unsqueeze", Attrs::new(), &[zero, axes])?;
    let scale = scope.extra(call, "Unsqueeze", Attrs::new(), &[scale, axes])?;
    let distance = scope.extra(call, "Sub", Attrs::new(), &[codes, zero])?;
    let values = scope.extra(call, "Mul", Attrs::new(), &[distance, scale])?;
    scope.extra(call, "Transpose", Attrs::new().with("perm", AttrValue::Ints(vec![0, 2, 1])), &[values])
}
