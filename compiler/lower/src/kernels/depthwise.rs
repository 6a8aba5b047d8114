//! Depthwise convolution: vectors across channels, a unit of taps at a time. All taps are unrolled.
//!
//! Two taps of eight channels are widened to i16 and interleaved, so that one `madd16` with the interleaved weights
//! `(w[tap], w[tap + 1])` adds both products of four channels, exactly. Where the CPU has a dot product of four bytes,
//! four taps of sixteen channels are interleaved instead.

use qcc_kernel::{BinOp, KernelBuilder, Lane, Op, UnOp, VL, Value};

use super::Generated;
use super::conv::{ConvSpec, Target};
use super::layout::Elem;
use super::pack::Unit;
use super::product;
use super::tile::flipped;
use super::walk::{self, Core, Cursor, LANES, Panel, WIDEST};

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
        let channels = (spec.output.c - first).min(WIDEST);
        let repeat = (spec.output.c - first) / channels;
        let offset = constants.len();
        for i in 0..repeat {
            depthwise.pack(first + i * channels, channels, &mut constants);
        }
        let stride = (constants.len() - offset) / repeat;
        let (channel_step, input_step) = (channels, channels);
        panels.push(Panel { first, channels, repeat, channel_step, input: first, input_step, offset, stride });
        first += repeat * channels;
    }
    walk::generate(spec, &depthwise, &panels, constants)
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

    /// Channels whose taps are interleaved at once.
    fn width(&self) -> usize {
        match self.unit {
            Unit::Pair => VL / 2,
            Unit::Quad => VL,
        }
    }

    /// Biases, then for each block of channels and each unit of taps the interleaved weights.
    fn pack(&self, first: usize, channels: usize, bytes: &mut Vec<u8>) {
        let lanes = channels.next_multiple_of(LANES);
        let valid = |c: usize| (c < channels).then_some(first + c);
        let zero = self.spec.input_zero + if self.unit == Unit::Quad { self.spec.flip() } else { 0 };
        for c in 0..lanes {
            bytes.extend_from_slice(&valid(c).map_or(0, |c| self.spec.folded_bias(c, zero)).to_le_bytes());
        }
        let codes = self.unit.codes();
        for block in (0..lanes).step_by(self.width()) {
            for taps in self.taps.chunks(codes) {
                for c in block..lanes.min(block + self.width()) {
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
    }

    /// Adds the products of a unit of taps to the accumulators of a block of one pixel.
    fn add(&self, b: &mut KernelBuilder, acc: &mut [Value], taps: &[Tap], x: Cursor, w: Cursor) {
        let tap = |b: &mut KernelBuilder, i: usize| {
            let addr = x.buf.at(x.at, x.offset + taps[i].2);
            match (self.unit, self.spec.input.elem) {
                (Unit::Pair, Elem::I8) => b.load_widen_s(Lane::I8, addr),
                (Unit::Pair, _) => b.load_widen_u(Lane::I8, addr),
                (Unit::Quad, elem) => {
                    let codes = b.load(Lane::I8, VL, addr);
                    flipped(b, elem, codes)
                }
            }
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
            let addr = w.buf.at(w.at, w.offset + (i * VL) as i64);
            *acc = match self.unit {
                Unit::Pair => {
                    let weights = b.load(Lane::I16, VL, addr);
                    b.madd16_acc(*acc, codes, weights)
                }
                Unit::Quad => {
                    let weights = b.load(Lane::I8, VL, addr);
                    b.op(Op::Dot4 { acc: *acc, a: codes, b: weights })
                }
            };
        }
    }
}

/// The taps of a unit side by side for each channel: `count` registers of four channels.
fn interleaved(b: &mut KernelBuilder, pairs: &[(Value, Value)], count: usize, unit: Unit) -> Vec<Value> {
    let halves = [BinOp::InterleaveLow, BinOp::InterleaveHigh];
    if unit == Unit::Pair {
        let (one, two) = pairs[0];
        return halves.iter().take(count).map(|&half| b.binary(half, one, two)).collect();
    }
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

/// Kernel row, kernel column, byte offset from the first tap.
type Tap = (usize, usize, i64);

impl Core for Depthwise<'_> {
    fn pixels(&self, _: &Panel) -> usize {
        PIXELS
    }

    fn accumulate(&self, b: &mut KernelBuilder, panel: &Panel, pixels: usize, x: Cursor, w: Cursor) -> Vec<Value> {
        let vectors = panel.vectors();
        let bias: Vec<Value> =
            (0..vectors).map(|v| b.load(Lane::I32, VL, w.buf.at(w.at, w.offset + (v * VL) as i64))).collect();
        let mut acc: Vec<Value> = (0..pixels).flat_map(|_| bias.iter().copied()).collect();
        let mut weights = w.plus((vectors * VL) as i64);
        let block = self.width() / LANES;
        for first in (0..vectors).step_by(block) {
            let parts = first..vectors.min(first + block);
            let x = x.plus((first * LANES) as i64);
            for taps in self.taps.chunks(self.unit.codes()) {
                for (p, acc) in acc.chunks_mut(vectors).enumerate() {
                    self.add(b, &mut acc[parts.clone()], taps, x.plus(p as i64 * self.pixel_step), weights);
                }
                weights = weights.plus((parts.len() * VL) as i64);
            }
        }
        acc
    }
}
