//! The walk of a convolution over its output: tasks, panels of channels, rows, tiles of pixels.
//!
//! What happens in a tile is the business of a [`Core`]; the walk tells it where the tile's windows and constants are and
//! hands the accumulators to the body.

use qcc_kernel::{Addr, Buf, KernelBuilder, VL, Value, Width};

use super::Generated;
use super::conv::ConvSpec;
use super::emit::{Emitter, GROUP, Write};
use super::layout::Elem;
use super::place::{At, Place, flatten};
use super::split::{DEPTHWISE, Split, flat_rows, split, staged_rows};
use super::stage;
use super::twin::Twin;

/// Output channels of the widest panel that has one half of a register for four channels.
pub const WIDEST: usize = GROUP;

/// Output channels in one half of a register of accumulators.
pub const LANES: usize = 4;

/// Output channels computed side by side; `repeat` such panels follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panel {
    /// First output channel.
    pub first: usize,
    /// Output channels: at most what the halves of the registers hold, or [`WIDEST`].
    pub channels: usize,
    /// How much further the channels in the high halves of registers are than those in the low halves, and the most
    /// channels of each. In other panels of a wide kernel high halves hold the same channels of another pixel.
    pub far: Option<usize>,
    /// Panels like this one.
    pub repeat: usize,
    /// Output channels from one to the next.
    pub channel_step: usize,
    /// First input channel.
    pub input: usize,
    /// Input channels from one to the next.
    pub input_step: usize,
    /// Offset of the first one's constants.
    pub offset: usize,
    /// Bytes of constants from one to the next.
    pub stride: usize,
}

impl Panel {
    /// Registers of accumulators for one pixel.
    pub fn vectors(&self) -> usize {
        self.channels.min(self.far.unwrap_or(WIDEST)).div_ceil(LANES)
    }

    /// Bytes of constants for one register.
    pub fn register(&self) -> usize {
        if self.far.is_some() { 2 * VL } else { VL }
    }

    /// The channels of the panel as registers hold them: for each register those of its low half, then those of its high
    /// half if that has channels of its own. Some may lie beyond the panel.
    pub fn lanes(&self) -> impl Iterator<Item = usize> + use<> {
        let (halves, far) = self.far.map_or((1, 0), |far| (2, far));
        let half = move |v: usize, h: usize| (0..LANES).map(move |i| h * far + v * LANES + i);
        (0..self.vectors()).flat_map(move |v| (0..halves).flat_map(move |h| half(v, h)))
    }
}

/// The pixels of a tile: each register holds one, or two neighbours in its halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pixels {
    count: usize,
    each: usize,
}

impl Pixels {
    /// So many pixels, `each` in one register: one or two.
    pub fn of(count: usize, each: usize) -> Pixels {
        Pixels { count, each }
    }

    /// Registers, for each register of channels.
    pub fn registers(self) -> usize {
        self.count.div_ceil(self.each)
    }

    /// For each register the distance of its pixel from the first one, and that of its high half's pixel from its own.
    pub fn places(self) -> impl Iterator<Item = (usize, Option<usize>)> {
        (0..self.count)
            .step_by(self.each)
            .map(move |p| (p, (p + self.each <= self.count && self.each == 2).then_some(1)))
    }
}

/// An address that advances: a scalar and a constant, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    /// The buffer.
    pub buf: Buf,
    /// Computed at run time.
    pub at: Value,
    /// Known at generation.
    pub offset: i64,
    /// Bytes from the low half of a register to its high half, if that is not the same.
    pub high: Option<i64>,
}

impl Cursor {
    /// The address itself.
    pub fn addr(self) -> Addr {
        Addr { high: self.high, ..self.buf.at(self.at, self.offset) }
    }

    /// The place of a register's pixel, `step` bytes from one to the next.
    pub fn pixel(self, (distance, high): (usize, Option<usize>), step: i64) -> Cursor {
        Cursor { high: high.map(|by| by as i64 * step), ..self.plus(distance as i64 * step) }
    }

    /// The address `bytes` further.
    pub fn plus(self, bytes: i64) -> Cursor {
        Cursor { offset: self.offset + bytes, ..self }
    }

    /// The address `by` further.
    pub fn moved(self, b: &mut KernelBuilder, by: Value) -> Cursor {
        Cursor { at: b.index_add(self.at, by), ..self }
    }
}

/// What is computed in a tile.
pub trait Core {
    /// Registers of pixels of a tile as wide as this panel.
    fn pixels(&self, panel: &Panel) -> usize;

    /// Whether windows are read from a [staged](super::stage) copy of the input, two bytes a code.
    fn is_staged(&self) -> bool {
        false
    }

    /// Type of the accumulators, and the largest magnitude they can have.
    fn sums(&self, spec: &ConvSpec) -> (Elem, f64) {
        (Elem::I32, spec.largest_accumulator())
    }

    /// The accumulators of the windows of a tile, one register of pixels after the other. The first window starts at `x`,
    /// its constants at `w`.
    fn accumulate(&self, b: &mut KernelBuilder, panel: &Panel, pixels: Pixels, x: Cursor, w: Cursor) -> Vec<Value>;
}

/// The kernel that computes the panels with a core.
///
/// # Errors
/// A body that does not fit the output.
pub fn generate(
    spec: &ConvSpec,
    core: &dyn Core,
    panels: &[Panel],
    constants: Vec<u8>,
    width: Width,
) -> Result<Generated, String> {
    let walk = Walk::of(spec, core.pixels(&panels[0]) * pixels_each(&panels[0], width), core.is_staged());
    let (body, output) = match &walk.flat {
        Some((body, output)) => (body, *output),
        None => (&spec.body, spec.output),
    };
    let mut split = walk.split(spec, panels, constants.len(), core.is_staged());
    if core.is_staged() {
        split = split.with_rows_at_most(stage::most_rows(walk.down(spec), stage::span(spec, walk.columns)));
    }
    // The smaller panels behind the first ones form one block of their own each.
    let panel_blocks = if split.panel_blocks > 1 { split.panel_blocks + panels.len() - 1 } else { 1 };
    let mut b = KernelBuilder::with_width(name(spec), (split.row_blocks * panel_blocks) as u32, width);
    let x = b.input("x", spec.input.bytes());
    let far = panels[0].far.unwrap_or(WIDEST);
    let (elem, largest) = core.sums(spec);
    let out = Emitter::with_halves(&mut b, body, Some(elem), output, constants, far)?.with_core_within(largest);
    let staged = core.is_staged().then(|| stage::declare(&mut b, walk.bytes(spec, split.rows, walk.columns)));
    let kernel = Kernel { spec, core, walk: &walk, split, panels, x, staged, out: &out, width };
    let task = b.task();
    if panel_blocks == 1 {
        kernel.stage(&mut b, task);
        kernel.all(&mut b, task);
    } else {
        let rows = if split.row_blocks > 1 { b.rem(task, split.row_blocks as i64) } else { b.index(0) };
        let block = b.div(task, split.row_blocks as i64);
        kernel.stage(&mut b, rows);
        kernel.some(&mut b, rows, block, 0);
    }
    out.finish(b)
}

/// Pixels in one register.
fn pixels_each(panel: &Panel, width: Width) -> usize {
    if panel.far.is_some() { 1 } else { width.halves() }
}

fn name(spec: &ConvSpec) -> String {
    let ConvSpec { input: x, output: y, kernel: [h, w], strides, group, .. } = spec;
    format!("conv{h}x{w}s{}g{group}-{}x{}x{}-{}x{}x{}", strides[0], x.h, x.w, x.c, y.h, y.w, y.c)
}

/// The output pixels as rows.
struct Walk {
    /// Rows over all images.
    rows: usize,
    /// Pixels of a row.
    columns: usize,
    /// Pixels of the last row.
    last: usize,
    /// Body and output as one row, if that is how they are walked.
    flat: Option<(super::body::Body, super::layout::TensorLayout)>,
}

impl Walk {
    fn of(spec: &ConvSpec, tile: usize, staged: bool) -> Walk {
        let flat = (spec.is_pointwise() && spec.input.is_flat()).then(|| flatten(&spec.body, &spec.output)).flatten();
        let y = &spec.output;
        if flat.is_some() {
            let pixels = y.n * y.h * y.w;
            let (columns, last) = if staged { staged_rows(pixels, tile) } else { flat_rows(pixels, tile) };
            Walk { rows: pixels.div_ceil(columns), columns, last, flat }
        } else {
            Walk { rows: y.n * y.h, columns: y.w, last: y.w, flat }
        }
    }

    /// The division into tasks. No block has rows of two images, unless all are walked as one.
    fn split(&self, spec: &ConvSpec, panels: &[Panel], constants: usize, staged: bool) -> Split {
        let images = if self.flat.is_some() { 1 } else { spec.output.n };
        let depthwise = spec.is_depthwise();
        let divide = if staged || depthwise { Split::by_rows } else { split };
        let work = spec.macs() * if depthwise { DEPTHWISE } else { 1 };
        let one = divide(work / images as u64, self.rows / images, panels[0].repeat, constants);
        Split { row_blocks: images * one.row_blocks, ..one }
    }

    /// Bytes of input from one row to the next.
    fn down(&self, spec: &ConvSpec) -> usize {
        match self.flat {
            Some(_) => self.columns * spec.input.pixel_stride(),
            None => spec.strides[0] * spec.input.row_stride(),
        }
    }

    /// Bytes of input that the windows of so many rows of one image span, the last one of `last` columns.
    fn bytes(&self, spec: &ConvSpec, rows: usize, last: usize) -> usize {
        (rows - 1) * self.down(spec) + stage::span(spec, last)
    }
}

struct Kernel<'s> {
    spec: &'s ConvSpec,
    core: &'s dyn Core,
    walk: &'s Walk,
    split: Split,
    panels: &'s [Panel],
    x: Buf,
    /// The copy of the input of a block of rows, if there is one.
    staged: Option<Buf>,
    out: &'s Emitter<'s>,
    width: Width,
}

/// A panel of a kernel at work.
#[derive(Clone, Copy)]
struct Current<'p> {
    panel: &'p Panel,
    /// Which of the panels like this one.
    number: Value,
}

impl Kernel<'_> {
    /// Copies what a block of rows reads, if the core wants that.
    fn stage(&self, b: &mut KernelBuilder, block: Value) {
        let Some(to) = self.staged else { return };
        let (spec, walk, rows) = (self.spec, self.walk, self.split.rows);
        // Where the block begins is computed in each branch, where the verifier knows which blocks take it.
        let fill = |b: &mut KernelBuilder, last| {
            let at = self.block_start(b, block);
            let from = Addr { buf: self.x, index: Some(at), offset: spec.input_origin(), high: None };
            stage::fill(b, spec.input.elem, from, to, walk.bytes(spec, rows, last));
        };
        if walk.last == walk.columns {
            fill(b, walk.columns);
        } else {
            let last = self.split.row_blocks as i64 - 1;
            b.if_less(block, last, |b| fill(b, walk.columns), |b| fill(b, walk.last));
        }
    }

    /// The first window of a block of rows in the input.
    fn block_start(&self, b: &mut KernelBuilder, block: Value) -> Value {
        let (spec, rows) = (self.spec, self.split.rows);
        let down = (rows * self.walk.down(spec)) as i64;
        if self.walk.flat.is_some() || spec.output.n == 1 {
            return b.mul(block, down);
        }
        let blocks = (spec.output.h / rows) as i64;
        let (n, y) = (b.div(block, blocks), b.rem(block, blocks));
        let (image, line) = (b.mul(n, spec.input.image_stride() as i64), b.mul(y, down));
        b.index_add(image, line)
    }

    /// Every panel, for one block of rows.
    fn all(&self, b: &mut KernelBuilder, block: Value) {
        for panel in self.panels {
            b.loop_(panel.repeat as u32, 1, |b, number| self.rows(b, block, Current { panel, number }));
        }
    }

    /// Block `block` of the panels from `first` on, for one block of rows.
    fn some(&self, b: &mut KernelBuilder, rows: Value, block: Value, first: usize) {
        let panel = &self.panels[first];
        let blocks = if first == 0 { self.split.panel_blocks } else { 1 };
        let each = panel.repeat / blocks;
        let run = |b: &mut KernelBuilder| {
            let start = b.mul(block, each as i64);
            b.loop_(each as u32, 1, |b, i| {
                let number = b.index_add(start, i);
                self.rows(b, rows, Current { panel, number });
            });
        };
        if first + 1 == self.panels.len() {
            run(b);
        } else {
            b.if_less(block, blocks as i64, run, |b| {
                let block = b.add(block, -(blocks as i64));
                self.some(b, rows, block, first + 1);
            });
        }
    }

    fn rows(&self, b: &mut KernelBuilder, block: Value, current: Current<'_>) {
        if self.walk.last == self.walk.columns {
            return b.loop_(self.split.rows as u32, 1, |b, i| {
                let start = b.mul(block, self.split.rows as i64);
                let row = b.index_add(start, i);
                self.row(b, [row, i], self.walk.columns, current);
            });
        }
        b.loop_(self.split.rows as u32, 1, |b, i| {
            let start = b.mul(block, self.split.rows as i64);
            let row = b.index_add(start, i);
            let last = self.walk.rows as i64 - 1;
            b.if_less(
                row,
                last,
                |b| self.row(b, [row, i], self.walk.columns, current),
                |b| self.row(b, [row, i], self.walk.last, current),
            );
        });
    }

    /// `columns` pixels of a row, given its number and its number in the block.
    fn row(&self, b: &mut KernelBuilder, row: [Value; 2], columns: usize, current: Current<'_>) {
        let pixels = self.core.pixels(current.panel) * pixels_each(current.panel, self.width);
        let (tiles, rest) = (columns / pixels, columns % pixels);
        let start = self.start(b, row, current);
        if tiles > 0 {
            b.loop_(tiles as u32, pixels as i64, |b, column| self.tile(b, &start, Some(column), pixels, current.panel));
        }
        if rest > 0 {
            let column = (tiles > 0).then(|| b.index((tiles * pixels) as i64));
            self.tile(b, &start, column, rest, current.panel);
        }
    }

    fn tile(&self, b: &mut KernelBuilder, start: &Start, column: Option<Value>, pixels: usize, panel: &Panel) {
        let (mut x, mut place) = (start.x, start.place.clone());
        if let Some(column) = column {
            let step = self.spec.input.pixel_stride() * self.spec.strides[1] * self.stretch();
            let across = b.mul(column, step as i64);
            x = x.moved(b, across);
            place = self.out.shift(b, &place, At { x: Some(column), ..At::default() });
        }
        let pixels = Pixels::of(pixels, pixels_each(panel, self.width));
        let acc = self.core.accumulate(b, panel, pixels, x, start.w);
        debug_assert_eq!(acc.len(), pixels.registers() * panel.vectors());
        let writes = pixels.places().zip(acc.chunks(panel.vectors())).map(|((p, high), core)| {
            let twin = match high {
                Some(by) => Twin::Pixel(by as i64),
                None => panel.far.map_or(Twin::None, Twin::Channels),
            };
            Write { place: self.out.right(&place, p as i64), core, twin }
        });
        let writes: Vec<Write<'_>> = writes.collect();
        self.out.write_all(b, &writes, [panel.first, panel.channels]);
    }

    /// How much farther codes are apart where windows are read than in the input.
    fn stretch(&self) -> usize {
        if self.staged.is_some() { stage::WIDE } else { 1 }
    }

    /// Bytes of a code where windows are read.
    fn code_bytes(&self) -> usize {
        self.stretch() * self.spec.input.elem.bytes()
    }

    /// The first pixel of a row, for a panel; the row's number and its number in the block are given.
    fn start(&self, b: &mut KernelBuilder, [row, inside]: [Value; 2], Current { panel, number }: Current<'_>) -> Start {
        let (mut at, mut x) = self.row_start(b, row);
        let (mut buf, mut offset) = (self.x, self.spec.input_origin());
        if let Some(staged) = self.staged {
            x = b.mul(inside, (self.walk.down(self.spec) * stage::WIDE) as i64);
            (buf, offset) = (staged, 0);
        }
        offset += (panel.input * self.code_bytes()) as i64;
        if panel.repeat > 1 {
            at.c = Some(b.mul(number, panel.channel_step as i64));
            if panel.input_step > 0 {
                let channels = b.mul(number, (panel.input_step * self.code_bytes()) as i64);
                x = b.index_add(x, channels);
            }
        }
        let w = b.mul(number, panel.stride as i64);
        Start {
            x: Cursor { buf, at: x, offset, high: None },
            w: Cursor {
                buf: self.out.constants(),
                at: w,
                offset: panel.offset as i64,
                high: panel.far.map(|_| VL as i64),
            },
            place: self.out.place(b, at),
        }
    }

    /// Where a row is in the output, and its first window in the input.
    fn row_start(&self, b: &mut KernelBuilder, row: Value) -> (At, Value) {
        let (spec, walk, mut at) = (self.spec, self.walk, At::default());
        let down = walk.down(spec) as i64;
        if walk.flat.is_some() {
            at.x = Some(b.mul(row, walk.columns as i64));
            return (at, b.mul(row, down));
        }
        if spec.output.n == 1 {
            at.y = Some(row);
            return (at, b.mul(row, down));
        }
        let (n, y) = (b.div(row, spec.output.h as i64), b.rem(row, spec.output.h as i64));
        let (image, line) = (b.mul(n, spec.input.image_stride() as i64), b.mul(y, down));
        (at.n, at.y) = (Some(n), Some(y));
        (at, b.index_add(image, line))
    }
}

/// The addresses a row starts at.
struct Start {
    x: Cursor,
    w: Cursor,
    place: Place,
}
