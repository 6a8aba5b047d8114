//! How a layer computes.

use crate::Codes;

/// Weights of 4 bits that have a scale in common: scales of floats take a quarter of the bytes of their codes then.
pub const BLOCK: usize = 32;

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
    /// On floats, with weights that are stored in 8 bits.
    WeightOnly8,
    /// On floats, with weights that are stored in 4 bits, a scale for every [`BLOCK`] of them.
    WeightOnly4,
}

impl Precision {
    /// All whose weights are codes.
    pub const QUANTIZED: [Precision; 6] = [
        Precision::Int8,
        Precision::Int7,
        Precision::Int16,
        Precision::Dynamic,
        Precision::WeightOnly8,
        Precision::WeightOnly4,
    ];

    /// One for each kind of codes of weights.
    pub const BY_WEIGHTS: [Precision; 2] = [Precision::Int8, Precision::Int7];

    /// Codes of weights; none if they are floats.
    pub fn codes(self) -> Option<Codes> {
        match self {
            Precision::Float => None,
            Precision::Int8 | Precision::Int16 | Precision::Dynamic | Precision::WeightOnly8 => Some(Codes::I8),
            Precision::Int7 => Some(Codes::I7),
            Precision::WeightOnly4 => Some(Codes::I4),
        }
    }

    /// How many weights of an output, one behind the other along what is summed, have a scale in common; all if none.
    pub fn block(self) -> Option<usize> {
        (self == Precision::WeightOnly4).then_some(BLOCK)
    }

    /// Whether its weights are codes.
    pub fn is_quantized(self) -> bool {
        self != Precision::Float
    }

    /// Whether its weights are codes and what they are multiplied with is not.
    pub fn is_weight_only(self) -> bool {
        matches!(self, Precision::WeightOnly8 | Precision::WeightOnly4)
    }

    /// Whether it computes on codes.
    pub fn is_integer(self) -> bool {
        self.is_quantized() && !self.is_weight_only()
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
            Precision::WeightOnly8 => "weight8",
            Precision::WeightOnly4 => "weight4",
        })
    }
}
