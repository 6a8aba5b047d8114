//! How a kernel's work is divided into tasks: blocks of output rows times blocks of output channels.

use std::cmp::Reverse;

/// Multiply-accumulates below which a task is not divided further: about ten microseconds, ten times what handing a
/// task to another thread costs.
const GRAIN: u64 = 1 << 18;

/// How much longer a multiply-accumulate of a depthwise convolution takes than one of a product.
pub const DEPTHWISE: u64 = 4;

/// Most tasks of one kernel: enough for equal shares on eight threads even if the last round is half empty.
const MOST_TASKS: u64 = 64;

/// Bytes of weights a task should stay below so that they stay in the second-level cache while rows pass by.
const CACHED_WEIGHTS: usize = 160 << 10;

/// Pixels of a row made from a flat tensor: enough to use each panel of weights often, few enough to stay in cache.
const FLAT_ROW: std::ops::RangeInclusive<usize> = 24..=128;

/// The most where every task stages what its rows read: few pixels, so that rows suffice to make tasks of.
const MOST_STAGED: usize = 48;

/// The division of a kernel's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Blocks of rows.
    pub row_blocks: usize,
    /// Rows in each.
    pub rows: usize,
    /// Blocks of the first panels.
    pub panel_blocks: usize,
}

impl Split {
    /// Divides rows as far as the work asks for, and panels only if their weights are too many: where every task stages the
    /// rows it reads, the fewer share rows, the less is copied; and a depthwise convolution finds rows in the cache of the
    /// thread that wrote them.
    pub fn by_rows(macs: u64, rows: usize, panels: usize, weight_bytes: usize) -> Split {
        let wanted = wanted(macs);
        let panel_blocks = divisor_from(panels, weight_bytes.div_ceil(CACHED_WEIGHTS).min(wanted));
        let row_blocks = divisor_from(rows, wanted.div_ceil(panel_blocks));
        Split { row_blocks, rows: rows / row_blocks, panel_blocks }
    }

    /// The same division, or a finer one in which no task has more than `most` rows.
    pub fn with_rows_at_most(self, most: usize) -> Split {
        let blocks = divisor_from(self.rows, self.rows.div_ceil(most));
        Split { row_blocks: self.row_blocks * blocks, rows: self.rows / blocks, ..self }
    }
}

/// Divides `rows` equal rows and `panels` equal panels, `weight_bytes` long together.
pub fn split(macs: u64, rows: usize, panels: usize, weight_bytes: usize) -> Split {
    let by_rows = Split::by_rows(macs, rows, panels, weight_bytes);
    let wanted = wanted(macs).div_ceil(by_rows.row_blocks);
    Split { panel_blocks: divisor_from(panels, by_rows.panel_blocks.max(wanted)), ..by_rows }
}

/// Tasks that a kernel should have.
pub fn wanted(macs: u64) -> usize {
    (macs / GRAIN).clamp(1, MOST_TASKS) as usize
}

/// The length of the rows that `pixels` are cut into where they are staged, and the length of the last one: of two threads
/// that share them, the one with more tiles has as few as can be.
pub fn staged_rows(pixels: usize, tile: usize) -> (usize, usize) {
    let last = |length: usize| pixels - (pixels.div_ceil(length) - 1) * length;
    let busier = |length: usize| {
        let whole = pixels.div_ceil(length) - 1;
        let with_last = if whole.is_multiple_of(2) { last(length).div_ceil(tile) } else { length.div_ceil(tile) };
        whole / 2 * length.div_ceil(tile) + with_last
    };
    let lengths = FLAT_ROW.filter(|&length| length <= MOST_STAGED && length.is_multiple_of(tile));
    let length = lengths.min_by_key(|&length| (busier(length), Reverse(length))).unwrap_or(pixels).min(pixels);
    (length, last(length))
}

/// The length of the rows that `pixels` are cut into, and the length of the last one.
pub fn flat_rows(pixels: usize, tile: usize) -> (usize, usize) {
    if pixels <= *FLAT_ROW.end() {
        return (pixels, pixels);
    }
    let divisors = FLAT_ROW.filter(|s| pixels.is_multiple_of(*s));
    match divisors.max_by_key(|s| (s.is_multiple_of(tile), *s)) {
        Some(s) => (s, s),
        None => {
            let rows = pixels.div_ceil(*FLAT_ROW.end());
            let length = pixels.div_ceil(rows).next_multiple_of(tile);
            (length, pixels - (pixels.div_ceil(length) - 1) * length)
        }
    }
}

/// The smallest divisor of `n` that is at least `least`, or `n`.
pub fn divisor_from(n: usize, least: usize) -> usize {
    (least.max(1)..=n).find(|d| n.is_multiple_of(*d)).unwrap_or(n)
}

#[cfg(test)]
mod tests {
    use super::{Split, staged_rows};

    #[test]
    fn rows_of_staged_pixels_cover_all_of_them() {
        for pixels in [1, 5, 6, 48, 49, 196, 197, 3136, 12_544] {
            let (length, last) = staged_rows(pixels, 6);
            assert!((1..=length).contains(&last) && length <= 48, "{pixels}: {length}, {last}");
            assert_eq!((pixels.div_ceil(length) - 1) * length + last, pixels);
        }
    }

    #[test]
    fn two_threads_have_nearly_as_many_staged_tiles() {
        assert_eq!([196, 784, 49, 144].map(|pixels| staged_rows(pixels, 6)), [(48, 4), (36, 28), (30, 19), (36, 36)]);
        assert_eq!([5, 49, 196].map(|pixels| staged_rows(pixels, 4)), [(5, 5), (28, 21), (48, 4)]);
    }

    #[test]
    fn a_finer_division_keeps_all_rows() {
        for rows in [1, 7, 12, 192] {
            for most in [1, 2, 5, 100] {
                let whole = Split { row_blocks: 4, rows, panel_blocks: 3 };
                let fine = whole.with_rows_at_most(most);
                assert_eq!((fine.row_blocks * fine.rows, fine.panel_blocks), (4 * rows, 3));
                assert!(fine.rows <= most);
            }
        }
    }
}
