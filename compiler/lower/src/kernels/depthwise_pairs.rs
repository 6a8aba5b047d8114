//! Depthwise convolution by pairs of 16-bit products: the bytes of two taps of sixteen channels are interleaved and widened,
//! so that one `madd16` with the interleaved weights of both taps adds the products of four channels, exactly.
//!
//! What a pair takes to load, interleave and widen is more than its products, so pixels of a tile share it. Taps one above
//! the other are a pair: the windows of neighbours hold the same column, each as another tap. A last row without partner is
//! cut into pairs of columns; where windows begin is even or odd, and the pairs of a window lie accordingly:
//!
//! ```text
//! window at an even column   (0 1) (2 .)      window at an odd column   (. 0) (1 2)
//! ```
//!
//! A tap that is missing has no weight.

use qcc_kernel::{BinOp, KernelBuilder, Lane, UnOp, VL, Value};

use super::conv::ConvSpec;
use super::depthwise::{Depthwise, PIXELS, pack_biases, pack_weights};
use super::tile::{TOGETHER, add_products, biases, flipped};
use super::walk::{Core, Cursor, Panel, Pixels};

/// Depthwise windows as pairs of taps.
pub struct Pairs<'s> {
    spec: &'s ConvSpec,
    pairs: Vec<Pair>,
}

/// Two taps of a window, and in which windows they are a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    taps: [Option<[usize; 2]>; 2],
    /// Column of the window at which the first one is, or would be.
    column: isize,
    /// Row of the window.
    row: usize,
    windows: Windows,
}

/// Windows by the column of a tile at which they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Windows {
    All,
    Even,
    Odd,
}

/// A pair of codes of a tile, and the sums it is part of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shared {
    row: usize,
    /// Column of the first code, from the first window on.
    column: isize,
    /// Distance of the pixel in the high half of the register.
    high: Option<usize>,
    /// Rows and columns of the codes; of at least one.
    codes: [Option<[usize; 2]>; 2],
    /// Registers of pixels, and the number of the pair whose weights these have.
    sums: Vec<(usize, usize)>,
}

impl Pairs<'_> {
    /// The pairs of a convolution.
    pub fn of(spec: &ConvSpec) -> Pairs<'_> {
        let [rows, columns] = spec.kernel;
        let vertical = (0..rows / 2).flat_map(|i| {
            (0..columns).map(move |c| Pair {
                taps: [Some([2 * i, c]), Some([2 * i + 1, c])],
                column: c as isize,
                row: 2 * i,
                windows: Windows::All,
            })
        });
        let mut pairs: Vec<Pair> = vertical.collect();
        if !rows.is_multiple_of(2) {
            pairs.extend(horizontal(rows - 1, columns, 0, Windows::Even));
            if !spec.strides[1].is_multiple_of(2) && spec.dilations[1] == 1 {
                pairs.extend(horizontal(rows - 1, columns, -1, Windows::Odd));
            }
        }
        Pairs { spec, pairs }
    }

    /// The pairs of codes of a tile, in the order of rows and columns.
    fn shared(&self, pixels: Pixels) -> Vec<Shared> {
        let dilation = self.spec.dilations[1] as isize;
        let mut all: Vec<Shared> = Vec::new();
        for (register, (distance, high)) in pixels.places().enumerate() {
            let start = distance * self.spec.strides[1];
            let windows = if dilation == 1 && start % 2 == 1 { Windows::Odd } else { Windows::Even };
            for (number, pair) in self.pairs.iter().enumerate() {
                if pair.windows != Windows::All && pair.windows != windows {
                    continue;
                }
                let column = start as isize + pair.column * dilation;
                let codes = pair.taps.map(|tap| tap.map(|[row, column]| [row, start + column * dilation as usize]));
                let same = |s: &&mut Shared| (s.row, s.column, s.high) == (pair.row, column, high);
                match all.iter_mut().find(same) {
                    Some(shared) => {
                        shared.sums.push((register, number));
                        for (known, code) in shared.codes.iter_mut().zip(codes) {
                            *known = known.or(code);
                        }
                    }
                    None => all.push(Shared { row: pair.row, column, high, codes, sums: vec![(register, number)] }),
                }
            }
        }
        all.sort_by_key(|s| (s.row, s.column));
        all
    }

    fn load(&self, b: &mut KernelBuilder, x: Cursor, [row, column]: [usize; 2]) -> Value {
        let input = &self.spec.input;
        let at = row * self.spec.dilations[0] * input.row_stride() + column * input.pixel_stride();
        let codes = b.load(Lane::I8, VL, x.plus(at as i64).addr());
        flipped(b, input.elem, codes)
    }
}

/// The pairs of columns of a row whose window begins `before` columns behind the first one.
fn horizontal(row: usize, columns: usize, before: isize, windows: Windows) -> impl Iterator<Item = Pair> {
    let tap = move |column: isize| (0..columns as isize).contains(&column).then_some([row, column as usize]);
    (before..columns as isize).step_by(2).map(move |column| Pair {
        taps: [tap(column), tap(column + 1)],
        column,
        row,
        windows,
    })
}

impl Depthwise for Pairs<'_> {
    fn pack(&self, panel: &Panel, first: usize, bytes: &mut Vec<u8>) {
        pack_biases(self.spec, panel, first, self.spec.flip(), bytes);
        for pair in &self.pairs {
            pack_weights(self.spec, panel, first, pair.taps, bytes);
        }
    }
}

impl Core for Pairs<'_> {
    fn pixels(&self, _: &Panel) -> usize {
        PIXELS
    }

    fn accumulate(&self, b: &mut KernelBuilder, panel: &Panel, pixels: Pixels, x: Cursor, w: Cursor) -> Vec<Value> {
        const HALVES: [BinOp; 2] = [BinOp::InterleaveLow, BinOp::InterleaveHigh];
        let vectors = panel.vectors();
        let pixel_step = (self.spec.input.pixel_stride() * self.spec.strides[1]) as i64;
        let mut acc = biases(b, panel, pixels, w);
        let weights = |pair: usize, v: usize| w.plus((((1 + pair) * vectors + v) * panel.register()) as i64);
        // A register of its own: read from memory it would cost as much as weights.
        let zero = b.splat_i8(0);
        for shared in self.shared(pixels) {
            let high = panel.far.map(|far| far as i64).or(shared.high.map(|by| by as i64 * pixel_step));
            let x = Cursor { high, ..x };
            // Where one code is missing, the other stands in for it.
            let (one, two) = match shared.codes {
                [Some(one), Some(two)] => (self.load(b, x, one), self.load(b, x, two)),
                [one, two] => {
                    let code = one.or(two).map(|at| self.load(b, x, at));
                    let code = code.expect("this is a bug in qcc: a pair has a tap");
                    (code, code)
                }
            };
            for (half, both) in HALVES.into_iter().enumerate().take(vectors.div_ceil(2)) {
                let both = b.binary(both, one, two);
                for (quarter, wide) in HALVES.into_iter().enumerate().take(vectors - 2 * half) {
                    let v = 2 * half + quarter;
                    let codes = b.binary(wide, both, zero);
                    let codes = b.unary(UnOp::Bitcast(Lane::I16), codes);
                    for sums in shared.sums.chunks(TOGETHER) {
                        let products: Vec<_> = sums
                            .iter()
                            .map(|&(register, pair)| {
                                let weights = b.load(Lane::I16, VL, weights(pair, v).addr());
                                (register * vectors + v, codes, weights)
                            })
                            .collect();
                        add_products(b, &mut acc, products.into_iter());
                    }
                }
            }
        }
        acc
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::body::{Body, Node};
    use crate::kernels::layout::{Elem, TensorLayout};

    fn spec(kernel: [usize; 2], stride: usize, dilation: usize) -> ConvSpec {
        let mut body = Body::new();
        body.push(Node::Core);
        ConvSpec {
            input: TensorLayout::dense(1, 64, 64, 4, Elem::U8),
            output: TensorLayout::dense(1, 8, 8, 4, Elem::I32),
            kernel,
            strides: [stride; 2],
            dilations: [dilation; 2],
            pads: [0; 4],
            group: 4,
            weights: vec![1; 4 * kernel[0] * kernel[1]],
            input_zero: 0,
            weight_zero: vec![0],
            bias: Vec::new(),
            input_range: (0, 255),
            body,
        }
    }

    #[test]
    fn every_tap_of_every_window_is_part_of_its_sum_once() {
        for (kernel, stride, dilation) in
            [([3, 3], 1, 1), ([3, 3], 2, 1), ([5, 5], 1, 1), ([5, 5], 3, 1), ([1, 4], 1, 1), ([4, 1], 1, 1)]
                .into_iter()
                .chain([([3, 3], 1, 2), ([3, 5], 2, 3), ([2, 2], 1, 1), ([1, 1], 1, 1)])
        {
            let spec = spec(kernel, stride, dilation);
            let pairs = Pairs::of(&spec);
            for count in 1..5 {
                let pixels = Pixels::of(count, 1);
                let mut seen = vec![Vec::new(); count];
                for shared in pairs.shared(pixels) {
                    for &(register, pair) in &shared.sums {
                        for (code, tap) in shared.codes.iter().zip(pairs.pairs[pair].taps) {
                            let Some([row, column]) = tap else { continue };
                            assert_eq!(*code, Some([row, register * stride + column * dilation]));
                            seen[register].push([row, column]);
                        }
                    }
                }
                for mut taps in seen {
                    taps.sort_unstable();
                    let all = (0..kernel[0]).flat_map(|row| (0..kernel[1]).map(move |column| [row, column]));
                    assert_eq!(taps, all.collect::<Vec<_>>(), "{kernel:?} {stride} {dilation}");
                }
            }
        }
    }

    #[test]
    fn neighbours_share_the_columns_of_both_windows() {
        let loads = |kernel, stride, count| {
            let spec = spec([kernel; 2], stride, 1);
            Pairs::of(&spec).shared(Pixels::of(count, 1)).len()
        };
        // Four columns of pairs and two pairs of columns, where two windows alone have ten pairs.
        assert_eq!(loads(3, 1, 2), 4 + 2);
        assert_eq!(loads(3, 2, 2), 5 + 3);
        assert_eq!(loads(5, 1, 2), 2 * 6 + 3);
    }
}
