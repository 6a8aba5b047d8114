//! Depthwise convolution: vectors across channels, a unit of taps at a time. All taps are unrolled.
//!
//! The bytes of two taps of sixteen channels are interleaved and widened to i16, so that one `madd16` with the interleaved
//! weights `(w[tap], w[tap + 1])` adds both products of four channels, exactly. Where the CPU has a dot product of four
//! bytes, four taps are interleaved and not widened. Signed codes are moved up to unsigned ones.

use qcc_kernel::{BinOp, KernelBuilder, Lane, Op, UnOp, VL, Value, Width};

use super::Generated;
use super::conv::{ConvSpec, Target};
use super::pack::Unit;
use super::product;
use super::tile::{biases, flipped};
use super::walk::{self, Core, Cursor, Panel, Pixels, WIDEST};

/// Pixels of a tile: enough independent sums to hide the latency of the products, and sixteen registers hold them.
const PIXELS: usize = 2;

/// Taps up to which they are unrolled; beyond, the general product is used.
const MOST_TAPS: usize = 81;

/// The kernel of a convolution in which every channel is a group.
///
/// # Errors
/// A body that does not fit the output.
pub fn generate(spec: &ConvSpec, target: Target) -> Result<Generated, String> {
    let unit = if target.dot4 && spec.has_signed_bytes() { Unit::Quad } else { Unit::Pair };
    let depthwise = Depthwise::of(spec, unit);
    if depthwise.taps.len() > MOST_TAPS {
        return product::generate(spec, target);
    }
    let mut constants = Vec::new();
    let mut panels = Vec::new();
    let mut first = 0;
    while first < spec.output.c {
        let far = (target.width == Width::V256 && spec.output.c - first > WIDEST).then_some(WIDEST);
        let channels = (spec.output.c - first).min(far.map_or(WIDEST, |far| 2 * far));
        let repeat = (spec.output.c - first) / channels;
        let (channel_step, input_step, offset) = (channels, channels, constants.len());
        let mut panel =
            Panel { first, channels, far, repeat, channel_step, input: first, input_step, offset, stride: 0 };
        for i in 0..repeat {
            depthwise.pack(&panel, first + i * channels, &mut constants);
        }
        panel.stride = (constants.len() - offset) / repeat;
        panels.push(panel);
        first += repeat * channels;
    }
    walk::generate(spec, &depthwise, &panels, constants, target.width)
}

struct Depthwise<'s> {
    spec: &'s ConvSpec,
    /// Taps multiplied at once.
    unit: Unit,
    taps: Vec<Tap>,
    pixel_step: i64,
}

impl Depthwise<'_> {
    fn of(spec: &ConvSpec, unit: Unit) -> Depthwise<'_> {
        let (down, right) =
            (spec.input.row_stride() * spec.dilations[0], spec.input.pixel_stride() * spec.dilations[1]);
        let taps = (0..spec.kernel[0])
            .flat_map(|row| (0..spec.kernel[1]).map(move |column| (row, column, (row * down + column * right) as i64)))
            .collect();
        let pixel_step = (spec.input.pixel_stride() * spec.strides[1]) as i64;
        Depthwise { spec, unit, taps, pixel_step }
    }

    /// Biases, then for each unit of taps the interleaved weights.
    fn pack(&self, panel: &Panel, first: usize, bytes: &mut Vec<u8>) {
        let lanes: Vec<usize> = panel.lanes().collect();
        let valid = |c: usize| (c < panel.channels).then_some(first + c);
        let zero = self.spec.input_zero + self.spec.flip();
        for &c in &lanes {
            bytes.extend_from_slice(&valid(c).map_or(0, |c| self.spec.folded_bias(c, zero)).to_le_bytes());
        }
        let codes = self.unit.codes();
        for taps in self.taps.chunks(codes) {
            for &c in &lanes {
                for i in 0..codes {
                    let w = match (valid(c), taps.get(i)) {
                        (Some(c), Some((row, column, _))) => self.spec.weight(c, 0, *row, *column),
                        _ => 0,
                    };
                    bytes.extend_from_slice(&(w as i16).to_le_bytes()[..4 / codes]);
                }
            }
        }
    }

    /// Adds the products of a unit of taps to the accumulators of one register of pixels.
    fn add(&self, b: &mut KernelBuilder, acc: &mut [Value], taps: &[Tap], x: Cursor, w: &dyn Fn(usize) -> Cursor) {
        let tap = |b: &mut KernelBuilder, i: usize| {
            let codes = b.load(Lane::I8, VL, x.plus(taps[i].2).addr());
            flipped(b, self.spec.input.elem, codes)
        };
        // Taps that are missing from the last unit have no weight: any other tap stands in for them.
        let pairs: Vec<(Value, Value)> = (0..taps.len())
            .step_by(2)
            .map(|i| {
                let one = tap(b, i);
                (one, if i + 1 < taps.len() { tap(b, i + 1) } else { one })
            })
            .collect();
        let parts = interleaved(b, &pairs, acc.len(), self.unit);
        for (i, (acc, codes)) in acc.iter_mut().zip(parts).enumerate() {
            *acc = match self.unit {
                Unit::Pair => {
                    let weights = b.load(Lane::I16, VL, w(i).addr());
                    b.madd16_acc(*acc, codes, weights)
                }
                Unit::Quad => {
                    let weights = b.load(Lane::I8, VL, w(i).addr());
                    b.op(Op::Dot4 { acc: *acc, a: codes, b: weights })
                }
            };
        }
    }
}

/// The taps of a unit side by side for each channel: `count` registers of four channels a half.
fn interleaved(b: &mut KernelBuilder, pairs: &[(Value, Value)], count: usize, unit: Unit) -> Vec<Value> {
    let halves = [BinOp::InterleaveLow, BinOp::InterleaveHigh];
    let mut parts = Vec::new();
    for half in halves.into_iter().take(count.div_ceil(2)) {
        let both: Vec<Value> = pairs.iter().map(|&(one, two)| b.binary(half, one, two)).collect();
        let left = count - parts.len();
        match unit {
            Unit::Pair => {
                let quarters = [UnOp::WidenLowU, UnOp::WidenHighU];
                parts.extend(quarters.into_iter().take(left).map(|quarter| b.unary(quarter, both[0])));
            }
            Unit::Quad => {
                let two: Vec<Value> = both.iter().map(|&v| b.unary(UnOp::Bitcast(Lane::I16), v)).collect();
                for quarter in halves.into_iter().take(left) {
                    let four = b.binary(quarter, two[0], two[two.len() - 1]);
                    parts.push(b.unary(UnOp::Bitcast(Lane::I8), four));
                }
            }
        }
    }
    parts
}

/// Kernel row, kernel column, byte offset from the first tap.
type Tap = (usize, usize, i64);

impl Core for Depthwise<'_> {
    fn pixels(&self, _: &Panel) -> usize {
        PIXELS
    }

    fn accumulate(&self, b: &mut KernelBuilder, panel: &Panel, pixels: Pixels, x: Cursor, w: Cursor) -> Vec<Value> {
        let vectors = panel.vectors();
        let mut acc = biases(b, panel, pixels, w);
        let register = |v: usize| (v * panel.register()) as i64;
        let mut weights = w.plus(register(vectors));
        for taps in self.taps.chunks(self.unit.codes()) {
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
