//! Constants that stand in front of the code and are read relative to it.

use std::collections::HashMap;

use qcc_kernel::{Op, VL};

/// Bytes of an entry: a wide register.
pub const ENTRY: usize = 2 * VL;

/// The constants of one kernel, each once.
#[derive(Debug, Default)]
pub struct Pool {
    bytes: Vec<u8>,
    known: HashMap<[u8; ENTRY], i64>,
}

impl Pool {
    /// The offset of a constant of a register, both halves alike.
    pub fn register(&mut self, half: [u8; VL]) -> i64 {
        let mut entry = [0; ENTRY];
        entry[..VL].copy_from_slice(&half);
        entry[VL..].copy_from_slice(&half);
        self.entry(entry)
    }

    /// The offset of a register whose 32-bit lanes all hold this.
    pub fn splat(&mut self, bits: u32) -> i64 {
        self.register(word(bits))
    }

    /// The offset of a scalar.
    pub fn scalar(&mut self, value: i64) -> i64 {
        let mut entry = [0; ENTRY];
        entry[..8].copy_from_slice(&value.to_le_bytes());
        self.entry(entry)
    }

    /// The constants in order.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn entry(&mut self, entry: [u8; ENTRY]) -> i64 {
        *self.known.entry(entry).or_insert_with(|| {
            self.bytes.extend_from_slice(&entry);
            (self.bytes.len() - ENTRY) as i64
        })
    }
}

/// Whether an operation gives a constant.
pub fn is_constant(op: &Op) -> bool {
    matches!(op, Op::Splat { .. } | Op::Constant { .. } | Op::IndexConst(_))
}

/// The bytes of each half of a constant vector.
pub fn half(op: &Op) -> Option<[u8; VL]> {
    match op {
        Op::Splat { bits, .. } => Some(word(*bits)),
        Op::Constant { bytes, .. } => Some(*bytes),
        _ => None,
    }
}

fn word(bits: u32) -> [u8; VL] {
    let word = bits.to_le_bytes();
    std::array::from_fn(|i| word[i % 4])
}
