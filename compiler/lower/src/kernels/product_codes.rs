//! Product of floats with weights that stay codes of a few bits, with a body applied before anything is stored.
//!
//! Where few rows are multiplied, a product takes as long as reading its weights. They are packed for the tiles of
//! [`super::product_f32`] with the codes of a column side by side in words of 32 bits, which two shifts and a conversion make
//! floats. The terms that have a scale in common are summed in parts of at most 128; a part is added as
//! `sum = fma(part, scale, sum)`. The order of the terms depends on the shapes only, so every backend and every division into
//! tasks gives the same bits.

use qcc_kernel::{BinOp, KernelBuilder, Lane, UnOp, VL, Value, Width};

use super::Generated;
use super::body::Body;
use super::conv::{ConvSpec, check_windows};
use super::layout::{Elem, TensorLayout};
use super::pack::{Halves, pack_each, panels};
use super::tile::Level;
use super::walk::{self, Core, Cursor, Panel, Pixels};

/// A product `x[M, K] * w[K, N]` with `w[k, n] = (codes[k, n] - zeros[k / block, n]) * scales[k / block, n]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductCodesSpec {
    /// `[M, K]` floats, anything whose pixels are the rows.
    pub input: TensorLayout,
    /// `[M, N]`, what the body computes.
    pub output: TensorLayout,
    /// `[K, N]`, row by row.
    pub codes: Vec<i16>,
    /// Bits of a code: 2, 4 or 8.
    pub bits: usize,
    /// Rows that have a scale in common: all, or a multiple of [`GRANULE`].
    pub block: usize,
    /// `[K / block, N]`, rounded up.
    pub scales: Vec<f32>,
    /// Codes of zero, as many as scales.
    pub zeros: Vec<i16>,
    /// Applied to every sum; its core is an F32.
    pub body: Body,
}

/// Codes of the smallest type in a word.
pub const GRANULE: usize = 16;

/// Most terms that are summed before they are scaled.
const PART: usize = 128;

/// Bits of a word.
const WORD: usize = 32;

/// Rows up to which panels are wide: a tile of one row has few sums, whose latency more columns hide.
const FEW_ROWS: usize = 1;

/// Registers of sums of a tile; see [`super::product_f32`].
const ACCUMULATORS: usize = 8;

/// The kernel of a product with codes, for registers of 256 bits.
///
/// # Errors
/// The reason why there is none: sizes that do not fit, a body that does not fit.
pub fn generate(spec: &ProductCodesSpec) -> Result<Generated, String> {
    let windows = ConvSpec::of_rows(spec.input, spec.output, spec.body.clone());
    if windows.input.elem != Elem::F32 {
        return Err(format!("a product of {:?} with codes of weights", windows.input.elem));
    }
    check_windows(&windows)?;
    let stored = Stored::of(spec)?;
    let rows = windows.output.n * windows.output.h * windows.output.w;
    let halves = if rows <= FEW_ROWS { Halves::Channels } else { Halves::FewChannels };
    let (panels, constants) = pack_each(panels(&windows, Width::V256, halves), |panel, first, out| {
        stored.pack(spec, panel, first, out);
    });
    let core = Product { stored: &stored, terms: windows.input.c, step: windows.input.pixel_stride() as i64 };
    walk::generate(&windows, &core, &panels, constants, Width::V256)
}

impl ProductCodesSpec {
    /// The code of zero of a weight.
    fn zero(&self, row: usize, column: usize) -> i16 {
        self.zeros[row / self.block * self.output.c + column]
    }
}

/// How weights are stored: for each part of the sum the scales of a panel, its zeros if they are needed, its words.
struct Stored {
    /// Bits of a code.
    bits: usize,
    /// Terms of a part.
    part: usize,
    /// What is subtracted from codes before they are stored as signed numbers; `None` subtracts the zeros themselves, so that
    /// nothing is left of them.
    middle: Option<i16>,
}

impl Stored {
    fn of(spec: &ProductCodesSpec) -> Result<Stored, String> {
        let (terms, columns) = (spec.input.c, spec.output.c);
        let blocks = terms.div_ceil(spec.block.max(1));
        if ![2, 4, 8].contains(&spec.bits) {
            return Err(format!("weights of {} bits", spec.bits));
        }
        if spec.block == 0 || blocks > 1 && !spec.block.is_multiple_of(GRANULE) {
            return Err(format!("weights in blocks of {}", spec.block));
        }
        let sizes = [spec.codes.len(), spec.scales.len(), spec.zeros.len()];
        if sizes != [terms * columns, blocks * columns, blocks * columns] {
            return Err(format!("{sizes:?} codes, scales and zero-points of {terms} by {columns} weights"));
        }
        let part = if blocks == 1 { PART.min(terms) } else { part_of(spec.block) };
        let half = 1i16 << (spec.bits - 1);
        let fits = |zero: &dyn Fn(usize) -> i16| {
            spec.codes.iter().enumerate().all(|(i, code)| (-half..half).contains(&(code - zero(i))))
        };
        if fits(&|i| spec.zero(i / columns, i % columns)) {
            return Ok(Stored { bits: spec.bits, part, middle: None });
        }
        match [0, half].into_iter().find(|&middle| fits(&|_| middle)) {
            Some(middle) => Ok(Stored { bits: spec.bits, part, middle: Some(middle) }),
            None => Err(format!("codes that do not have {} bits", spec.bits)),
        }
    }

    /// Codes in a word.
    fn each(&self) -> usize {
        WORD / self.bits
    }

    /// Registers of scales and zeros in front of the words of a part, for each register of columns.
    fn header(&self) -> usize {
        1 + usize::from(self.middle.is_some())
    }

    /// Bytes of a part of so many terms.
    fn bytes(&self, terms: usize, panel: &Panel) -> i64 {
        ((self.header() + terms.div_ceil(self.each())) * panel.vectors() * panel.register()) as i64
    }

    /// The weights of a panel, part by part, as registers hold them. What lies beyond the columns is zero.
    fn pack(&self, spec: &ProductCodesSpec, panel: &Panel, first: usize, out: &mut Vec<u8>) {
        let columns = spec.output.c;
        let terms = spec.input.c;
        let lanes: Vec<Option<usize>> =
            panel.lanes().map(|lane| (lane < panel.channels).then_some(first + lane)).collect();
        for start in (0..terms).step_by(self.part) {
            let block = start / spec.block;
            let scale = |column: usize| spec.scales[block * columns + column];
            lanes.iter().for_each(|lane| out.extend(lane.map_or(0.0, scale).to_le_bytes()));
            if let Some(middle) = self.middle {
                let zero = |column: usize| f32::from(spec.zero(start, column) - middle);
                lanes.iter().for_each(|lane| out.extend(lane.map_or(0.0, zero).to_le_bytes()));
            }
            let end = terms.min(start + self.part);
            for word in (start..end).step_by(self.each()) {
                let code = |k: usize, column: usize| {
                    let code = spec.codes[k * columns + column] - self.middle.unwrap_or(spec.zero(k, column));
                    (code as u16 as u32 & ((1 << self.bits) - 1)) << ((k - word) * self.bits)
                };
                let codes = |column: usize| (word..end.min(word + self.each())).map(|k| code(k, column)).sum::<u32>();
                lanes.iter().for_each(|lane| out.extend(lane.map_or(0, codes).to_le_bytes()));
            }
        }
    }
}

/// The terms of a part: the largest number that divides a block and is a multiple of [`GRANULE`].
fn part_of(block: usize) -> usize {
    let mut parts = (1..=PART / GRANULE).rev().map(|n| n * GRANULE);
    parts.find(|part| block.is_multiple_of(*part)).unwrap_or(GRANULE)
}

struct Product<'s> {
    stored: &'s Stored,
    /// Terms of a sum.
    terms: usize,
    /// Bytes of input from one row to the next.
    step: i64,
}

impl Core for Product<'_> {
    fn pixels(&self, panel: &Panel) -> usize {
        ACCUMULATORS / panel.vectors()
    }

    fn sums(&self, _: &ConvSpec) -> (Elem, f64) {
        (Elem::F32, f64::INFINITY)
    }

    fn accumulate(&self, b: &mut KernelBuilder, panel: &Panel, pixels: Pixels, x: Cursor, w: Cursor) -> Vec<Value> {
        let tile = Tile { stored: self.stored, panel, pixels, step: self.step };
        let part = self.stored.part;
        let parts = Level {
            count: self.terms / part,
            x_step: 4 * part as i64,
            w_step: self.stored.bytes(part, panel),
            rolled: true,
        };
        let zeros = vec![b.splat_f32(0.0); pixels.registers() * panel.vectors()];
        let acc = parts.run(b, x, w, zeros, |b, x, w, acc| tile.part(b, part, (x, w), acc));
        let done = parts.count as i64;
        match self.terms % part {
            0 => acc,
            rest => tile.part(b, rest, (x.plus(done * parts.x_step), w.plus(done * parts.w_step)), acc),
        }
    }
}

/// What the terms of a tile have in common.
struct Tile<'p> {
    stored: &'p Stored,
    panel: &'p Panel,
    pixels: Pixels,
    step: i64,
}

impl Tile<'_> {
    /// Bytes of a word for every column.
    fn row(&self) -> i64 {
        (self.panel.vectors() * self.panel.register()) as i64
    }

    /// The registers at `w`, one for each register of columns.
    fn registers(&self, b: &mut KernelBuilder, lane: Lane, w: Cursor) -> Vec<Value> {
        let at = |v: usize| w.plus((v * self.panel.register()) as i64).addr();
        (0..self.panel.vectors()).map(|v| b.load(lane, VL, at(v))).collect()
    }

    /// The sums with a part of so many terms.
    fn part(&self, b: &mut KernelBuilder, terms: usize, (x, w): (Cursor, Cursor), acc: Vec<Value>) -> Vec<Value> {
        let each = self.stored.each();
        let words = Level { count: terms / each, x_step: 4 * each as i64, w_step: self.row(), rolled: true };
        let first = w.plus(self.stored.header() as i64 * self.row());
        let zeros = vec![b.splat_f32(0.0); acc.len()];
        let zero_points = self.stored.middle.map(|_| self.registers(b, Lane::F32, w.plus(self.row())));
        let zero_points = zero_points.as_deref();
        let sums = words.run(b, x, first, zeros, |b, x, w, sums| self.word(b, each, (x, w), zero_points, sums));
        let done = words.count as i64;
        let rest = (x.plus(done * words.x_step), first.plus(done * words.w_step));
        let sums = match terms % each {
            0 => sums,
            terms => self.word(b, terms, rest, zero_points, sums),
        };
        let scales = self.registers(b, Lane::F32, w);
        let scales = scales.iter().cycle();
        acc.into_iter().zip(sums).zip(scales).map(|((acc, sum), &scale)| b.mul_add(acc, sum, scale)).collect()
    }

    /// The sums with the first terms of a word.
    fn word(
        &self,
        b: &mut KernelBuilder,
        terms: usize,
        (x, w): (Cursor, Cursor),
        zero_points: Option<&[Value]>,
        mut sums: Vec<Value>,
    ) -> Vec<Value> {
        let (bits, vectors) = (self.stored.bits, self.panel.vectors());
        let words = self.registers(b, Lane::I32, w);
        for k in 0..terms {
            let above = (WORD - bits * (k + 1)) as u8;
            let mut weight = |v: usize| {
                let high = if above > 0 { b.shl(words[v], above) } else { words[v] };
                let code = b.shr_s(high, (WORD - bits) as u8);
                let code = b.unary(UnOp::ToF32, code);
                zero_points.map_or(code, |zeros| b.binary(BinOp::Sub, code, zeros[v]))
            };
            let weights: Vec<Value> = (0..vectors).map(&mut weight).collect();
            for (place, sums) in self.pixels.places().zip(sums.chunks_mut(vectors)) {
                let input = b.broadcast32(Lane::F32, x.plus(4 * k as i64).pixel(place, self.step).addr());
                for (sum, &weight) in sums.iter_mut().zip(&weights) {
                    *sum = b.mul_add(*sum, input, weight);
                }
            }
        }
        sums
    }
}
