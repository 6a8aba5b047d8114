//! Element types of the file format.

use crate::proto::tensor_proto::DataType;
use qcc_tensor::DType;

const TYPES: [(DataType, DType); 23] = [
    (DataType::Float, DType::F32),
    (DataType::Double, DType::F64),
    (DataType::Float16, DType::F16),
    (DataType::Bfloat16, DType::BF16),
    (DataType::Int8, DType::I8),
    (DataType::Uint8, DType::U8),
    (DataType::Int16, DType::I16),
    (DataType::Uint16, DType::U16),
    (DataType::Int32, DType::I32),
    (DataType::Uint32, DType::U32),
    (DataType::Int64, DType::I64),
    (DataType::Uint64, DType::U64),
    (DataType::Bool, DType::Bool),
    (DataType::Int4, DType::I4),
    (DataType::Uint4, DType::U4),
    (DataType::Int2, DType::I2),
    (DataType::Uint2, DType::U2),
    (DataType::Float8e4m3fn, DType::F8E4M3),
    (DataType::Float8e4m3fnuz, DType::F8E4M3Uz),
    (DataType::Float8e5m2, DType::F8E5M2),
    (DataType::Float8e5m2fnuz, DType::F8E5M2Uz),
    (DataType::Float8e8m0, DType::F8E8M0),
    (DataType::Float4e2m1, DType::F4E2M1),
];

/// A number that is no usable element type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadType {
    /// ONNX knows it (for example strings), qcc does not.
    Unsupported(&'static str),
    /// Not a type of ONNX.
    Unknown(i32),
}

/// The element type of a number in the file.
pub(crate) fn from_code(code: i32) -> Result<DType, BadType> {
    match DataType::try_from(code) {
        Ok(DataType::Undefined) | Err(_) => Err(BadType::Unknown(code)),
        Ok(known) => {
            let found = TYPES.iter().find(|(t, _)| *t == known).map(|(_, d)| *d);
            found.ok_or(BadType::Unsupported(known.as_str_name()))
        }
    }
}

/// The number of an element type in the file.
pub(crate) fn to_code(dtype: DType) -> i32 {
    TYPES.iter().find(|(_, d)| *d == dtype).map_or(DataType::Undefined, |(t, _)| *t) as i32
}

impl BadType {
    /// What to do about it.
    pub(crate) const HELP: &'static str = "qcc computes with floats, integers and bool: export the model with one of them, \
                                           and turn texts into numbers before it";
}

impl std::fmt::Display for BadType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadType::Unsupported(name) => write!(f, "the element type {name} is not supported yet"),
            BadType::Unknown(code) => write!(f, "{code} is not an element type of ONNX"),
        }
    }
}
