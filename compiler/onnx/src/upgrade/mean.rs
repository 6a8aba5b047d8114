//! `Mean` of any number of inputs.

use super::{Call, sum};
use crate::scope::Scope;
use qcc_ir::ValueId;
use qcc_ops::{Attrs, OpError};
use qcc_tensor::{DType, Tensor};

/// The sum, divided by the number of inputs.
pub(super) fn quotient(call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    let count = call.inputs.len() as f64;
    let first = call.input(0)?;
    let total = sum::chain(call.clone(), scope)?;
    let divisor = match scope.fact(Some(first)).dtype {
        Some(dtype) => scope.constant(Tensor::from_f64(dtype, [], &[count])),
        None => {
            let count = scope.constant(Tensor::from_f64(DType::F64, [], &[count]));
            scope.extra(&call, "CastLike", Attrs::new(), &[count, first])?
        }
    };
    Ok(vec![scope.extra(&call, "Div", Attrs::new(), &[total[0], divisor])?])
}
