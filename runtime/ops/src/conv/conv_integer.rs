//! `ConvInteger`.

use super::{conv_, iconv};
use crate::{OpDef, OpError, Param};
use qcc_tensor::{DType, TensorType};

/// Convolution of 8-bit codes into i32: `sum (x - x_zero)(w - w_zero)`; the zero-point of the weights is one number or
/// one for each output channel.
pub static OP: OpDef = OpDef {
    name: "ConvInteger",
    domain: "",
    doc: "Convolution of 8-bit codes into 32-bit integers.",
    inputs: &[Param::one("x"), Param::one("w"), Param::optional("x_zero_point"), Param::optional("w_zero_point")],
    outputs: &[Param::one("y")],
    attrs: conv_::ATTRS,
    elementwise: false,
    infer: |a| {
        let shape = conv_::infer_shape(a, 4)?;
        iconv::check_codes(a, iconv::BYTES)?;
        let outputs = a.ty(1)?.shape[0];
        if let Some(z) = a.opt_ty(3)
            && z.elements() != 1
            && z.elements() != outputs
        {
            return Err(OpError::invalid(format!("expected one zero-point or {outputs}, got {z}")));
        }
        Ok(vec![TensorType { dtype: DType::I32, shape }])
    },
    eval: iconv::eval,
    macs: conv_::macs,
};
