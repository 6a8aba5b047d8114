//! How a layer computes.

use crate::Codes;

/// How a layer computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// On floats.
    Float,
    /// On codes of 8 bits with weights of 8 bits.
    Int8,
    /// On codes of 8 bits with weights of 7 bits, of which sums of several products fit 16 bits: faster on CPUs without a dot
    /// product of bytes.
    Int7,
    /// On codes of 16 bits with weights of 8 bits; reads and writes floats.
    Int16,
    /// On codes of 8 bits of a range that is found at run time, with weights of 8 bits; reads and writes floats.
    Dynamic,
}

impl Precision {
    /// All but floats.
    pub const INTEGERS: [Precision; 4] = [Precision::Int8, Precision::Int7, Precision::Int16, Precision::Dynamic];

    /// One for each kind of codes of weights.
    pub const BY_WEIGHTS: [Precision; 2] = [Precision::Int8, Precision::Int7];

    /// Codes of weights; none if it computes on floats.
    pub fn codes(self) -> Option<Codes> {
        match self {
            Precision::Float => None,
            Precision::Int8 | Precision::Int16 | Precision::Dynamic => Some(Codes::I8),
            Precision::Int7 => Some(Codes::I7),
        }
    }

    /// Whether it computes on codes.
    pub fn is_integer(self) -> bool {
        self != Precision::Float
    }

    /// Whether it reads codes of a grid that all who read the value share.
    pub fn reads_codes(self) -> bool {
        matches!(self, Precision::Int8 | Precision::Int7)
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Precision::Float => "float",
            Precision::Int8 => "int8",
            Precision::Int7 => "int7",
            Precision::Int16 => "int16",
            Precision::Dynamic => "dynamic",
        })
    }
}
