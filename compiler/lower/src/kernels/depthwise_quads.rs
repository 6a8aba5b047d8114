//! Depthwise convolution by dot products of four bytes: the bytes of four taps of sixteen channels are interleaved, so that
//! one instruction adds the products of four channels. Signed codes are moved up to unsigned ones.

use qcc_kernel::{BinOp, KernelBuilder, Lane, Op, UnOp, VL, Value};

use super::conv::ConvSpec;
use super::depthwise::{Depthwise, PIXELS, pack_biases, pack_weights};
use super::tile::{biases, flipped};
use super::walk::{Core, Cursor, Panel, Pixels};

/// Taps multiplied at once.
const TAPS: usize = 4;

/// Depthwise windows as groups of four taps.
pub struct Quads<'s> {
    spec: &'s ConvSpec,
    taps: Vec<Tap>,
    pixel_step: i64,
}

/// Kernel row and column, byte offset from the first tap.
type Tap = ([usize; 2], i64);

impl Quads<'_> {
    /// The taps of a convolution whose weights are signed bytes.
    pub fn of(spec: &ConvSpec) -> Quads<'_> {
        let (down, right) =
            (spec.input.row_stride() * spec.dilations[0], spec.input.pixel_stride() * spec.dilations[1]);
        let at = |row: usize, column: usize| ([row, column], (row * down + column * right) as i64);
        let taps = (0..spec.kernel[0]).flat_map(|row| (0..spec.kernel[1]).map(move |column| at(row, column)));
        Quads { spec, taps: taps.collect(), pixel_step: (spec.input.pixel_stride() * spec.strides[1]) as i64 }
    }

    /// Adds the products of up to four taps to the accumulators of one register of pixels.
    fn add(&self, b: &mut KernelBuilder, acc: &mut [Value], taps: &[Tap], x: Cursor, w: &dyn Fn(usize) -> Cursor) {
        let tap = |b: &mut KernelBuilder, i: usize| {
            let codes = b.load(Lane::I8, VL, x.plus(taps[i].1).addr());
            flipped(b, self.spec.input.elem, codes)
        };
        // Taps that are missing from the last group have no weight: any other tap stands in for them.
        let pairs: Vec<(Value, Value)> = (0..taps.len())
            .step_by(2)
            .map(|i| {
                let one = tap(b, i);
                (one, if i + 1 < taps.len() { tap(b, i + 1) } else { one })
            })
            .collect();
        let parts = interleaved(b, &pairs, acc.len());
        for (i, (acc, codes)) in acc.iter_mut().zip(parts).enumerate() {
            let weights = b.load(Lane::I8, VL, w(i).addr());
            *acc = b.op(Op::Dot4 { acc: *acc, a: codes, b: weights });
        }
    }
}

/// The taps of a group side by side for each channel: `count` registers of four channels a half.
fn interleaved(b: &mut KernelBuilder, pairs: &[(Value, Value)], count: usize) -> Vec<Value> {
    let halves = [BinOp::InterleaveLow, BinOp::InterleaveHigh];
    let mut parts = Vec::new();
    for half in halves.into_iter().take(count.div_ceil(2)) {
        let two: Vec<Value> = pairs
            .iter()
            .map(|&(one, two)| {
                let both = b.binary(half, one, two);
                b.unary(UnOp::Bitcast(Lane::I16), both)
            })
            .collect();
        for quarter in halves.into_iter().take(count - parts.len()) {
            let four = b.binary(quarter, two[0], two[two.len() - 1]);
            parts.push(b.unary(UnOp::Bitcast(Lane::I8), four));
        }
    }
    parts
}

impl Depthwise for Quads<'_> {
    fn pack(&self, panel: &Panel, first: usize, bytes: &mut Vec<u8>) {
        pack_biases(self.spec, panel, first, self.spec.flip(), bytes);
        for taps in self.taps.chunks(TAPS) {
            let taps: [_; TAPS] = std::array::from_fn(|i| taps.get(i).map(|tap| tap.0));
            pack_weights(self.spec, panel, first, taps, bytes);
        }
    }
}

impl Core for Quads<'_> {
    fn pixels(&self, _: &Panel) -> usize {
        PIXELS
    }

    fn accumulate(&self, b: &mut KernelBuilder, panel: &Panel, pixels: Pixels, x: Cursor, w: Cursor) -> Vec<Value> {
        let vectors = panel.vectors();
        let mut acc = biases(b, panel, pixels, w);
        let register = |v: usize| (v * panel.register()) as i64;
        let mut weights = w.plus(register(vectors));
        for taps in self.taps.chunks(TAPS) {
            for (place, acc) in pixels.places().zip(acc.chunks_mut(vectors)) {
                let mut x = x.pixel(place, self.pixel_step);
                x.high = panel.far.map(|far| far as i64).or(x.high);
                self.add(b, acc, taps, x, &|i| weights.plus(register(i)));
            }
            weights = weights.plus(register(vectors));
        }
        acc
    }
}
