//! The register tile of a matrix product: a few pixels times a panel of output channels, accumulated over all taps.

use qcc_kernel::{BinOp, KernelBuilder, Lane, Op, UnOp, VL, Value};

use super::layout::Elem;
use super::pack::{CHUNK, Taps, Unit};
use super::walk::Cursor;

/// Chunks of all runs together up to which loops over the taps are unrolled. Beyond, code generation takes milliseconds
/// and the kernel gains nothing; a chunk of quads is larger.
const fn unrolled_chunks(unit: Unit) -> usize {
    match unit {
        Unit::Pair => 6,
        Unit::Quad => 3,
    }
}

/// What all tiles of a kernel have in common.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// The taps of each window.
    pub taps: Taps,
    /// What is multiplied at once.
    pub unit: Unit,
    /// Type of the input codes.
    pub elem: Elem,
    /// Bytes between the windows of adjacent output pixels.
    pub pixel_step: i64,
    /// Registers of accumulators for each pixel.
    pub vectors: usize,
    /// Pixels.
    pub pixels: usize,
}

/// Pixels of a tile with that many registers of accumulators a pixel: what fits the registers, and is enough to hide the
/// latency of the products.
pub const fn pixels_for(unit: Unit, vectors: usize) -> usize {
    match (unit, vectors) {
        (Unit::Pair, 1) => 6,
        (Unit::Pair, 2) => 4,
        (Unit::Pair, 3) => 3,
        (Unit::Pair, _) => 2,
        (Unit::Quad, 1) => 8,
        (Unit::Quad, 2) => 6,
        (Unit::Quad, 3) => 4,
        (Unit::Quad, _) => 3,
    }
}

/// The accumulators of the windows that start at `x`, pixel by pixel, beginning with the biases at `w`; the weights
/// follow the biases.
pub fn accumulate(b: &mut KernelBuilder, tile: &Tile, x: Cursor, w: Cursor) -> Vec<Value> {
    let taps = &tile.taps;
    let bias: Vec<Value> =
        (0..tile.vectors).map(|v| b.load(Lane::I32, VL, w.buf.at(w.at, w.offset + (v * VL) as i64))).collect();
    let acc: Vec<Value> = (0..tile.pixels).flat_map(|_| bias.iter().copied()).collect();
    let w = w.plus((tile.vectors * VL) as i64);
    let units = taps.units(tile.unit);
    let unit_bytes = (tile.vectors * VL) as i64;
    let run_bytes = units as i64 * unit_bytes;
    let chunks = units.div_ceil(CHUNK);
    let unrolled = unrolled_chunks(tile.unit);
    let row = Level {
        count: taps.outer,
        x_step: taps.outer_step,
        w_step: run_bytes * taps.inner as i64,
        rolled: taps.outer * taps.inner * chunks > unrolled,
    };
    let column =
        Level { count: taps.inner, x_step: taps.inner_step, w_step: run_bytes, rolled: taps.inner * chunks > unrolled };
    let chunk = Level {
        count: units / CHUNK,
        x_step: (CHUNK * tile.unit.codes()) as i64,
        w_step: unit_bytes * CHUNK as i64,
        rolled: chunks > unrolled,
    };
    let multiply = match tile.unit {
        Unit::Pair => multiply_pairs,
        Unit::Quad => multiply_quads,
    };
    row.run(b, x, w, acc, |b, x, w, acc| {
        column.run(b, x, w, acc, |b, x, w, acc| {
            let acc = chunk.run(b, x, w, acc, |b, x, w, acc| multiply(b, tile, x, w, acc, CHUNK));
            let done = chunk.count as i64;
            multiply(b, tile, x.plus(done * chunk.x_step), w.plus(done * chunk.w_step), acc, units % CHUNK)
        })
    })
}

/// One level of the loops over taps.
struct Level {
    count: usize,
    x_step: i64,
    w_step: i64,
    rolled: bool,
}

impl Level {
    fn run(
        &self,
        b: &mut KernelBuilder,
        x: Cursor,
        w: Cursor,
        mut acc: Vec<Value>,
        body: impl Fn(&mut KernelBuilder, Cursor, Cursor, Vec<Value>) -> Vec<Value>,
    ) -> Vec<Value> {
        if !self.rolled || self.count <= 1 {
            for i in 0..self.count as i64 {
                acc = body(b, x.plus(i * self.x_step), w.plus(i * self.w_step), acc);
            }
            return acc;
        }
        acc.push(w.at);
        let mut out = b.loop_carried(self.count as u32, self.x_step, &acc, |b, i, carried| {
            let (at, acc) = (carried[carried.len() - 1], carried[..carried.len() - 1].to_vec());
            let x = x.moved(b, i);
            let mut acc = body(b, x, Cursor { at, ..w }, acc);
            acc.push(b.add(at, self.w_step));
            acc
        });
        out.pop();
        out
    }
}

/// Adds the products of `pairs` (at most four) pairs of codes per pixel.
fn multiply_pairs(
    b: &mut KernelBuilder,
    tile: &Tile,
    x: Cursor,
    w: Cursor,
    mut acc: Vec<Value>,
    pairs: usize,
) -> Vec<Value> {
    if pairs == 0 {
        return acc;
    }
    // A register of weights is loaded when it is first needed and serves a few pixels: eight accumulators, their codes,
    // weights, a broadcast and a product then fit sixteen registers.
    let shared = if tile.vectors == 1 { 3 } else { 2 };
    for first in (0..tile.pixels).step_by(shared) {
        let pixels = first..tile.pixels.min(first + shared);
        let codes: Vec<Value> = pixels.clone().map(|p| load(b, tile, x.plus(p as i64 * tile.pixel_step))).collect();
        for pair in 0..pairs {
            let mut weights = Vec::new();
            for (p, &code) in pixels.clone().zip(&codes) {
                let two = b.broadcast_lane(code, pair as u8);
                let two = b.unary(UnOp::Bitcast(Lane::I16), two);
                for v in 0..tile.vectors {
                    if weights.len() == v {
                        let offset = w.offset + ((pair * tile.vectors + v) * VL) as i64;
                        weights.push(b.load(Lane::I16, VL, w.buf.at(w.at, offset)));
                    }
                    let at = p * tile.vectors + v;
                    acc[at] = b.madd16_acc(acc[at], two, weights[v]);
                }
            }
        }
    }
    acc
}

/// Eight codes as i16, two to a 32-bit lane.
fn load(b: &mut KernelBuilder, tile: &Tile, x: Cursor) -> Value {
    let addr = x.buf.at(x.at, x.offset);
    let wide = match tile.elem {
        Elem::I8 => b.load_widen_s(Lane::I8, addr),
        _ => b.load_widen_u(Lane::I8, addr),
    };
    b.unary(UnOp::Bitcast(Lane::I32), wide)
}

/// Adds the products of a few quads of codes per pixel.
fn multiply_quads(
    b: &mut KernelBuilder,
    tile: &Tile,
    x: Cursor,
    w: Cursor,
    mut acc: Vec<Value>,
    quads: usize,
) -> Vec<Value> {
    for quad in 0..quads {
        let codes = |b: &mut KernelBuilder, p: usize| {
            let offset = x.offset + p as i64 * tile.pixel_step + (quad * Unit::Quad.codes()) as i64;
            let codes = b.broadcast32(Lane::I8, x.buf.at(x.at, offset));
            flipped(b, tile.elem, codes)
        };
        let weights = |b: &mut KernelBuilder, v: usize| {
            b.load(Lane::I8, VL, w.buf.at(w.at, w.offset + ((quad * tile.vectors + v) * VL) as i64))
        };
        // The fewer of the two are held, the others pass by.
        if tile.pixels <= tile.vectors {
            let held: Vec<Value> = (0..tile.pixels).map(|p| codes(b, p)).collect();
            for v in 0..tile.vectors {
                let weights = weights(b, v);
                for (p, &codes) in held.iter().enumerate() {
                    let at = p * tile.vectors + v;
                    acc[at] = b.op(Op::Dot4 { acc: acc[at], a: codes, b: weights });
                }
            }
        } else {
            let held: Vec<Value> = (0..tile.vectors).map(|v| weights(b, v)).collect();
            for p in 0..tile.pixels {
                let codes = codes(b, p);
                for (v, &weights) in held.iter().enumerate() {
                    let at = p * tile.vectors + v;
                    acc[at] = b.op(Op::Dot4 { acc: acc[at], a: codes, b: weights });
                }
            }
        }
    }
    acc
}

/// Codes as unsigned ones: signed codes are moved up by 128.
pub fn flipped(b: &mut KernelBuilder, elem: Elem, codes: Value) -> Value {
    if elem != Elem::I8 {
        return codes;
    }
    let flip = b.splat_i8(0x80);
    b.binary(BinOp::Xor, codes, flip)
}
