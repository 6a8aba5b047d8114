//! Constants of an artifact in fewer bytes: pruned weights are mostly zeros, clustered and quantized ones have few values.
//!
//! ```text
//! for each part of 16 KiB: a code, then
//! 0  the bytes as they are
//! 1  two bits for each word of 32 bits, lowest first: 0 zero, 1 the negative zero of a float, 2 another; then the others
//! 2  number of different words of 16 bits less one (u8), those words ascending, the position of each word (u8)
//! 3  the same of 32 bits
//! ```
//! Unpacking is little more than a copy. A general compressor comes no further on weights, which have no repetitions but zeros.
//! All numbers are little endian.

use std::io::{self, Error, ErrorKind};

/// Bytes that are packed together: a table of values is then small beside what it describes, and constants that lie side by
/// side seldom share one.
const PART: usize = 16 << 10;

/// Values that a position of one byte tells apart.
const VALUES: usize = 256;

/// The bytes, packed.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in bytes.chunks(PART) {
        let mut best = plain(part);
        if part.len().is_multiple_of(4) {
            let others = [Some(sparse(part)), table::<2>(2, part), table::<4>(3, part)];
            best = others.into_iter().flatten().chain([best]).min_by_key(Vec::len).expect("there is one");
        }
        out.append(&mut best);
    }
    out
}

/// Unpacks into all of `out`.
///
/// # Errors
/// Bytes that [`pack`] does not give for so many.
pub fn unpack(mut packed: &[u8], out: &mut [u8]) -> io::Result<()> {
    for part in out.chunks_mut(PART) {
        let code = take(&mut packed, 1)?[0];
        if code != 0 && !part.len().is_multiple_of(4) {
            return Err(wrong());
        }
        match code {
            0 => part.copy_from_slice(take(&mut packed, part.len())?),
            1 => unpack_sparse(&mut packed, part)?,
            2 => unpack_table::<2>(&mut packed, part)?,
            3 => unpack_table::<4>(&mut packed, part)?,
            _ => return Err(wrong()),
        }
    }
    if packed.is_empty() { Ok(()) } else { Err(wrong()) }
}

fn wrong() -> Error {
    Error::from(ErrorKind::InvalidData)
}

fn take<'a>(packed: &mut &'a [u8], count: usize) -> io::Result<&'a [u8]> {
    let (taken, rest) = packed.split_at_checked(count).ok_or_else(wrong)?;
    *packed = rest;
    Ok(taken)
}

fn plain(part: &[u8]) -> Vec<u8> {
    [&[0], part].concat()
}

/// A float's zero of either sign: weights of zero get the sign of the scale that they were multiplied by.
const ZEROS: [[u8; 4]; 2] = [[0; 4], [0, 0, 0, 0x80]];

fn sparse(part: &[u8]) -> Vec<u8> {
    let words = part.as_chunks::<4>().0;
    let mut out = vec![1];
    out.resize(1 + words.len().div_ceil(4), 0);
    for (i, word) in words.iter().enumerate() {
        let kind = ZEROS.iter().position(|zero| zero == word).unwrap_or(ZEROS.len());
        out[1 + i / 4] |= (kind as u8) << (2 * (i % 4));
        if kind == ZEROS.len() {
            out.extend(word);
        }
    }
    out
}

fn unpack_sparse(packed: &mut &[u8], part: &mut [u8]) -> io::Result<()> {
    let words = part.as_chunks_mut::<4>().0;
    let kinds = take(packed, words.len().div_ceil(4))?;
    for (i, word) in words.iter_mut().enumerate() {
        *word = match ZEROS.get(usize::from(kinds[i / 4] >> (2 * (i % 4)) & 3)) {
            Some(zero) => *zero,
            None => take(packed, 4)?.try_into().map_err(|_| wrong())?,
        };
    }
    Ok(())
}

/// By a table of its words, if they are few.
fn table<const N: usize>(code: u8, part: &[u8]) -> Option<Vec<u8>> {
    let words = part.as_chunks::<N>().0;
    let mut values = words.to_vec();
    values.sort_unstable();
    values.dedup();
    if values.len() > VALUES {
        return None;
    }
    let mut out = vec![code, (values.len() - 1) as u8];
    out.extend(values.iter().flatten());
    out.extend(words.iter().filter_map(|word| values.binary_search(word).ok()).map(|at| at as u8));
    Some(out)
}

fn unpack_table<const N: usize>(packed: &mut &[u8], part: &mut [u8]) -> io::Result<()> {
    let words = part.as_chunks_mut::<N>().0;
    let count = usize::from(take(packed, 1)?[0]) + 1;
    let mut values = [[0; N]; VALUES];
    values[..count].copy_from_slice(take(packed, count * N)?.as_chunks::<N>().0);
    let positions = take(packed, words.len())?;
    if positions.iter().any(|&at| usize::from(at) >= count) {
        return Err(wrong());
    }
    words.iter_mut().zip(positions).for_each(|(word, &at)| *word = values[usize::from(at)]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts of each kind, and their sizes.
    fn cases() -> Vec<(&'static str, Vec<u8>, usize)> {
        let words = |f: &dyn Fn(u32) -> u32| (0..PART as u32 / 4).flat_map(|i| f(i).to_le_bytes()).collect::<Vec<u8>>();
        let any = |i: u32| (i + 1).wrapping_mul(0x9e37_79b9);
        let codes: Vec<u8> = (0..PART as i32 / 2).flat_map(|i| ((i * 37 % 255 - 127) as i16).to_le_bytes()).collect();
        vec![
            ("nothing", Vec::new(), 0),
            ("one byte", vec![7], 2),
            ("anything", words(&any), 1 + PART),
            (
                "a quarter of them no zeros",
                words(&|i| if i % 4 == 0 { any(i) } else { (i % 2) << 31 }),
                1 + PART / 16 + PART / 4,
            ),
            ("codes of 8 bits in 16", codes, 2 + 2 * 255 + PART / 2),
            ("few floats", words(&|i| any(i % 256)), 2 + 4 * 256 + PART / 4),
            ("zeros", vec![0; PART], 1 + PART / 16),
            ("two parts", words(&any).into_iter().chain([1, 2, 3]).collect(), 1 + PART + 1 + 3),
        ]
    }

    #[test]
    fn what_is_packed_comes_back_from_as_many_bytes_as_said() {
        for (name, bytes, size) in cases() {
            let packed = pack(&bytes);
            let mut back = vec![0xff; bytes.len()];
            unpack(&packed, &mut back).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(back, bytes, "{name}");
            assert!(packed.len() <= size, "{name}: {} bytes, {size} were expected", packed.len());
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
            for at in (0..packed.len()).step_by(packed.len() / 64 + 1) {
                let mut changed = packed.clone();
                changed[at] ^= 0x81;
                let _ = unpack(&changed, &mut out);
            }
        }
    }

    #[test]
    fn a_position_outside_of_its_table_is_an_error() {
        let mut packed = pack(&[1, 0, 0, 0].repeat(64));
        assert_eq!(packed[..2], [3, 0]);
        *packed.last_mut().expect("it has bytes") = 1;
        assert!(unpack(&packed, &mut [0; 256]).is_err());
    }
}
