//! How a kernel's work is divided into tasks: blocks of output rows times blocks of output channels.

/// Multiply-accumulates below which a task is not divided further: about ten microseconds, ten times what handing a
/// task to another thread costs.
const GRAIN: u64 = 1 << 18;

/// Most tasks of one kernel: enough for equal shares on eight threads even if the last round is half empty.
const MOST_TASKS: u64 = 64;

/// Bytes of weights a task should stay below so that they stay in the second-level cache while rows pass by.
const CACHED_WEIGHTS: usize = 160 << 10;

/// Pixels of a row made from a flat tensor: enough to use each panel of weights often, few enough to stay in cache.
const FLAT_ROW: std::ops::RangeInclusive<usize> = 24..=128;

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

/// Divides `rows` equal rows and `panels` equal panels, `weight_bytes` long together.
pub fn split(macs: u64, rows: usize, panels: usize, weight_bytes: usize) -> Split {
    let wanted = (macs / GRAIN).clamp(1, MOST_TASKS) as usize;
    let panel_blocks = divisor_from(panels, weight_bytes.div_ceil(CACHED_WEIGHTS).min(wanted));
    let row_blocks = divisor_from(rows, wanted.div_ceil(panel_blocks));
    let panel_blocks = divisor_from(panels, panel_blocks.max(wanted.div_ceil(row_blocks)));
    Split { row_blocks, rows: rows / row_blocks, panel_blocks }
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
fn divisor_from(n: usize, least: usize) -> usize {
    (least.max(1)..=n).find(|d| n.is_multiple_of(*d)).unwrap_or(n)
}
