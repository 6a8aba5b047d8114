//! Float matrix products: the only user of the `gemm` crate.
//!
//! A product is computed in blocks of [`ROWS`] rows and [`COLUMNS`] columns, each by one call, whatever the number of
//! threads: an element's sum then has one order and the result one value. A convolution gathers the windows of a block of output pixels first.

use gemm::Parallelism;
use qcc_kernel::program::{Gemm, Im2Col};
use std::ops::Range;

/// Rows of one call. Packing the right operand costs one pass over it for every block, 1/192 of the work; a gathered
/// block of 192 rows of a 3x3 convolution over 128 channels is 860 KiB, within the second-level cache of most CPUs.
const ROWS: usize = qcc_kernel::program::GATHERED_ROWS;

/// Columns of one call, unless windows are gathered, which is done once for all columns. Packing the left operand costs one
/// pass over it for every block, 1/512 of the work; late layers of networks have few rows and a thousand columns.
const COLUMNS: usize = 512;

/// The operands of a [`Gemm`] as pointers.
#[derive(Clone, Copy)]
pub struct Operands {
    /// Base of the buffer of `a`.
    pub a: *const f32,
    /// Base of the buffer of `b`.
    pub b: *const f32,
    /// Base of the buffer of `c`.
    pub c: *mut f32,
}

/// Terms that are summed one after the other. The sums of more terms are added: rounding errors then grow with the square root
/// of the length of a block and of the number of blocks, not of their product. Adding to `c` costs a pass over it for every block, 1/128 of the work.
const TERMS: usize = 128;

/// Number of independent blocks of a product.
pub fn blocks(gemm: &Gemm) -> usize {
    gemm.batch * gemm.m.div_ceil(ROWS) * column_blocks(gemm)
}

fn column_blocks(gemm: &Gemm) -> usize {
    if gemm.im2col.is_some() { 1 } else { gemm.n.div_ceil(COLUMNS).max(1) }
}

/// Floats of working memory one thread needs.
pub fn scratch(gemm: &Gemm) -> usize {
    if gemm.im2col.is_some() { ROWS.min(gemm.m) * gemm.k } else { 0 }
}

/// Computes the blocks `range`.
///
/// # Safety
/// The operands cover what [`qcc_kernel::program::check`] asks of a product's buffers, `c` is written by nobody else, and
/// `gathered` has [`scratch`] floats.
pub unsafe fn multiply(gemm: &Gemm, operands: Operands, gathered: &mut [f32], range: Range<usize>) {
    let (row_blocks, column_blocks) = (gemm.m.div_ceil(ROWS), column_blocks(gemm));
    for block in range {
        let (block, column_block) = (block / column_blocks, block % column_blocks);
        let (batch, first) = (block / row_blocks, block % row_blocks * ROWS);
        let rows = ROWS.min(gemm.m - first);
        let (from, columns) = match column_blocks {
            1 => (0, gemm.n),
            _ => (column_block * COLUMNS, COLUMNS.min(gemm.n - column_block * COLUMNS)),
        };
        let (lhs, row, column) = match &gemm.im2col {
            None => {
                let offset = gemm.a.offset + batch * gemm.a.batch + first * gemm.a.row;
                (operands.a.wrapping_add(offset), gemm.a.row, gemm.a.column)
            }
            Some(window) => {
                // SAFETY: the caller promises a whole activation at `a`.
                let input = unsafe { std::slice::from_raw_parts(operands.a, window.input.iter().product()) };
                gather(window, input, first..first + rows, &mut gathered[..rows * gemm.k]);
                (gathered.as_ptr(), gemm.k, 1)
            }
        };
        let c = gemm.c.offset + batch * gemm.c.batch + first * gemm.c.row + from * gemm.c.column;
        let c = operands.c.wrapping_add(c);
        let rhs = operands.b.wrapping_add(gemm.b.offset + batch * gemm.b.batch + from * gemm.b.column);
        for (i, terms) in terms(gemm.k).enumerate() {
            // SAFETY: as the caller promises; blocks write different rows or columns of `c`.
            unsafe {
                gemm::gemm(
                    rows,
                    columns,
                    terms.len(),
                    c,
                    gemm.c.column as isize,
                    gemm.c.row as isize,
                    i > 0,
                    lhs.wrapping_add(terms.start * column),
                    column as isize,
                    row as isize,
                    rhs.wrapping_add(terms.start * gemm.b.row),
                    gemm.b.column as isize,
                    gemm.b.row as isize,
                    1.0,
                    1.0,
                    false,
                    false,
                    false,
                    Parallelism::None,
                );
            }
        }
    }
}

/// Blocks of about equal length, at most [`TERMS`]; one, if there are no terms.
fn terms(k: usize) -> impl Iterator<Item = Range<usize>> {
    let length = k.div_ceil(k.div_ceil(TERMS).max(1)).max(1);
    (0..k.max(1)).step_by(length).map(move |start| start..k.min(start + length))
}

/// Copies the windows of output pixels `rows` (counted over images, rows and columns) to `out`, one after the other; what
/// lies outside the image is zero.
fn gather(w: &Im2Col, input: &[f32], rows: Range<usize>, out: &mut [f32]) {
    let [_, height, width, pitch] = w.input;
    let [first, channels] = w.channels;
    let [out_height, out_width] = w.output;
    let across = w.kernel[1] * channels;
    if across == 0 {
        return;
    }
    // Where a window's columns are neighbours and all channels are read, a row of the window is one run of the input.
    let one_run = w.dilations[1] == 1 && channels == pitch;
    let mut lines = out.chunks_exact_mut(across);
    for pixel in rows {
        let (image, y, x) = (pixel / (out_height * out_width), pixel / out_width % out_height, pixel % out_width);
        for ky in 0..w.kernel[0] {
            let Some(line) = lines.next() else { return };
            let at_y = (y * w.strides[0] + ky * w.dilations[0]).checked_sub(w.pads[0]).filter(|&v| v < height);
            let Some(at_y) = at_y else {
                line.fill(0.0);
                continue;
            };
            let row = (image * height + at_y) * width;
            let left = x * w.strides[1];
            if one_run {
                // Columns `from..to` of the window are inside.
                let from = w.pads[1].saturating_sub(left).min(w.kernel[1]);
                let to = (width + w.pads[1]).saturating_sub(left).clamp(from, w.kernel[1]);
                line[..from * channels].fill(0.0);
                line[to * channels..].fill(0.0);
                if from < to {
                    let at = (row + left + from - w.pads[1]) * pitch;
                    let count = (to - from) * channels;
                    line[from * channels..to * channels].copy_from_slice(&input[at..at + count]);
                }
                continue;
            }
            for (kx, tap) in line.chunks_exact_mut(channels).enumerate() {
                match (left + kx * w.dilations[1]).checked_sub(w.pads[1]).filter(|&v| v < width) {
                    Some(at_x) => {
                        let at = (row + at_x) * pitch + first;
                        tap.copy_from_slice(&input[at..at + channels]);
                    }
                    None => tap.fill(0.0),
                }
            }
        }
    }
}
