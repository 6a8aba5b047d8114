//! Element types.

use serde::{Deserialize, Serialize};

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DType {
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// IEEE half precision.
    F16,
    /// Brain float.
    BF16,
    /// Signed 8-bit integer.
    I8,
    /// Unsigned 8-bit integer.
    U8,
    /// Signed 16-bit integer.
    I16,
    /// Unsigned 16-bit integer.
    U16,
    /// Signed 32-bit integer.
    I32,
    /// Unsigned 32-bit integer.
    U32,
    /// Signed 64-bit integer.
    I64,
    /// Unsigned 64-bit integer.
    U64,
    /// One byte, 0 or 1.
    Bool,
    /// Signed 4-bit integer, in a byte.
    I4,
    /// Unsigned 4-bit integer, in a byte.
    U4,
    /// Signed 2-bit integer, in a byte.
    I2,
    /// Unsigned 2-bit integer, in a byte.
    U2,
    /// 8-bit float with 4 exponent bits, no infinities.
    F8E4M3,
    /// 8-bit float with 4 exponent bits, no infinities and no minus zero.
    F8E4M3Uz,
    /// 8-bit float with 5 exponent bits.
    F8E5M2,
    /// 8-bit float with 5 exponent bits, no infinities and no minus zero.
    F8E5M2Uz,
    /// Power of two in 8 bits.
    F8E8M0,
    /// 4-bit float with 2 exponent bits, in a byte.
    F4E2M1,
}

impl DType {
    /// All element types with the name used in `.rules`, `.qir` and messages.
    pub const ALL: [(DType, &'static str); 23] = [
        (DType::F32, "f32"),
        (DType::F64, "f64"),
        (DType::F16, "f16"),
        (DType::BF16, "bf16"),
        (DType::I8, "i8"),
        (DType::U8, "u8"),
        (DType::I16, "i16"),
        (DType::U16, "u16"),
        (DType::I32, "i32"),
        (DType::U32, "u32"),
        (DType::I64, "i64"),
        (DType::U64, "u64"),
        (DType::Bool, "bool"),
        (DType::I4, "i4"),
        (DType::U4, "u4"),
        (DType::I2, "i2"),
        (DType::U2, "u2"),
        (DType::F8E4M3, "f8e4m3"),
        (DType::F8E4M3Uz, "f8e4m3uz"),
        (DType::F8E5M2, "f8e5m2"),
        (DType::F8E5M2Uz, "f8e5m2uz"),
        (DType::F8E8M0, "f8e8m0"),
        (DType::F4E2M1, "f4e2m1"),
    ];

    /// Bytes of one element in memory.
    pub fn size(self) -> usize {
        match self {
            DType::F16 | DType::BF16 | DType::I16 | DType::U16 => 2,
            DType::F32 | DType::I32 | DType::U32 => 4,
            DType::F64 | DType::I64 | DType::U64 => 8,
            _ => 1,
        }
    }

    /// Bits of one element in a file.
    pub fn bits(self) -> usize {
        match self {
            DType::I4 | DType::U4 | DType::F4E2M1 => 4,
            DType::I2 | DType::U2 => 2,
            other => other.size() * 8,
        }
    }

    /// Short lower-case name, such as `f32`.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(d, _)| *d == self).expect("every dtype is in the table").1
    }

    /// The dtype of a [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<DType> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(d, _)| *d)
    }

    /// Whether it is a floating-point type that arithmetic is defined on.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64 | DType::F16 | DType::BF16)
    }

    /// Whether it is a float of at most eight bits, which is stored and converted only.
    pub fn is_small_float(self) -> bool {
        matches!(
            self,
            DType::F8E4M3 | DType::F8E4M3Uz | DType::F8E5M2 | DType::F8E5M2Uz | DType::F8E8M0 | DType::F4E2M1
        )
    }

    /// Whether it is a signed or unsigned integer (not bool).
    pub fn is_int(self) -> bool {
        !self.is_float() && !self.is_small_float() && self != DType::Bool
    }

    /// Whether it is an integer of less than eight bits, which is stored and converted only.
    pub fn is_small_int(self) -> bool {
        matches!(self, DType::I4 | DType::U4 | DType::I2 | DType::U2)
    }

    /// Whether it is an unsigned integer.
    pub fn is_unsigned(self) -> bool {
        matches!(self, DType::U8 | DType::U16 | DType::U32 | DType::U64 | DType::U4 | DType::U2)
    }

    /// Smallest and largest value of an integer type, as i128; `None` for floats and bool.
    pub fn int_range(self) -> Option<(i128, i128)> {
        if !self.is_int() {
            return None;
        }
        let bits = self.bits() as u32;
        Some(if self.is_unsigned() { (0, (1 << bits) - 1) } else { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) })
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
