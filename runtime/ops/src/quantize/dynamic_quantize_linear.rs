//! `DynamicQuantizeLinear`.

use super::dynamic_grid;
use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// Codes of the whole range of the data, zero included, with the scale and zero-point that cover it.
///
/// `s = (max(0, max) - min(0, min)) / 255`, `z = saturate(round(0 - min / s))`; zeros alone give `s = 1`, `z = 0`. All
/// steps are f32, as the text writes them.
pub static OP: OpDef = OpDef {
    name: "DynamicQuantizeLinear",
    domain: "",
    doc: "Codes of the whole range of the data, with their scale and zero-point.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("y"), Param::one("y_scale"), Param::one("y_zero_point")],
    attrs: &[],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let codes = TensorType { dtype: DType::U8, shape: a.ty(0)?.shape.clone() };
    let mut types = vec![codes];
    types.extend(dynamic_grid::types(a)?);
    types.truncate(a.outputs);
    Ok(types)
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let data = x.slice::<f32>();
    let (scale, zero) = dynamic_grid::covering(data);
    let code = |v: &f32| ((v / scale).round_ties_even() + f32::from(zero)).clamp(0.0, 255.0) as u8;
    let codes = Tensor::new(x.shape().iter().copied(), data.iter().map(code).collect());
    let mut outputs = vec![codes, Tensor::scalar(scale), Tensor::scalar(zero)];
    outputs.truncate(a.outputs);
    Ok(outputs)
}
