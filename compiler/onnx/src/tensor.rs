//! Tensors of the file, checked before any memory is reserved.

use crate::dtype::{self, BadType};
use crate::external::ExternalData;
use crate::proto::{TensorProto, tensor_proto::DataLocation};
use bytes::Bytes;
use qcc_diag::Diagnostic;
use qcc_tensor::{DType, Shape, Tensor, TensorType, bf16, f16};

/// The tensor; `what` names it in messages (``initializer `w` ``).
pub(crate) fn read(proto: &TensorProto, what: &str, external: &mut ExternalData) -> Result<Tensor, Diagnostic> {
    let invalid = |code, message: String| Diagnostic::error(code, format!("{what}: {message}"));
    let dtype = dtype::from_code(proto.data_type()).map_err(|e| match e {
        BadType::Unsupported(_) => {
            Diagnostic::unsupported("unsupported-type", format!("{what}: {e}")).help(BadType::HELP)
        }
        BadType::Unknown(_) => invalid("bad-type", e.to_string()).help(BadType::HELP),
    })?;
    let damaged = "the file is damaged or was written by a faulty exporter: export the model anew";
    let ty = tensor_type(dtype, &proto.dims).map_err(|m| invalid("bad-shape", m).help(damaged))?;
    if proto.segment.is_some() {
        let message = format!("{what}: tensors split into segments are not supported yet");
        return Err(Diagnostic::unsupported("unsupported-tensor", message));
    }
    if proto.data_location() == DataLocation::External {
        let bytes = external.read(&proto.external_data, ty.packed_bytes().unwrap_or(usize::MAX), what)?;
        return from_bytes(ty, bytes).map_err(|m| invalid("tensor-size", m));
    }
    let tensor = match &proto.raw_data {
        Some(raw) => from_bytes(ty, raw.clone()),
        None => from_fields(ty, proto),
    };
    tensor.map_err(|m| {
        invalid("tensor-size", m)
            .help("the file may be truncated, or the tensor's data lies in a file that it does not name")
    })
}

/// The type with these dimensions, if a dense tensor of it can exist.
fn tensor_type(dtype: DType, dims: &[i64]) -> Result<TensorType, String> {
    let shape: Option<Shape> = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    let shape = shape.ok_or_else(|| format!("the shape {dims:?} has a negative dimension"))?;
    let bytes = shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d)).filter(|&n| n <= isize::MAX as usize);
    match bytes {
        Some(_) => Ok(TensorType { dtype, shape }),
        None => Err(format!("the shape {dims:?} has more bytes than the address space")),
    }
}

fn from_bytes(ty: TensorType, bytes: Bytes) -> Result<Tensor, String> {
    Tensor::from_packed(ty, bytes).map_err(|e| e.to_string())
}

/// From the typed fields. Small integers and half floats (as bits) are stored as 32-bit integers.
fn from_fields(ty: TensorType, p: &TensorProto) -> Result<Tensor, String> {
    if ty.dtype.bits() < 8 || ty.dtype.is_small_float() {
        let bytes: Vec<u8> = p.int32_data.iter().map(|&x| x as u8).collect();
        return from_bytes(ty, bytes.into());
    }
    let count = match ty.dtype {
        DType::F32 => p.float_data.len(),
        DType::F64 => p.double_data.len(),
        DType::I64 => p.int64_data.len(),
        DType::U32 | DType::U64 => p.uint64_data.len(),
        _ => p.int32_data.len(),
    };
    if count != ty.elements() {
        return Err(format!("{ty} needs {} elements, the file holds {count}", ty.elements()));
    }
    let shape = ty.shape;
    macro_rules! narrow {
        ($field:ident, |$x:ident| $convert:expr) => {
            Tensor::new(shape, p.$field.iter().map(|&$x| $convert).collect())
        };
    }
    Ok(match ty.dtype {
        DType::F32 => Tensor::new(shape, p.float_data.clone()),
        DType::F64 => Tensor::new(shape, p.double_data.clone()),
        DType::I64 => Tensor::new(shape, p.int64_data.clone()),
        DType::U64 => Tensor::new(shape, p.uint64_data.clone()),
        DType::U32 => narrow!(uint64_data, |x| x as u32),
        DType::I32 => Tensor::new(shape, p.int32_data.clone()),
        DType::F16 => narrow!(int32_data, |x| f16::from_bits(x as u16)),
        DType::BF16 => narrow!(int32_data, |x| bf16::from_bits(x as u16)),
        DType::I8 => narrow!(int32_data, |x| x as i8),
        DType::U8 => narrow!(int32_data, |x| x as u8),
        DType::I16 => narrow!(int32_data, |x| x as i16),
        DType::U16 => narrow!(int32_data, |x| x as u16),
        DType::Bool => narrow!(int32_data, |x| x != 0),
        other => return Err(format!("{other} is not stored in this field")),
    })
}
