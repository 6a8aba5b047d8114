//! `DynamicQuantizeLinear`.

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
    let x = a.ty(0)?;
    if x.dtype != DType::F32 {
        return Err(OpError::invalid(format!("the input must be f32, got {x}")));
    }
    let scalar = |dtype| TensorType::new(dtype, []);
    let codes = TensorType { dtype: DType::U8, shape: x.shape.clone() };
    let mut types = vec![codes, scalar(DType::F32), scalar(DType::U8)];
    types.truncate(a.outputs);
    Ok(types)
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let data = x.slice::<f32>();
    let (low, high) = data.iter().fold((0.0f32, 0.0f32), |(low, high), &v| (low.min(v), high.max(v)));
    let (scale, zero) = if low == high {
        (1.0, 0.0)
    } else {
        let scale = (high - low) / 255.0;
        (scale, (0.0 - low / scale).clamp(0.0, 255.0).round_ties_even())
    };
    let codes = data.iter().map(|v| ((v / scale).round_ties_even() + zero).clamp(0.0, 255.0) as u8).collect();
    let mut outputs =
        vec![Tensor::new(x.shape().iter().copied(), codes), Tensor::scalar(scale), Tensor::scalar(zero as u8)];
    outputs.truncate(a.outputs);
    Ok(outputs)
}
