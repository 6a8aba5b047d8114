//! What functions of the bits of integers share.

use crate::elementwise::binary;
use crate::{InferArgs, OpError};
use qcc_tensor::TensorType;

/// Broadcast shape; the operands must be integers of one type.
pub(crate) fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    if !x.dtype.is_int() {
        return Err(OpError::invalid(format!("only integers have bits to combine, got {x}")));
    }
    binary::infer(a)
}

/// Defines `OP` of a function of the bits of two integers.
macro_rules! bitwise {
    ($name:literal, $doc:literal, |$i:ident, $j:ident| $int:expr) => {
        /// The operator.
        pub static OP: crate::OpDef = crate::OpDef {
            name: $name,
            domain: "",
            doc: $doc,
            inputs: &[crate::Param::one("a"), crate::Param::one("b")],
            outputs: &[crate::Param::one("c")],
            attrs: &[],
            elementwise: true,
            infer: crate::elementwise::bitwise::infer,
            eval: |a| crate::elementwise::binary::eval(a, |x, _| x, |$i, $j| $int),
            macs: crate::def::no_macs,
        };
    };
}

pub(crate) use bitwise;
