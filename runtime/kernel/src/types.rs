//! The nouns every other file speaks about: lanes, value types, value and buffer handles, addresses.

use serde::{Deserialize, Serialize};

/// Bytes in one half of a vector register, and in a register of a narrow kernel.
pub const VL: usize = 16;

/// Halves of the vector registers of a kernel. Every operation works on each half by itself; an address says where the
/// high half lies ([`Addr::high`]). A wide kernel is thus a narrow one run on two places at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Width {
    /// Registers of one half, 128 bits: every CPU.
    #[default]
    V128,
    /// Registers of two halves, 256 bits: AVX2. Other CPUs run two instructions for one.
    V256,
}

impl Width {
    /// Halves of a register.
    pub const fn halves(self) -> usize {
        match self {
            Width::V128 => 1,
            Width::V256 => 2,
        }
    }

    /// Bytes of a register.
    pub const fn bytes(self) -> usize {
        VL * self.halves()
    }
}

/// Element type of a vector register. Signedness belongs to the operation, not to the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lane {
    /// Bytes, sixteen a half.
    I8,
    /// 16-bit integers, eight a half.
    I16,
    /// 32-bit integers, four a half.
    I32,
    /// Single-precision floats, four a half.
    F32,
}

impl Lane {
    /// Bytes of one lane.
    pub const fn bytes(self) -> usize {
        match self {
            Lane::I8 => 1,
            Lane::I16 => 2,
            Lane::I32 | Lane::F32 => 4,
        }
    }

    /// Lanes in one half of a register.
    pub const fn count(self) -> usize {
        VL / self.bytes()
    }

    /// The lane of twice the width, for widening operations.
    pub const fn widened(self) -> Option<Lane> {
        match self {
            Lane::I8 => Some(Lane::I16),
            Lane::I16 => Some(Lane::I32),
            Lane::I32 | Lane::F32 => None,
        }
    }

    /// The lane of half the width, for narrowing operations.
    pub const fn narrowed(self) -> Option<Lane> {
        match self {
            Lane::I16 => Some(Lane::I8),
            Lane::I32 => Some(Lane::I16),
            Lane::I8 | Lane::F32 => None,
        }
    }
}

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ty {
    /// A vector register.
    Vec(Lane),
    /// A 64-bit signed scalar used for addressing and trip counts.
    Index,
}

/// One SSA value of a kernel, numbered in the order of definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Value(pub u32);

/// One buffer of a kernel: its position in the argument array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Buf(pub u32);

impl Buf {
    /// The address `buffer + index + offset`, in bytes.
    pub const fn at(self, index: Value, offset: i64) -> Addr {
        Addr { buf: self, index: Some(index), offset, high: None }
    }

    /// The constant address `buffer + offset`, in bytes.
    pub const fn fixed(self, offset: i64) -> Addr {
        Addr { buf: self, index: None, offset, high: None }
    }
}

/// `buffer + index + offset`, in bytes, and where the high half of a wide register lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Addr {
    /// The buffer addressed.
    pub buf: Buf,
    /// A byte offset computed at run time.
    pub index: Option<Value>,
    /// A byte offset known when the kernel is generated.
    pub offset: i64,
    /// Bytes from where the low half of a register lies to where its high half lies. Without, a load repeats the low
    /// half in the high one, and a store leaves the high half out.
    pub high: Option<i64>,
}

impl Addr {
    /// The same address with the high half that many bytes behind the low one.
    pub const fn with_high(self, bytes: i64) -> Addr {
        Addr { high: Some(bytes), ..self }
    }

    /// The same address of a whole register: the high half, if it has one, follows the low one.
    pub fn whole(self, width: Width) -> Addr {
        Addr { high: (width == Width::V256).then_some(VL as i64), ..self }
    }

    /// The address of the low half alone.
    pub const fn low(self) -> Addr {
        Addr { high: None, ..self }
    }

    /// The same address, `bytes` further.
    pub const fn plus(self, bytes: i64) -> Addr {
        Addr { offset: self.offset + bytes, ..self }
    }
}

/// How a kernel uses a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BufferKind {
    /// Read only; written by an earlier kernel or by the caller.
    In,
    /// Written, and possibly read back.
    Out,
    /// Read only; contents fixed when the program is compiled (weights, tables, multipliers).
    Const,
    /// Private to one call; contents undefined at entry.
    Scratch,
}

/// Declaration of one buffer a kernel is called with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BufferDecl {
    /// Name for dumps.
    pub name: String,
    /// Bytes the kernel may touch, slack included.
    pub bytes: usize,
    /// Alignment the caller guarantees, in bytes.
    pub align: usize,
    /// How the kernel uses it.
    pub kind: BufferKind,
}
