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
}

impl Precision {
    /// Those on codes, the most accurate first.
    pub const INTEGERS: [Precision; 2] = [Precision::Int8, Precision::Int7];

    /// Codes of weights; none if it computes on floats.
    pub fn codes(self) -> Option<Codes> {
        match self {
            Precision::Float => None,
            Precision::Int8 => Some(Codes::I8),
            Precision::Int7 => Some(Codes::I7),
        }
    }

    /// Whether it computes on codes.
    pub fn is_integer(self) -> bool {
        self != Precision::Float
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Precision::Float => "float",
            Precision::Int8 => "int8",
            Precision::Int7 => "int7",
        })
    }
}
