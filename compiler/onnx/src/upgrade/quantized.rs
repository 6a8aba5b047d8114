//! `QLinearConv` and `QLinearMatMul`: an integer core, and a body that brings its sums to codes.
//!
//! `y = saturate(round_half_even(acc * (s_a * s_b / s_y)) + z_y)` with the multiplier in f32, as their text says.

use super::Call;
use crate::scope::Scope;
use qcc_ir::ValueId;
use qcc_ops::{AttrValue, Attrs, OpError};
use qcc_tensor::{DType, Tensor};

/// `QLinearConv(x, x_s, x_z, w, w_s, w_z, y_s, y_z, b)`.
pub(super) fn conv(call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    let [x, xs, xz, w, ws, wz, ys, yz] = all(&call)?;
    let mut acc = scope.extra(&call, "ConvInteger", call.attrs.clone(), &[x, w, xz, wz])?;
    if let Some(bias) = call.inputs.get(8).copied().flatten() {
        let rank = scope.fact(Some(x)).rank.or(scope.fact(Some(w)).rank);
        let rank = rank.ok_or_else(|| OpError::unsupported("a bias where the rank is not known"))? as i64;
        let axes: Vec<i64> = (1..rank - 1).collect();
        let axes = scope.constant(Tensor::new([axes.len()], axes));
        let bias = scope.extra(&call, "Unsqueeze", Attrs::new(), &[bias, axes])?;
        acc = scope.extra(&call, "Add", Attrs::new(), &[acc, bias])?;
    }
    Ok(vec![requantized(&call, scope, acc, [xs, ws, ys, yz], 1)?])
}

/// `QLinearMatMul(a, a_s, a_z, b, b_s, b_z, y_s, y_z)`.
pub(super) fn matmul(call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    let [a, a_scale, az, b, bs, bz, ys, yz] = all(&call)?;
    let acc = scope.extra(&call, "MatMulInteger", Attrs::new(), &[a, b, az, bz])?;
    Ok(vec![requantized(&call, scope, acc, [a_scale, bs, ys, yz], -1)?])
}

fn all(call: &Call) -> Result<[ValueId; 8], OpError> {
    let mut out = Vec::new();
    for i in 0..8 {
        out.push(call.input(i)?);
    }
    out.try_into().map_err(|_| OpError::invalid("it needs eight inputs"))
}

/// Sums as codes; the scales of the operands are one number, or one for each index of `axis`.
pub(crate) fn requantized(
    call: &Call,
    scope: &mut Scope<'_>,
    acc: ValueId,
    [left, right, y_scale, y_zero]: [ValueId; 4],
    axis: i64,
) -> Result<ValueId, OpError> {
    let single = Attrs::new().with("to", AttrValue::Type(DType::F32));
    let mut scales = Vec::new();
    for scale in [left, right, y_scale] {
        scales.push(match scope.fact(Some(scale)).dtype {
            Some(DType::F32) => scale,
            _ => scope.extra(call, "Cast", single.clone(), &[scale])?,
        });
    }
    let product = scope.extra(call, "Mul", Attrs::new(), &[scales[0], scales[1]])?;
    let multiplier = scope.extra(call, "Div", Attrs::new(), &[product, scales[2]])?;
    let along = Attrs::new().with("axis", AttrValue::Int(axis));
    let value = scope.extra(call, "DequantizeLinear", along, &[acc, multiplier])?;
    let one = scope.constant(Tensor::scalar(1.0f32));
    scope.extra(call, "QuantizeLinear", Attrs::new(), &[value, one, y_zero])
}
