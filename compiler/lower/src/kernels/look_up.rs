//! Lookups in tables of bytes, for several writes at once.
//!
//! A lookup takes as long for a register that is half full as for a full one: 16 shuffles and as many blends on x86. Where
//! each half of a register has no more than eight codes, two writes therefore share one lookup.

use qcc_kernel::{BinOp, KernelBuilder, Lane, UnOp, VL, Value};

use super::apply::{Known, Tile};
use super::body::Node;
use super::emit::{Emitter, Write};

impl Emitter<'_> {
    /// Computes all lookups of the body, for all writes.
    pub(super) fn look_up(
        &self,
        b: &mut KernelBuilder,
        writes: &[Write<'_>],
        channels: [usize; 2],
        known: &mut [Known],
    ) {
        let half_full = writes.iter().all(|write| write.twin.vectors(channels[1]) <= 2);
        for (id, node) in self.body.nodes.iter().enumerate() {
            let Node::Lookup { q, .. } = node else { continue };
            let table = self.constants().fixed(self.tables[id]);
            let all = writes.iter().zip(known.iter_mut());
            let codes: Vec<Value> =
                all.map(|(write, known)| Tile::new(self, b, write, channels, known).codes(*q)).collect();
            let mut found = Vec::new();
            for codes in codes.chunks(if half_full { 2 } else { 1 }) {
                match *codes {
                    [first, second] => {
                        let words = [first, second].map(|codes| b.unary(UnOp::Bitcast(Lane::I32), codes));
                        let both = b.binary(BinOp::InterleaveLow, words[0], words[1]);
                        let both = b.unary(UnOp::Bitcast(Lane::I8), both);
                        let both = b.lookup8(table, both);
                        found.extend([0, 1].map(|word| b.shuffle(both, both, every_second(word))));
                    }
                    _ => found.extend(codes.iter().map(|&codes| b.lookup8(table, codes))),
                }
            }
            for (known, found) in known.iter_mut().zip(found) {
                known.codes[id] = Some(found);
            }
        }
    }
}

/// The bytes of every second word of four bytes, in the low half and once more in the high one.
fn every_second(first: u8) -> [u8; VL] {
    std::array::from_fn(|i| {
        let (word, byte) = (i as u8 / 4 % 2, i as u8 % 4);
        4 * (2 * word + first) + byte
    })
}
