//! The register tile of a matrix product: a few pixels times a panel of output channels, accumulated over all taps.

use qcc_kernel::{BinOp, KernelBuilder, Lane, Op, UnOp, VL, Value};

use super::layout::Elem;
use super::pack::{CHUNK, Taps, Unit};
use super::stage::WIDE;
use super::walk::{Cursor, Panel, Pixels};

/// Chunks of all runs together up to which loops over the taps are unrolled. Beyond, code generation takes milliseconds
/// and the kernel gains nothing; a chunk of quads is larger.
const fn unrolled_chunks(unit: Unit) -> usize {
    match unit {
        Unit::Pair => 6,
        Unit::Quad => 3,
    }
}

/// Products that are computed before they are added. Two in a row keep both multipliers of Zen 3 busy: 1.60 products a cycle
/// where every product is followed by its addition give 1.53; more take registers.
pub const TOGETHER: usize = 2;

/// Accumulators of a tile of 16-bit codes.
const WIDE_ACCUMULATORS: usize = 12;

/// What all tiles of a kernel have in common.
#[derive(Clone, Copy, Debug)]
pub struct Tile<'p> {
    /// The taps of each window.
    pub taps: Taps,
    /// What is multiplied at once.
    pub unit: Unit,
    /// Type of the input codes.
    pub elem: Elem,
    /// Whether the codes are bytes that are staged as 16-bit numbers.
    pub staged: bool,
    /// Bytes of a weight.
    pub weight_bytes: usize,
    /// Bytes of input between the windows of adjacent output pixels.
    pub pixel_step: i64,
    /// The output channels.
    pub panel: &'p Panel,
    /// The output pixels.
    pub pixels: Pixels,
}

impl Tile<'_> {
    /// How much farther codes are apart than in the input.
    fn stretch(&self) -> i64 {
        if self.staged { WIDE as i64 } else { 1 }
    }

    /// Bytes of a code where windows are read.
    fn code_bytes(&self) -> i64 {
        self.stretch() * self.elem.bytes() as i64
    }

    /// Bytes of the weights of a unit.
    fn unit_bytes(&self) -> i64 {
        (self.panel.vectors() * self.register()) as i64
    }

    /// Bytes of the weights of a unit for one register of channels.
    fn register(&self) -> usize {
        self.panel.register() * self.weight_bytes * self.unit.codes() / 4
    }
}

/// Registers of pixels of a tile for a panel: what fits the registers, and is enough to hide the latency of the products.
pub fn pixels_for(unit: Unit, panel: &Panel, apart: bool) -> usize {
    match (unit, panel.vectors()) {
        // Two registers of weights, a broadcast and a product fill sixteen registers.
        (Unit::Pair, vectors) if apart => WIDE_ACCUMULATORS / vectors,
        (Unit::Pair, 1) => 6,
        (Unit::Pair, 2) => 4,
        // Weights are read where they are multiplied: they need no registers.
        (Unit::Pair, _) if panel.far.is_some() => 3,
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
pub fn accumulate(b: &mut KernelBuilder, tile: &Tile<'_>, x: Cursor, w: Cursor) -> Vec<Value> {
    let acc = biases(b, tile.panel, tile.pixels, w);
    products(b, tile, acc, x, w.plus((tile.panel.vectors() * tile.panel.register()) as i64))
}

/// The accumulators with the products of the windows that start at `x` and the weights at `w`.
pub fn products(b: &mut KernelBuilder, tile: &Tile<'_>, acc: Vec<Value>, x: Cursor, w: Cursor) -> Vec<Value> {
    let (taps, unit_bytes) = (&tile.taps, tile.unit_bytes());
    let units = taps.units(tile.unit);
    let run_bytes = units as i64 * unit_bytes;
    let chunks = units.div_ceil(CHUNK);
    let unrolled = unrolled_chunks(tile.unit);
    let wide = tile.stretch();
    let row = Level {
        count: taps.outer,
        x_step: wide * taps.outer_step,
        w_step: run_bytes * taps.inner as i64,
        rolled: taps.outer * taps.inner * chunks > unrolled,
    };
    let column = Level {
        count: taps.inner,
        x_step: wide * taps.inner_step,
        w_step: run_bytes,
        rolled: taps.inner * chunks > unrolled,
    };
    let chunk = Level {
        count: units / CHUNK,
        x_step: tile.code_bytes() * (CHUNK * tile.unit.codes()) as i64,
        w_step: unit_bytes * CHUNK as i64,
        rolled: chunks > unrolled,
    };
    let multiply = match tile.unit {
        Unit::Pair if tile.code_bytes() == 2 => multiply_wide,
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

/// The accumulators before the first product: the biases at `w`.
pub fn biases(b: &mut KernelBuilder, panel: &Panel, pixels: Pixels, w: Cursor) -> Vec<Value> {
    let bias = |v: usize| w.plus((v * panel.register()) as i64).addr();
    let bias: Vec<Value> = (0..panel.vectors()).map(|v| b.load(Lane::I32, VL, bias(v))).collect();
    bias.repeat(pixels.registers())
}

/// One level of the loops over taps.
pub struct Level {
    /// Iterations.
    pub count: usize,
    /// Bytes of input from one to the next.
    pub x_step: i64,
    /// Bytes of weights from one to the next.
    pub w_step: i64,
    /// Whether it is a loop of the kernel.
    pub rolled: bool,
}

impl Level {
    /// The accumulators behind all iterations; `body` gives those behind one.
    pub fn run(
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
    tile: &Tile<'_>,
    x: Cursor,
    w: Cursor,
    mut acc: Vec<Value>,
    pairs: usize,
) -> Vec<Value> {
    if pairs == 0 {
        return acc;
    }
    let (vectors, places) = (tile.panel.vectors(), tile.pixels.places().collect::<Vec<_>>());
    // A register of weights serves a few pixels: eight accumulators, their codes, two broadcasts, weights and a product then
    // fit sixteen registers. Where whole registers of weights lie in memory, the products read them there.
    let shared = match vectors {
        _ if tile.panel.far.is_some() => 1,
        1 => 3,
        _ => 2,
    };
    for first in (0..places.len()).step_by(shared) {
        let pixels = first..places.len().min(first + shared);
        let codes: Vec<Value> = pixels.clone().map(|p| load(b, tile, x.pixel(places[p], tile.pixel_step))).collect();
        for pair in 0..pairs {
            let twos: Vec<Value> = codes
                .iter()
                .map(|&code| {
                    let two = b.broadcast_lane(code, pair as u8);
                    b.unary(UnOp::Bitcast(Lane::I16), two)
                })
                .collect();
            for v in 0..vectors {
                let weights = b.load(Lane::I16, VL, weight(tile, w, pair, v).addr());
                let products = pixels.clone().zip(&twos).map(|(p, &two)| (p * vectors + v, two, weights));
                add_products(b, &mut acc, products);
            }
        }
    }
    acc
}

/// Adds the products of a few pairs of 16-bit codes per pixel.
fn multiply_wide(
    b: &mut KernelBuilder,
    tile: &Tile<'_>,
    x: Cursor,
    w: Cursor,
    mut acc: Vec<Value>,
    pairs: usize,
) -> Vec<Value> {
    let vectors = tile.panel.vectors();
    for pair in 0..pairs {
        let weights: Vec<Value> = (0..vectors).map(|v| wide_weights(b, tile, weight(tile, w, pair, v))).collect();
        let x = x.plus((pair * Unit::Pair.codes() * WIDE) as i64);
        for (place, acc) in tile.pixels.places().zip(acc.chunks_mut(vectors)) {
            let two = b.broadcast32(Lane::I16, x.pixel(place, tile.stretch() * tile.pixel_step).addr());
            add_products(b, acc, weights.iter().enumerate().map(|(v, &weights)| (v, two, weights)));
        }
    }
    acc
}

/// Adds products of pairs, `(sum, a, b)` each, to the sums with these numbers: [`TOGETHER`] are multiplied, then added.
pub fn add_products(b: &mut KernelBuilder, sums: &mut [Value], products: impl Iterator<Item = (usize, Value, Value)>) {
    let products: Vec<_> = products.collect();
    for together in products.chunks(TOGETHER) {
        let multiplied: Vec<Value> = together.iter().map(|&(_, x, y)| b.binary(BinOp::Madd16, x, y)).collect();
        for (&(sum, ..), products) in together.iter().zip(multiplied) {
            sums[sum] = b.binary(BinOp::Add, sums[sum], products);
        }
    }
}

/// Where the weights of a unit for a register of channels are.
fn weight(tile: &Tile<'_>, w: Cursor, unit: usize, v: usize) -> Cursor {
    w.plus(((unit * tile.panel.vectors() + v) * tile.register()) as i64)
}

/// The weights of a pair for a register of channels.
fn wide_weights(b: &mut KernelBuilder, tile: &Tile<'_>, w: Cursor) -> Value {
    if tile.weight_bytes == WIDE {
        return b.load(Lane::I16, VL, w.addr());
    }
    b.load_widen_s(Lane::I8, w.addr().with_high(VL as i64 / 2))
}

/// Eight codes as i16, two to a 32-bit lane.
fn load(b: &mut KernelBuilder, tile: &Tile<'_>, x: Cursor) -> Value {
    let addr = x.addr();
    let wide = match tile.elem {
        Elem::I8 => b.load_widen_s(Lane::I8, addr),
        _ => b.load_widen_u(Lane::I8, addr),
    };
    b.unary(UnOp::Bitcast(Lane::I32), wide)
}

/// Adds the products of a few quads of codes per pixel.
fn multiply_quads(
    b: &mut KernelBuilder,
    tile: &Tile<'_>,
    x: Cursor,
    w: Cursor,
    mut acc: Vec<Value>,
    quads: usize,
) -> Vec<Value> {
    let (vectors, places) = (tile.panel.vectors(), tile.pixels.places().collect::<Vec<_>>());
    for quad in 0..quads {
        let codes = |b: &mut KernelBuilder, p: usize| {
            let x = x.pixel(places[p], tile.pixel_step).plus((quad * Unit::Quad.codes()) as i64);
            let codes = b.broadcast32(Lane::I8, x.addr());
            flipped(b, tile.elem, codes)
        };
        let weights = |b: &mut KernelBuilder, v: usize| b.load(Lane::I8, VL, weight(tile, w, quad, v).addr());
        // The fewer of the two are held, the others pass by.
        if places.len() <= vectors {
            let held: Vec<Value> = (0..places.len()).map(|p| codes(b, p)).collect();
            for v in 0..vectors {
                let weights = weights(b, v);
                for (p, &codes) in held.iter().enumerate() {
                    let at = p * vectors + v;
                    acc[at] = b.op(Op::Dot4 { acc: acc[at], a: codes, b: weights });
                }
            }
        } else {
            let held: Vec<Value> = (0..vectors).map(|v| weights(b, v)).collect();
            for p in 0..places.len() {
                let codes = codes(b, p);
                for (v, &weights) in held.iter().enumerate() {
                    let at = p * vectors + v;
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
