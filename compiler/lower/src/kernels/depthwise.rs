//! Depthwise convolution: vectors across channels, taps two at a time.
//!
//! Two taps of eight channels are widened to i16 and interleaved, so that one `madd16` with the interleaved weights
//! `(w[tap], w[tap + 1])` adds both products of four channels, exactly. All taps are unrolled.

use qcc_kernel::{BinOp, KernelBuilder, Lane, VL, Value};

use super::Generated;
use super::conv::{ConvSpec, Target};
use super::layout::Elem;
use super::product;
use super::walk::{self, Core, Cursor, LANES, Panel, WIDEST};

/// Channels widened at once.
const HALF: usize = 8;

/// Pixels of a tile: with two, weights are loaded once for both and sixteen registers hold everything.
const PIXELS: usize = 2;

/// Taps up to which they are unrolled; beyond, the general product is used.
const MOST_TAPS: usize = 81;

/// The kernel of a convolution in which every channel is a group.
///
/// # Errors
/// A body that does not fit the output.
pub fn generate(spec: &ConvSpec) -> Result<Generated, String> {
    let depthwise = Depthwise::of(spec);
    if depthwise.taps.len() > MOST_TAPS {
        return product::generate(spec, Target::default());
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
    /// Kernel row and column of each tap, and its byte offset from the first one.
    taps: Vec<(usize, usize, i64)>,
    pixel_step: i64,
}

impl Depthwise<'_> {
    fn of(spec: &ConvSpec) -> Depthwise<'_> {
        let (down, right) =
            (spec.input.row_stride() * spec.dilations[0], spec.input.pixel_stride() * spec.dilations[1]);
        let taps = (0..spec.kernel[0])
            .flat_map(|row| (0..spec.kernel[1]).map(move |column| (row, column, (row * down + column * right) as i64)))
            .collect();
        let pixel_step = (spec.input.pixel_stride() * spec.strides[1]) as i64;
        Depthwise { spec, taps, pixel_step }
    }

    /// Biases, then for each eight channels and each pair of taps the interleaved weights.
    fn pack(&self, first: usize, channels: usize, bytes: &mut Vec<u8>) {
        let lanes = channels.next_multiple_of(LANES);
        let valid = |c: usize| (c < channels).then_some(first + c);
        for c in 0..lanes {
            bytes.extend_from_slice(
                &valid(c).map_or(0, |c| self.spec.folded_bias(c, self.spec.input_zero)).to_le_bytes(),
            );
        }
        for half in 0..lanes.div_ceil(HALF) {
            for pair in self.taps.chunks(2) {
                for c in half * HALF..lanes.min((half + 1) * HALF) {
                    for i in 0..2 {
                        let w = match (valid(c), pair.get(i)) {
                            (Some(c), Some((row, column, _))) => self.spec.weight(c, 0, *row, *column),
                            _ => 0,
                        };
                        bytes.extend_from_slice(&(w as i16).to_le_bytes());
                    }
                }
            }
        }
    }

    fn load(&self, b: &mut KernelBuilder, x: Cursor, offset: i64) -> Value {
        let addr = x.buf.at(x.at, x.offset + offset);
        match self.spec.input.elem {
            Elem::I8 => b.load_widen_s(Lane::I8, addr),
            _ => b.load_widen_u(Lane::I8, addr),
        }
    }
}

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
        for half in 0..vectors.div_ceil(2) {
            let parts = (vectors - 2 * half).min(2);
            for pair in self.taps.chunks(2) {
                let w: Vec<Value> = (0..parts)
                    .map(|i| b.load(Lane::I16, VL, weights.buf.at(weights.at, weights.offset + (i * VL) as i64)))
                    .collect();
                weights = weights.plus((parts * VL) as i64);
                for p in 0..pixels {
                    let at = p as i64 * self.pixel_step + (half * HALF) as i64;
                    let one = self.load(b, x, at + pair[0].2);
                    let two = pair.get(1).map_or(one, |tap| self.load(b, x, at + tap.2));
                    for (part, op) in [BinOp::InterleaveLow, BinOp::InterleaveHigh].into_iter().take(parts).enumerate()
                    {
                        let both = b.binary(op, one, two);
                        let to = p * vectors + 2 * half + part;
                        acc[to] = b.madd16_acc(acc[to], both, w[part]);
                    }
                }
            }
        }
        acc
    }
}
