//! Damaged versions of bytes, reproducible by a number.

/// Reproducible numbers (splitmix64).
pub struct Random(pub u64);

impl Random {
    /// Sixty-four bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..n`, or 0 if there is none.
    pub fn below(&mut self, n: usize) -> usize {
        (self.word() % n.max(1) as u64) as usize
    }
}

/// Numbers that arithmetic stumbles over.
const EDGES: [u64; 10] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff];

/// Longest run of bytes that is moved, doubled or removed.
const LONGEST: usize = 64;

/// Kinds of damage that leave every other byte where it is.
const IN_PLACE: usize = 5;

/// The bytes with one place damaged in half of the cases, and up to four in the others, most of them among the first
/// `structure` bytes: flipped bits, numbers at the edges of their types; and in the other half fields that trade places, runs
/// doubled or removed, a cut.
pub fn damaged(bytes: &[u8], structure: usize, random: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let (places, kinds) = if random.below(2) == 0 { (1, IN_PLACE) } else { (1 + random.below(4), 9) };
    for _ in 0..places {
        if out.is_empty() {
            return out;
        }
        let region = if random.below(8) == 0 { out.len() } else { structure.clamp(1, out.len()) };
        let at = random.below(region);
        let length = (1 + random.below(LONGEST)).min(out.len() - at);
        match random.below(kinds) {
            0 => out[at] ^= 1 << random.below(8),
            1 => out[at] = random.word() as u8,
            2 => out[at] = out[at].wrapping_add(1),
            3 => out[at] = out[at].wrapping_sub(1),
            4 => {
                let width = [1, 2, 4, 8][random.below(4)].min(out.len() - at);
                let edge = EDGES[random.below(EDGES.len())].to_le_bytes();
                out[at..at + width].copy_from_slice(&edge[..width]);
            }
            5 => {
                let other = random.below(region);
                let length = length.min(16).min(out.len() - other);
                let (a, b) = (out[at..at + length].to_vec(), out[other..other + length].to_vec());
                out[at..at + length].copy_from_slice(&b);
                out[other..other + length].copy_from_slice(&a);
            }
            6 => {
                let run = out[at..at + length].to_vec();
                out.splice(at..at, run);
            }
            7 => drop(out.drain(at..at + length)),
            _ => {
                if random.below(4) == 0 {
                    out.truncate(at);
                } else {
                    out[at..at + length].fill(0);
                }
            }
        }
    }
    out
}
