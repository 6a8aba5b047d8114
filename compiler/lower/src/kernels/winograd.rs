//! Convolution with 3x3 taps at every pixel in fewer products: Winograd's F(2x2, 3x3), exact in integers.
//!
//! A tile of 2x2 outputs reads a window of 4x4 inputs. With windows `d` and taps `g`, both of one channel,
//!
//! ```text
//! V = B' d B          U = G g G'          4 y = A' (sum over channels of U * V, element by element) A
//!
//!      1  0 -1  0          2  0  0             1  1  1  0
//! B' = 0  1  1  0     G =  1  1  1        A' = 0  1 -1 -1
//!      0 -1  1  0          1 -1  1
//!      0  1  0 -1          0  0  2
//! ```
//!
//! which takes 16 products for each pair of channels where 36 are taken otherwise. `G` is twice Winograd's own, so that `U` is
//! integer, and the sums are four times as large. Codes of 8 bits and taps of 9 leave `|V| <= 1020` and `|U| <= 2295`: both
//! are multiplied as 16-bit numbers. Sums in 32 bits may wrap, only `4 y` has to fit.
//!
//! A task transforms the windows of a block of tiles, multiplies them with the taps of a panel of output channels, one product
//! of matrices for each of the 16 elements, and transforms what comes out. An odd last row or column belongs to a tile that
//! reaches back by one; what it has in common with the tile before is not written again.
//!
//! Source: A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", 2016.

use qcc_kernel::{BinOp, Buf, BufferKind, KernelBuilder, Lane, VL, Value, Width};
use std::ops::Range;

use super::Generated;
use super::conv::{ConvSpec, Target};
use super::emit::{Emitter, Write};
use super::layout::{Elem, SLACK};
use super::pack::{Halves, Taps, Unit, pack_each, panels};
use super::place::{At, Place};
use super::split::{divisor_from, wanted};
use super::stage::WIDE;
use super::tile::{Tile, pixels_for, products};
use super::twin::Twin;
use super::walk::{Cursor, Panel, Pixels, WIDEST};

/// Rows and columns of outputs of a tile.
const OUTPUTS: usize = 2;

/// Rows and columns of inputs of a tile.
const INPUTS: usize = 4;

/// Elements of a transformed window.
pub const ELEMENTS: usize = INPUTS * INPUTS;

/// Taps of a window.
const TAPS: usize = 9;

/// Tiles of a task, at most, unless one row has more: what they take and the taps of a panel share the caches.
const MOST_TILES: usize = 24;

/// Tiles from which a task uses its taps often enough.
const FEWEST_TILES: usize = 12;

/// Tiles whose windows are transformed side by side: they share columns.
const SIDE_BY_SIDE: usize = 4;

/// The kernel of a convolution with 3x3 taps at every pixel.
///
/// # Errors
/// A convolution of another kind, one whose sums may leave 32 bits, or a body that does not fit the output.
pub fn generate(spec: &ConvSpec, target: Target) -> Result<Generated, String> {
    super::conv::check(spec)?;
    check(spec)?;
    let width = target.width;
    let halves = if width == Width::V256 { Halves::FewChannels } else { Halves::ChannelsOrPixels };
    let (panels, constants) = pack(spec, panels(spec, width, halves));
    let split = Split::of(spec, &panels);
    let mut b = KernelBuilder::with_width(name(spec), split.tasks(spec) as u32, width);
    let x = b.input("x", spec.input.bytes());
    let far = panels[0].far.unwrap_or(WIDEST);
    let out = Emitter::with_halves(&mut b, &spec.body, Some(Elem::I32), spec.output, constants, far)?;
    let out = out.with_core_within(spec.largest_accumulator());
    let lanes = VL / WIDE * width.halves();
    let channels = spec.input.c.next_multiple_of(lanes);
    let windows = Matrices::declare(&mut b, "windows", split.tiles(), WIDE * channels);
    let sums = Matrices::declare(&mut b, "sums", split.tiles(), panels[0].vectors() * panels[0].register());
    Kernel { spec, split, panels: &panels, x, out: &out, lanes, channels, windows, sums }.task(&mut b);
    out.finish(b)
}

/// The taps `[output][input][row][column]` of transformed ones `[output][input][4][4]`, if they are transformed taps of 8 bits.
pub fn taps(transformed: &[i16]) -> Option<Vec<i16>> {
    let of = |u: &[i16]| {
        // What undoes `G` takes the half of the first, the last, and the difference of the others.
        let line = |u: [i32; INPUTS]| [u[0], u[1] - u[2], u[3]].map(|twice| twice / 2);
        let rows: [[i32; 3]; INPUTS] = std::array::from_fn(|i| line(std::array::from_fn(|j| u[i * INPUTS + j].into())));
        let columns: [[i32; 3]; 3] = std::array::from_fn(|j| line(std::array::from_fn(|i| rows[i][j])));
        let taps: [i32; TAPS] = std::array::from_fn(|i| columns[i % 3][i / 3]);
        let fits = taps.iter().all(|w| (-255..=255).contains(w));
        (fits && transform(taps).iter().zip(u).all(|(&a, &b)| a == i32::from(b))).then_some(taps.map(|w| w as i16))
    };
    let all: Option<Vec<[i16; TAPS]>> = transformed.chunks(ELEMENTS).map(of).collect();
    all.map(|taps| taps.concat())
}

/// `G g G'`
fn transform(taps: [i32; TAPS]) -> [i32; ELEMENTS] {
    let line = |g: [i32; 3]| [2 * g[0], g[0] + g[1] + g[2], g[0] - g[1] + g[2], 2 * g[2]];
    let rows: [[i32; INPUTS]; 3] = std::array::from_fn(|i| line(std::array::from_fn(|j| taps[3 * i + j])));
    let columns: [[i32; INPUTS]; INPUTS] = std::array::from_fn(|j| line(std::array::from_fn(|i| rows[i][j])));
    std::array::from_fn(|i| columns[i % INPUTS][i / INPUTS])
}

fn check(spec: &ConvSpec) -> Result<(), String> {
    let one = [1, 1];
    if spec.kernel != [3, 3] || spec.strides != one || spec.dilations != one || spec.group != 1 {
        return Err("windows other than 3x3 taps at every pixel".into());
    }
    if spec.output.h < OUTPUTS || spec.output.w < OUTPUTS {
        return Err("fewer outputs than a tile has".into());
    }
    let (lo, hi) = spec.input_range;
    let code = [lo, hi, spec.input_zero].into_iter().map(i32::abs).max().unwrap_or(0);
    // Codes are summed as they are; their zero point is a matter of the bias.
    let whole = ConvSpec { input_range: (-code, code), input_zero: 0, bias: Vec::new(), ..spec.clone() };
    if 4.0 * whole.largest_accumulator() > f64::from(i32::MAX) {
        return Err("sums that may leave 32 bits when they are four times as large".into());
    }
    Ok(())
}

fn name(spec: &ConvSpec) -> String {
    let ConvSpec { input: x, output: y, .. } = spec;
    format!("winograd3x3-{}x{}x{}-{}x{}x{}", x.h, x.w, x.c, y.h, y.w, y.c)
}

/// The panels and their constants: the biases, then for each element the transformed taps of pairs of input channels.
fn pack(spec: &ConvSpec, panels: Vec<Panel>) -> (Vec<Panel>, Vec<u8>) {
    pack_each(panels, |panel, first, bytes| {
        let lanes: Vec<Option<usize>> =
            panel.lanes().map(|lane| (lane < panel.channels).then_some(first + lane)).collect();
        for &o in &lanes {
            let bias = o.map_or(0, |o| spec.folded_bias(o, spec.input_zero));
            bytes.extend_from_slice(&bias.to_le_bytes());
        }
        let transformed: Vec<Vec<[i32; ELEMENTS]>> = lanes.iter().map(|o| transformed(spec, *o)).collect();
        for element in 0..ELEMENTS {
            for c in (0..spec.input.c).step_by(Unit::Pair.codes()) {
                for of in &transformed {
                    for c in c..c + Unit::Pair.codes() {
                        let u = of.get(c).map_or(0, |u| u[element]) as i16;
                        bytes.extend_from_slice(&u.to_le_bytes());
                    }
                }
            }
        }
    })
}

/// The transformed taps of every input channel for an output channel, if it is one.
fn transformed(spec: &ConvSpec, o: Option<usize>) -> Vec<[i32; ELEMENTS]> {
    let Some(o) = o else { return Vec::new() };
    (0..spec.input.c).map(|c| transform(std::array::from_fn(|i| spec.weight(o, c, i / 3, i % 3)))).collect()
}

/// How the tiles are divided into tasks: blocks of rows of tiles, and of panels where there are few tiles.
#[derive(Clone, Copy, Debug)]
struct Split {
    /// Tiles of a row.
    columns: usize,
    /// Rows of tiles in a block.
    rows: usize,
    /// Blocks of an image.
    row_blocks: usize,
    /// Blocks of panels.
    panel_blocks: usize,
}

impl Split {
    fn of(spec: &ConvSpec, panels: &[Panel]) -> Split {
        let y = &spec.output;
        let (all, columns) = (y.h.div_ceil(OUTPUTS), y.w.div_ceil(OUTPUTS));
        // Products of tiles are about half of those that the convolution counts.
        let wanted = wanted(spec.macs() / 2 / y.n as u64);
        let fewest = all.div_ceil((MOST_TILES / columns).max(1));
        let most = (all * columns / FEWEST_TILES).max(1);
        let row_blocks = divisor_from(all, wanted.min(most).max(fewest));
        // Each block of panels transforms its windows again: two panels take ten times as long as that.
        let left = wanted.div_ceil(row_blocks).min(panels[0].repeat / 2);
        let panel_blocks = if panels.len() == 1 { divisor_from(panels[0].repeat, left) } else { 1 };
        Split { columns, rows: all / row_blocks, row_blocks, panel_blocks }
    }

    /// Tiles of a task.
    fn tiles(&self) -> usize {
        self.rows * self.columns
    }

    fn tasks(&self, spec: &ConvSpec) -> usize {
        spec.output.n * self.row_blocks * self.panel_blocks
    }
}

/// Working memory: a matrix for each element, with a row for each tile.
#[derive(Clone, Copy, Debug)]
struct Matrices {
    buf: Buf,
    /// Bytes from a tile to the next.
    tile: usize,
    /// Bytes from an element to the next.
    element: usize,
}

impl Matrices {
    fn declare(b: &mut KernelBuilder, name: &str, tiles: usize, tile: usize) -> Matrices {
        const LINE: usize = 64;
        // An odd number of cache lines: the elements of a tile then lie in different sets.
        let element = ((tiles * tile).div_ceil(LINE) | 1) * LINE;
        let buf = b.buffer(name, ELEMENTS * element + SLACK, BufferKind::Scratch);
        Matrices { buf, tile, element }
    }

    /// The first element of tile `at` tiles behind `first`, with the bytes between the halves of a register.
    fn cursor(&self, at: Value, first: usize, high: Option<i64>) -> Cursor {
        Cursor { buf: self.buf, at, offset: (first * self.tile) as i64, high }
    }

    /// A tile further on.
    fn tile(&self, of: Cursor, tiles: usize) -> Cursor {
        of.plus((tiles * self.tile) as i64)
    }

    /// An element of the tile.
    fn element(&self, of: Cursor, element: usize) -> Cursor {
        of.plus((element * self.element) as i64)
    }
}

struct Kernel<'s> {
    spec: &'s ConvSpec,
    split: Split,
    panels: &'s [Panel],
    x: Buf,
    out: &'s Emitter<'s>,
    /// Channels transformed at once.
    lanes: usize,
    /// Channels of a transformed window: whole registers.
    channels: usize,
    windows: Matrices,
    sums: Matrices,
}

/// A panel at work.
struct Current<'p> {
    panel: &'p Panel,
    /// Its constants.
    w: Cursor,
    /// Its first output channel, beside `panel.first`.
    channel: Option<Value>,
}

impl Kernel<'_> {
    fn task(&self, b: &mut KernelBuilder) {
        let (split, task) = (self.split, b.task());
        let blocks = (self.spec.output.n * split.row_blocks) as i64;
        let (rows, number) = if split.panel_blocks == 1 {
            (task, None)
        } else {
            let number = b.div(task, blocks);
            (if blocks == 1 { b.index(0) } else { b.rem(task, blocks) }, Some(number))
        };
        let (image, block) = if self.spec.output.n == 1 {
            (None, rows)
        } else {
            let per_image = split.row_blocks as i64;
            (Some(b.div(rows, per_image)), b.rem(rows, per_image))
        };
        self.transform_windows(b, image, block);
        for panel in self.panels {
            let repeat = panel.repeat / split.panel_blocks;
            b.loop_(repeat as u32, 1, |b, i| {
                let number = number.map(|block| b.mul(block, repeat as i64));
                let number = number.map_or(i, |first| b.index_add(first, i));
                let at = b.mul(number, panel.stride as i64);
                let (offset, high) = (panel.offset as i64, panel.far.map(|_| VL as i64));
                let w = Cursor { buf: self.out.constants(), at, offset, high };
                let channel = (panel.repeat > 1).then(|| b.mul(number, panel.channel_step as i64));
                let current = Current { panel, w, channel };
                self.multiply(b, &current);
                self.transform_sums(b, &current, image, block);
            });
        }
    }

    /// Runs `each` for every row of tiles of a block, with its number in the image and in the block.
    fn rows(&self, b: &mut KernelBuilder, block: Value, mut each: impl FnMut(&mut KernelBuilder, Value, Value)) {
        let rows = self.split.rows;
        let first = b.mul(block, rows as i64);
        b.loop_(rows as u32, 1, |b, i| {
            let row = b.index_add(first, i);
            each(b, row, i);
        });
    }

    /// The first output row of a row of tiles.
    fn output_row(&self, b: &mut KernelBuilder, row: Value) -> Value {
        let first = b.mul(row, OUTPUTS as i64);
        match self.spec.output.h % OUTPUTS {
            0 => first,
            _ => b.min(first, (self.spec.output.h - OUTPUTS) as i64),
        }
    }

    // ---- windows ----

    /// Fills `windows` with the transformed windows of a block.
    fn transform_windows(&self, b: &mut KernelBuilder, image: Option<Value>, block: Value) {
        let (spec, tile) = (self.spec, self.windows.tile);
        self.rows(b, block, |b, row, i| {
            let y = self.output_row(b, row);
            let mut at = b.mul(y, spec.input.row_stride() as i64);
            if let Some(image) = image {
                let image = b.mul(image, spec.input.image_stride() as i64);
                at = b.index_add(image, at);
            }
            let to = b.mul(i, (self.split.columns * tile) as i64);
            let groups = (self.channels / self.lanes) as u32;
            b.loop_(groups, self.lanes as i64, |b, channel| {
                let at = b.index_add(at, channel);
                let channel = b.mul(channel, WIDE as i64);
                let to = b.index_add(to, channel);
                self.transform_row(b, at, to);
            });
        });
    }

    /// The windows of a row of tiles, of as many channels as a register has lanes.
    fn transform_row(&self, b: &mut KernelBuilder, at: Value, to: Value) {
        let spec = self.spec;
        let wide = self.lanes * WIDE > VL;
        let x = Cursor { buf: self.x, at, offset: spec.input_origin(), high: wide.then_some((VL / WIDE) as i64) };
        let v = self.windows.cursor(to, 0, wide.then_some(VL as i64));
        let pixel = spec.input.pixel_stride() as i64;
        let whole = spec.output.w / OUTPUTS;
        let rest = whole % SIDE_BY_SIDE;
        if whole > rest {
            b.loop_((whole / SIDE_BY_SIDE) as u32, SIDE_BY_SIDE as i64, |b, first| {
                let from = b.mul(first, OUTPUTS as i64 * pixel);
                let to = b.mul(first, self.windows.tile as i64);
                let (x, v) = (x.moved(b, from), v.moved(b, to));
                self.transform_tiles(b, x, v, SIDE_BY_SIDE);
            });
        }
        if rest > 0 {
            let first = whole - rest;
            self.transform_tiles(b, x.plus((first * OUTPUTS) as i64 * pixel), self.windows.tile(v, first), rest);
        }
        if whole < self.split.columns {
            let x = x.plus((spec.output.w - OUTPUTS) as i64 * pixel);
            self.transform_tiles(b, x, self.windows.tile(v, whole), 1);
        }
    }

    /// The windows of a few tiles side by side. Columns are transformed once for the windows that share them.
    fn transform_tiles(&self, b: &mut KernelBuilder, x: Cursor, v: Cursor, tiles: usize) {
        let mut columns = [self.column(b, x, 0, |_, _, _| ()), self.column(b, x, 1, |_, _, _| ())];
        for tile in 0..tiles {
            let (x, v) = (x.plus((tile * OUTPUTS * self.spec.input.pixel_stride()) as i64), self.windows.tile(v, tile));
            let [first, second] = columns;
            let third = self.column(b, x, 2, |_, _, _| ());
            // A row is complete with its element of the last column, and what only it needs is free then.
            let fourth = self.column(b, x, 3, |b, i, fourth| {
                let row = [
                    (BinOp::Sub, first[i], third[i]),
                    (BinOp::Add, second[i], third[i]),
                    (BinOp::Sub, third[i], second[i]),
                    (BinOp::Sub, second[i], fourth),
                ];
                for (j, (op, one, two)) in row.into_iter().enumerate() {
                    let element = b.binary(op, one, two);
                    b.store(self.windows.element(v, i * INPUTS + j).addr(), VL, element);
                }
            });
            columns = [third, fourth];
        }
    }

    /// A transformed column of a window at `x`. Each element is handed on when it is there, with its number.
    fn column(
        &self,
        b: &mut KernelBuilder,
        x: Cursor,
        column: usize,
        then: impl Fn(&mut KernelBuilder, usize, Value),
    ) -> [Value; INPUTS] {
        let input = &self.spec.input;
        let code = |b: &mut KernelBuilder, row: usize| {
            let addr = x.plus((row * input.row_stride() + column * input.pixel_stride()) as i64).addr();
            match input.elem {
                Elem::I8 => b.load_widen_s(Lane::I8, addr),
                _ => b.load_widen_u(Lane::I8, addr),
            }
        };
        let (zero, two) = (code(b, 0), code(b, 2));
        let first = b.binary(BinOp::Sub, zero, two);
        then(b, 0, first);
        let one = code(b, 1);
        let second = b.binary(BinOp::Add, one, two);
        then(b, 1, second);
        let third = b.binary(BinOp::Sub, two, one);
        then(b, 2, third);
        let three = code(b, 3);
        let fourth = b.binary(BinOp::Sub, one, three);
        then(b, 3, fourth);
        [first, second, third, fourth]
    }

    // ---- products ----

    /// Fills `sums` with the products of all windows with the taps of a panel.
    fn multiply(&self, b: &mut KernelBuilder, current: &Current<'_>) {
        let panel = current.panel;
        let unit = panel.vectors() * panel.register();
        let taps = Taps::of_channels(self.spec.input.c);
        let bytes = (taps.units(Unit::Pair) * unit) as i64;
        let w = current.w.plus(unit as i64);
        let tiles = pixels_for(Unit::Pair, panel, true);
        let (blocks, rest) = (self.split.tiles() / tiles, self.split.tiles() % tiles);
        b.loop_(ELEMENTS as u32, 1, |b, element| {
            let at = b.mul(element, bytes);
            let w = w.moved(b, at);
            let windows = b.mul(element, self.windows.element as i64);
            let sums = b.mul(element, self.sums.element as i64);
            let block = |b: &mut KernelBuilder, windows: Value, sums: Value, first: usize, count: usize| {
                let tile = Tile {
                    taps,
                    unit: Unit::Pair,
                    elem: self.spec.input.elem,
                    staged: true,
                    weight_bytes: WIDE,
                    pixel_step: self.channels as i64,
                    panel,
                    pixels: Pixels::of(count, 1),
                };
                let zeros = vec![b.splat_i32(0); count * panel.vectors()];
                let x = self.windows.cursor(windows, first, None);
                let y = self.sums.cursor(sums, first, current.w.high);
                let acc = products(b, &tile, zeros, x, w);
                for (i, acc) in acc.into_iter().enumerate() {
                    let (tile, v) = (i / panel.vectors(), i % panel.vectors());
                    b.store(y.plus((tile * self.sums.tile + v * panel.register()) as i64).addr(), VL, acc);
                }
            };
            if blocks > 0 {
                b.loop_(blocks as u32, tiles as i64, |b, first| {
                    let (from, to) = (b.mul(first, self.windows.tile as i64), b.mul(first, self.sums.tile as i64));
                    let (windows, sums) = (b.index_add(windows, from), b.index_add(sums, to));
                    block(b, windows, sums, 0, tiles);
                });
            }
            if rest > 0 {
                block(b, windows, sums, blocks * tiles, rest);
            }
        });
    }

    // ---- sums ----

    /// Transforms the sums of a panel into outputs, and writes them.
    fn transform_sums(&self, b: &mut KernelBuilder, current: &Current<'_>, image: Option<Value>, block: Value) {
        self.rows(b, block, |b, row, i| {
            let y = self.output_row(b, row);
            let sums = b.mul(i, (self.split.columns * self.sums.tile) as i64);
            let place = self.out.place(b, At { n: image, y: Some(y), x: None, c: current.channel });
            let row_of = |b: &mut KernelBuilder, rows: Range<usize>| self.write_row(b, current, &place, sums, rows);
            match self.spec.output.h % OUTPUTS {
                0 => row_of(b, 0..OUTPUTS),
                // The row that a last tile has in common with the one above has been written.
                _ => {
                    let last = (self.spec.output.h / OUTPUTS) as i64;
                    b.if_less(row, last, |b| row_of(b, 0..OUTPUTS), |b| row_of(b, 1..OUTPUTS));
                }
            }
        });
    }

    /// Writes some rows of a row of tiles.
    fn write_row(&self, b: &mut KernelBuilder, current: &Current<'_>, place: &Place, sums: Value, rows: Range<usize>) {
        let whole = self.spec.output.w / OUTPUTS;
        let high = current.w.high;
        b.loop_(whole as u32, 1, |b, tile| {
            let (at, column) = (b.mul(tile, self.sums.tile as i64), b.mul(tile, OUTPUTS as i64));
            let at = b.index_add(sums, at);
            let place = self.out.shift(b, place, At { x: Some(column), ..At::default() });
            self.write_tile(b, current, &place, self.sums.cursor(at, 0, high), [rows.clone(), 0..OUTPUTS]);
        });
        if whole < self.split.columns {
            let place = self.out.right(place, (self.spec.output.w - OUTPUTS) as i64);
            self.write_tile(b, current, &place, self.sums.cursor(sums, whole, high), [rows, 1..OUTPUTS]);
        }
    }

    /// Writes some rows and columns of a tile.
    fn write_tile(
        &self,
        b: &mut KernelBuilder,
        current: &Current<'_>,
        place: &Place,
        sums: Cursor,
        [rows, columns]: [Range<usize>; 2],
    ) {
        let panel = current.panel;
        let outputs: Vec<[[Value; OUTPUTS]; OUTPUTS]> = (0..panel.vectors())
            .map(|v| {
                let by = (v * panel.register()) as i64;
                let four = self.four_times(b, sums.plus(by));
                let bias = b.load(Lane::I32, VL, current.w.plus(by).addr());
                four.map(|row| {
                    row.map(|four| {
                        let sum = b.shr_s(four, 2);
                        b.binary(BinOp::Add, sum, bias)
                    })
                })
            })
            .collect();
        let twin = panel.far.map_or(Twin::None, Twin::Channels);
        let pixels = rows.flat_map(|row| columns.clone().map(move |column| (row, column)));
        let pixels: Vec<(Place, Vec<Value>)> = pixels
            .map(|(row, column)| {
                let place = self.out.below(place, row as i64);
                (self.out.right(&place, column as i64), outputs.iter().map(|of| of[row][column]).collect())
            })
            .collect();
        let writes: Vec<Write<'_>> =
            pixels.iter().map(|(place, core)| Write { place: place.clone(), core, twin }).collect();
        self.out.write_all(b, &writes, [panel.first, panel.channels]);
    }

    /// `A' m A` for a register of channels.
    fn four_times(&self, b: &mut KernelBuilder, sums: Cursor) -> [[Value; OUTPUTS]; OUTPUTS] {
        let line = |b: &mut KernelBuilder, row: usize| {
            let m: [Value; INPUTS] = std::array::from_fn(|column| {
                b.load(Lane::I32, VL, self.sums.element(sums, row * INPUTS + column).addr())
            });
            let (sum, difference) = (b.binary(BinOp::Add, m[1], m[2]), b.binary(BinOp::Sub, m[1], m[2]));
            [b.binary(BinOp::Add, m[0], sum), b.binary(BinOp::Sub, difference, m[3])]
        };
        let (zero, one) = (line(b, 0), line(b, 1));
        let both = |b: &mut KernelBuilder, op: BinOp, x: [Value; OUTPUTS], y: [Value; OUTPUTS]| -> [Value; OUTPUTS] {
            std::array::from_fn(|i| b.binary(op, x[i], y[i]))
        };
        let upper = both(b, BinOp::Add, zero, one);
        let two = line(b, 2);
        let (upper, lower) = (both(b, BinOp::Add, upper, two), both(b, BinOp::Sub, one, two));
        let three = line(b, 3);
        [upper, both(b, BinOp::Sub, lower, three)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `A' (U * V) A` for one channel, with the transformations written as products of matrices.
    fn four_times(taps: [i32; TAPS], window: [i32; ELEMENTS]) -> [i32; 4] {
        const B: [[i32; 4]; 4] = [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]];
        const A: [[i32; 4]; 2] = [[1, 1, 1, 0], [0, 1, -1, -1]];
        let u = transform(taps);
        let both = |m: &[[i32; 4]], x: &dyn Fn(usize, usize) -> i32, i: usize, j: usize| -> i32 {
            (0..4).flat_map(|k| (0..4).map(move |l| (k, l))).map(|(k, l)| m[i][k] * x(k, l) * m[j][l]).sum()
        };
        let products: [i32; ELEMENTS] =
            std::array::from_fn(|e| u[e] * both(&B, &|k, l| window[4 * k + l], e / 4, e % 4));
        std::array::from_fn(|e| both(&A, &|k, l| products[4 * k + l], e / 2, e % 2))
    }

    #[test]
    fn a_tile_is_four_times_its_direct_sums_and_its_numbers_fit_16_bits() {
        let mut state = 1u64;
        let mut extreme = |values: &[i32]| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            values[(state >> 33) as usize % values.len()]
        };
        for _ in 0..2000 {
            let taps: [i32; TAPS] = std::array::from_fn(|_| extreme(&[-255, -128, -1, 0, 3, 127, 255]));
            let window: [i32; ELEMENTS] = std::array::from_fn(|_| extreme(&[-128, 0, 1, 77, 127, 255]));
            let direct: [i32; 4] = std::array::from_fn(|e| {
                (0..TAPS).map(|t| taps[t] * window[4 * (e / 2 + t / 3) + e % 2 + t % 3]).sum::<i32>() * 4
            });
            assert_eq!(four_times(taps, window), direct);
            let transformed = transform(taps).map(|u| i16::try_from(u).expect("it fits 16 bits"));
            assert_eq!(super::taps(&transformed).as_deref(), Some(taps.map(|w| w as i16).as_slice()));
        }
    }

    #[test]
    fn other_numbers_are_no_transformed_taps() {
        let mut transformed = transform([1, 2, 3, 4, 5, 6, 7, 8, 9]).map(|u| u as i16);
        assert!(taps(&transformed).is_some());
        transformed[5] += 1;
        assert_eq!(taps(&transformed), None);
        assert_eq!(taps(&transform([256; TAPS]).map(|u| u as i16)), None);
    }
}
