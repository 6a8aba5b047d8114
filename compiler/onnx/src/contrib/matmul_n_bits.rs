//! `MatMulNBits`.

use super::codes::{optional, required};
use crate::scope::Scope;
use crate::upgrade::Call;
use qcc_ir::ValueId;
use qcc_ops::{AttrValue, Attrs, OpError};
use qcc_tensor::{DType, Tensor, TensorType};

/// A product with weights `[N, K]` stored as codes of few bits in blocks along `K`, each block with a scale and zero-point.
pub(super) fn import(call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    let size = |name: &str| match call.attrs.int(name) {
        Some(n @ 1..) if n <= 1 << 24 => Ok(n as usize),
        other => Err(OpError::invalid(format!("`{name}` must be positive, got {other:?}"))),
    };
    let (k, n, block) = (size("K")?, size("N")?, size("block_size")?);
    let (dtype, middle) = match call.attrs.int("bits").unwrap_or(4) {
        2 => (DType::U2, 2u8),
        4 => (DType::U4, 8),
        8 => (DType::U8, 128),
        bits => return Err(OpError::unsupported(format!("weights of {bits} bits"))),
    };
    if optional(&call, 4).is_some() {
        return Err(OpError::unsupported("groups by an index"));
    }
    let (a, scales) = (required(&call, 0)?, required(&call, 2)?);
    let blocks = k.div_ceil(block);
    let codes = constant(scope, required(&call, 1)?, "the weights")?;
    let codes = rows(&codes, dtype, n, blocks * block, k)?;
    let zeros = match optional(&call, 3) {
        Some(zeros) => {
            let zeros = constant(scope, zeros, "the zero-points")?;
            if zeros.dtype() != DType::U8 {
                return Err(OpError::unsupported(format!("zero-points of type {}", zeros.dtype())));
            }
            let row = zeros.elements().checked_div(n).unwrap_or(0) * 8 / dtype.bits();
            rows(&zeros, dtype, n, row, blocks)?
        }
        None => Tensor::from_f64(dtype, [n, blocks], &vec![f64::from(middle); n * blocks]),
    };
    let shape = scope.constant(Tensor::new([2], vec![n as i64, blocks as i64]));
    let scales = scope.extra(&call, "Reshape", Attrs::new(), &[scales, shape])?;
    let (codes, zeros) = (scope.constant(codes), scope.constant(zeros));
    let blocked = Attrs::new().with("axis", AttrValue::Int(1)).with("block_size", AttrValue::Int(block as i64));
    let weights = scope.extra(&call, "DequantizeLinear", blocked, &[codes, scales, zeros])?;
    let perm = Attrs::new().with("perm", AttrValue::Ints(vec![1, 0]));
    let weights = scope.extra(&call, "Transpose", perm, &[weights])?;
    let product = scope.extra(&call, "MatMul", Attrs::new(), &[a, weights])?;
    match optional(&call, 5) {
        Some(bias) => Ok(vec![scope.extra(&call, "Add", Attrs::new(), &[product, bias])?]),
        None => Ok(vec![product]),
    }
}

fn constant(scope: &Scope<'_>, value: ValueId, what: &str) -> Result<Tensor, OpError> {
    scope.value(Some(value)).cloned().ok_or_else(|| OpError::unsupported(format!("{what} are no constant")))
}

/// The first `kept` of the `width` packed elements of each of `count` rows.
fn rows(packed: &Tensor, dtype: DType, count: usize, width: usize, kept: usize) -> Result<Tensor, OpError> {
    let wrong = |e: &dyn std::fmt::Display| {
        OpError::invalid(format!("{} does not hold {count} rows of {width}: {e}", packed.ty()))
    };
    let ty = TensorType::new(dtype, [count, width]);
    let whole = Tensor::from_packed(ty, packed.to_shared()).map_err(|e| wrong(&e))?;
    if width < kept {
        return Err(wrong(&"rows are too short"));
    }
    let bytes: Vec<u8> = whole.bytes().chunks(width.max(1)).flat_map(|row| &row[..kept]).copied().collect();
    Tensor::from_bytes(TensorType::new(dtype, [count, kept]), bytes.into()).map_err(|e| wrong(&e))
}
