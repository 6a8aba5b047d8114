//! Constants of an artifact in fewer bytes: a DEFLATE stream (RFC 1951), by the `flate2` crate. Pruned weights are runs of
//! zeros, clustered ones repeat few words.

use flate2::Compression;
use flate2::bufread::DeflateDecoder;
use flate2::write::DeflateEncoder;
use std::io::{self, Error, ErrorKind, Read, Write};

/// No stream gives more bytes for each of its own: 258 bytes take two bits.
pub const MOST_FOR_A_BYTE: usize = 1032;

/// The bytes, packed.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory can be written")
}

/// Unpacks into all of `out`.
///
/// # Errors
/// Bytes that [`pack`] does not give for so many.
pub fn unpack(packed: &[u8], out: &mut [u8]) -> io::Result<()> {
    let mut decoder = DeflateDecoder::new(packed);
    decoder.read_exact(out)?;
    let ended = decoder.read(&mut [0])? == 0 && decoder.into_inner().is_empty();
    if ended { Ok(()) } else { Err(Error::from(ErrorKind::InvalidData)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: u32 = 1 << 14;

    /// Weights of each kind, and the most that is left of their bytes, as a percentage.
    fn cases() -> Vec<(&'static str, Vec<u8>, usize)> {
        let words = |f: &dyn Fn(u32) -> u32| (0..WORDS).flat_map(|i| f(i).to_le_bytes()).collect::<Vec<u8>>();
        let any = |i: u32| {
            let mixed = (i + 1).wrapping_mul(0x9e37_79b9);
            (mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca6b)
        };
        // A zero may have the sign of the scale that it was multiplied by.
        let pruned = |i: u32| if any(i) % 4 == 0 { any(any(i)) } else { (i / 144 % 2) << 31 };
        vec![
            ("nothing", Vec::new(), 100),
            ("one byte", vec![7], 1000),
            ("anything", words(&any), 101),
            ("a quarter of them no zeros", words(&pruned), 38),
            ("256 values", words(&|i| any(any(i) % 256)), 45),
            ("16 values", words(&|i| any(any(i) % 16)), 22),
            ("zeros", vec![0; WORDS as usize], 1),
        ]
    }

    #[test]
    fn what_is_packed_comes_back_from_as_many_bytes_as_said() {
        for (name, bytes, most) in cases() {
            let packed = pack(&bytes);
            let mut back = vec![0xff; bytes.len()];
            unpack(&packed, &mut back).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(back, bytes, "{name}");
            assert!(packed.len() <= 4 + bytes.len() * most / 100, "{name}: {} of {}", packed.len(), bytes.len());
            assert!(packed.len() * MOST_FOR_A_BYTE >= bytes.len(), "{name}");
        }
    }

    #[test]
    fn what_was_cut_or_changed_is_an_error_or_other_bytes() {
        for (name, bytes, _) in cases() {
            let packed = pack(&bytes);
            let mut out = vec![0; bytes.len()];
            for length in (0..packed.len()).step_by(packed.len() / 64 + 1) {
                assert!(unpack(&packed[..length], &mut out).is_err(), "{name}: {length} bytes");
            }
            assert!(unpack(&[&packed[..], &[0]].concat(), &mut out).is_err(), "{name}: a rest");
            assert!(unpack(&packed, &mut vec![0; bytes.len() + 1]).is_err(), "{name}: more was expected");
            if !bytes.is_empty() {
                assert!(unpack(&packed, &mut out[1..]).is_err(), "{name}: less was expected");
            }
            for at in (0..packed.len()).step_by(packed.len() / 64 + 1) {
                let mut changed = packed.clone();
                changed[at] ^= 0x81;
                let _ = unpack(&changed, &mut out);
            }
        }
    }
}
