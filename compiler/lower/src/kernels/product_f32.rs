//! Float convolution as an implicit matrix product with constant weights, with a body applied before anything is stored.
//!
//! A tile is a few pixels times a panel of output channels; the weights are packed in the order in which tiles read them.
//! Products of at most `BLOCK` terms are added up by themselves, so that rounding does not grow with their number.
//! The order of the terms depends on the shapes only, so every backend and every division into tasks gives the same bits.

use qcc_kernel::{BinOp, KernelBuilder, Lane, VL, Value, Width};

use super::Generated;
use super::body::Body;
use super::conv::{ConvSpec, check_windows};
use super::layout::{Elem, TensorLayout};
use super::pack::{Halves, Taps, pack_each, panels};
use super::tile::Level;
use super::walk::{self, Core, Cursor, Panel, Pixels};

/// A float convolution. A matrix product is one with a kernel of one pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductF32Spec {
    /// The input, F32, channels last. The halo is at least the padding and holds zeros.
    pub input: TensorLayout,
    /// What the body computes; its own halo is not written.
    pub output: TensorLayout,
    /// Weights `[output channel, channel of the group, row, column]`.
    pub weights: Vec<f32>,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Input pixels between output pixels.
    pub strides: [usize; 2],
    /// Input pixels between taps.
    pub dilations: [usize; 2],
    /// Padding: top, left, bottom, right.
    pub pads: [usize; 4],
    /// Groups of channels.
    pub group: usize,
    /// Applied to every sum; its core is an F32.
    pub body: Body,
}

/// Most terms that are added up by themselves.
const BLOCK: usize = 128;

/// Terms of a loop's iteration.
const UNROLLED: usize = 4;

/// Registers of sums of a tile: enough to hide the latency of products, few enough that the sums of blocks, which wait on the
/// stack, take nothing from the registers.
const ACCUMULATORS: usize = 8;

/// The kernel of a float convolution, for registers of 256 bits.
///
/// # Errors
/// The reason why there is none: shapes, a body that does not fit.
pub fn generate(spec: &ProductF32Spec) -> Result<Generated, String> {
    let windows = spec.windows();
    if windows.input.elem != Elem::F32 {
        return Err(format!("a float product of {:?}", windows.input.elem));
    }
    check_windows(&windows)?;
    let taps = Taps::of(&windows);
    let wanted = windows.output.c * windows.group_inputs() * spec.kernel[0] * spec.kernel[1];
    if spec.weights.len() != wanted {
        return Err(format!("{} weights where {wanted} are needed", spec.weights.len()));
    }
    // Constants of channels that lie apart begin at multiples of their number, which groups may not.
    let halves = if spec.group == 1 { Halves::FewChannels } else { Halves::ChannelsOrPixels };
    let (panels, constants) = pack_each(panels(&windows, Width::V256, halves), |panel, first, out| {
        pack(spec, &windows, &taps, panel, first, out);
    });
    walk::generate(&windows, &Product { spec: &windows, taps }, &panels, constants, Width::V256)
}

impl ProductF32Spec {
    /// Its windows, for what does not look at weights.
    fn windows(&self) -> ConvSpec {
        ConvSpec {
            kernel: self.kernel,
            strides: self.strides,
            dilations: self.dilations,
            pads: self.pads,
            group: self.group,
            ..ConvSpec::of_rows(self.input, self.output, self.body.clone())
        }
    }
}

/// The weights of a panel: for each tap those of its channels, as registers hold them.
fn pack(spec: &ProductF32Spec, windows: &ConvSpec, taps: &Taps, panel: &Panel, first: usize, out: &mut Vec<u8>) {
    let lanes: Vec<usize> = panel.lanes().collect();
    let ([kh, kw], channels) = (spec.kernel, windows.group_inputs());
    for (outer, inner) in (0..taps.outer).flat_map(|outer| (0..taps.inner).map(move |inner| (outer, inner))) {
        for k in 0..taps.run {
            let tap = taps.tap(outer, inner, k);
            for &lane in &lanes {
                let weight = match tap {
                    Some([row, column, c]) if lane < panel.channels => {
                        spec.weights[(((first + lane) * channels + c) * kh + row) * kw + column]
                    }
                    _ => 0.0,
                };
                out.extend(weight.to_le_bytes());
            }
        }
    }
}

struct Product<'s> {
    spec: &'s ConvSpec,
    taps: Taps,
}

impl Core for Product<'_> {
    fn pixels(&self, panel: &Panel) -> usize {
        ACCUMULATORS / panel.vectors()
    }

    fn sums(&self, _: &ConvSpec) -> (Elem, f64) {
        (Elem::F32, f64::INFINITY)
    }

    fn accumulate(&self, b: &mut KernelBuilder, panel: &Panel, pixels: Pixels, x: Cursor, w: Cursor) -> Vec<Value> {
        let Taps { outer, outer_step, inner, inner_step, run, .. } = self.taps;
        let step = (self.spec.input.pixel_stride() * self.spec.strides[1]) as i64;
        let tile = Tile { panel, pixels, step };
        let row = tile.level(outer, outer_step, inner * run, inner * run > UNROLLED);
        let column = tile.level(inner, inner_step, run, run > UNROLLED);
        let zeros = vec![b.splat_f32(0.0); pixels.registers() * panel.vectors()];
        // The largest part of the taps that is one block; blocks are added to the sums of all.
        if outer * inner * run <= BLOCK {
            let row_of = |b: &mut KernelBuilder, x, w, acc| tile.columns(b, &column, run, (x, w), acc);
            return row.run(b, x, w, zeros, row_of);
        }
        row.run(b, x, w, zeros, |b, x, w, acc| {
            if inner * run <= BLOCK {
                return block(b, acc, |b, zeros| tile.columns(b, &column, run, (x, w), zeros));
            }
            column.run(b, x, w, acc, |b, x, w, acc| {
                let whole = tile.level(run / BLOCK, 4 * BLOCK as i64, BLOCK, true);
                let terms = BLOCK.min(run);
                let acc = whole
                    .run(b, x, w, acc, |b, x, w, acc| block(b, acc, |b, zeros| tile.terms(b, terms, (x, w), zeros)));
                let done = (run / BLOCK) as i64;
                let (x, w) = (x.plus(done * whole.x_step), w.plus(done * whole.w_step));
                match run % BLOCK {
                    0 => acc,
                    rest => block(b, acc, |b, zeros| tile.terms(b, rest, (x, w), zeros)),
                }
            })
        })
    }
}

/// The sums with those of a block, which begin with zeros.
fn block(
    b: &mut KernelBuilder,
    acc: Vec<Value>,
    sums: impl FnOnce(&mut KernelBuilder, Vec<Value>) -> Vec<Value>,
) -> Vec<Value> {
    let zeros = vec![b.splat_f32(0.0); acc.len()];
    let sums = sums(b, zeros);
    acc.into_iter().zip(sums).map(|(acc, sum)| b.binary(BinOp::Add, acc, sum)).collect()
}

/// What the terms of a tile have in common.
struct Tile<'p> {
    panel: &'p Panel,
    pixels: Pixels,
    /// Bytes of input from one pixel to the next.
    step: i64,
}

impl Tile<'_> {
    /// Bytes of the weights of a term.
    fn term(&self) -> i64 {
        (self.panel.vectors() * self.panel.register()) as i64
    }

    /// A loop over `count` parts of so many terms, `x_step` bytes of input apart.
    fn level(&self, count: usize, x_step: i64, terms: usize, rolled: bool) -> Level {
        Level { count, x_step, w_step: terms as i64 * self.term(), rolled }
    }

    /// The terms of a row of taps.
    fn columns(
        &self,
        b: &mut KernelBuilder,
        column: &Level,
        run: usize,
        (x, w): (Cursor, Cursor),
        acc: Vec<Value>,
    ) -> Vec<Value> {
        column.run(b, x, w, acc, |b, x, w, acc| self.terms(b, run, (x, w), acc))
    }

    /// Terms whose inputs follow each other.
    fn terms(&self, b: &mut KernelBuilder, count: usize, (x, w): (Cursor, Cursor), acc: Vec<Value>) -> Vec<Value> {
        let some = self.level(count / UNROLLED, 4 * UNROLLED as i64, UNROLLED, true);
        let acc = some.run(b, x, w, acc, |b, x, w, acc| self.unrolled(b, UNROLLED, (x, w), acc));
        let done = some.count as i64;
        self.unrolled(b, count % UNROLLED, (x.plus(done * some.x_step), w.plus(done * some.w_step)), acc)
    }

    fn unrolled(
        &self,
        b: &mut KernelBuilder,
        count: usize,
        (x, w): (Cursor, Cursor),
        mut acc: Vec<Value>,
    ) -> Vec<Value> {
        let vectors = self.panel.vectors();
        for k in 0..count as i64 {
            let weight = |v: usize| w.plus(k * self.term() + (v * self.panel.register()) as i64).addr();
            let weights: Vec<Value> = (0..vectors).map(|v| b.load(Lane::F32, VL, weight(v))).collect();
            for (place, acc) in self.pixels.places().zip(acc.chunks_mut(vectors)) {
                let input = b.broadcast32(Lane::F32, x.plus(4 * k).pixel(place, self.step).addr());
                for (acc, &weight) in acc.iter_mut().zip(&weights) {
                    *acc = b.mul_add(*acc, input, weight);
                }
            }
        }
        acc
    }
}
