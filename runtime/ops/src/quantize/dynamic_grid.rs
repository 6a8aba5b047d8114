//! `DynamicGrid`.

use crate::{EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// Scale and zero-point of the 8-bit codes that cover the whole range of the data, zero included: what
/// `DynamicQuantizeLinear` gives beside its codes.
///
/// `s = (max(0, max) - min(0, min)) / 255`, `z = saturate(round(0 - min / s))`; zeros alone give `s = 1`, `z = 0`. All
/// steps are f32, as the standard's text writes them; NaN has no part in the range.
pub static OP: OpDef = OpDef {
    name: "DynamicGrid",
    domain: "qcc",
    doc: "Scale and zero-point of codes that cover the whole range of the data.",
    inputs: &[Param::one("x")],
    outputs: &[Param::one("scale"), Param::one("zero_point")],
    attrs: &[],
    elementwise: false,
    infer: |a| {
        let mut types = types(a)?.to_vec();
        types.truncate(a.outputs);
        Ok(types)
    },
    eval: |a: &EvalArgs<'_>| {
        let (scale, zero) = covering(a.input(0)?.slice::<f32>());
        let mut outputs = vec![Tensor::scalar(scale), Tensor::scalar(zero)];
        outputs.truncate(a.outputs);
        Ok(outputs)
    },
    macs: no_macs,
};

/// Types of the scale and the zero-point.
pub(super) fn types(a: &InferArgs<'_>) -> Result<[TensorType; 2], OpError> {
    let x = a.ty(0)?;
    if x.dtype != DType::F32 {
        return Err(OpError::invalid(format!("the input must be f32, got {x}")));
    }
    Ok([DType::F32, DType::U8].map(|dtype| TensorType::new(dtype, [])))
}

/// Scale and zero-point of the codes 0 to 255 that cover the data.
pub(super) fn covering(data: &[f32]) -> (f32, u8) {
    let (low, high) = data.iter().fold((0.0f32, 0.0f32), |(low, high), &v| (low.min(v), high.max(v)));
    if low == high {
        return (1.0, 0);
    }
    let scale = (high - low) / 255.0;
    (scale, (0.0 - low / scale).clamp(0.0, 255.0).round_ties_even() as u8)
}
