//! Convolution as an implicit matrix product: tasks, rows, panels and tiles around [`super::tile`].

use qcc_kernel::{Buf, KernelBuilder, Value};

use super::Generated;
use super::conv::ConvSpec;
use super::emit::{At, Emitter, flatten};
use super::layout::Elem;
use super::pack::{LANES, Panel, Taps, pack};
use super::split::{Split, flat_rows, split};
use super::tile::{Cursor, Tile, accumulate, pixels_for};

/// The kernel of any convolution whose operands fit memory.
///
/// # Errors
/// A body that does not fit the output.
pub fn generate(spec: &ConvSpec) -> Result<Generated, String> {
    let taps = Taps::of(spec);
    let (panels, constants) = pack(spec, &taps);
    let walk = Walk::of(spec, pixels_for(panels[0].vectors()));
    let (body, output) = match &walk.flat {
        Some((body, output)) => (body, *output),
        None => (&spec.body, spec.output),
    };
    let split = split(spec.macs(), walk.rows, panels[0].repeat, constants.len());
    // The smaller panels behind the first ones form one block of their own each.
    let panel_blocks = if split.panel_blocks > 1 { split.panel_blocks + panels.len() - 1 } else { 1 };
    let mut b = KernelBuilder::new(name(spec), (split.row_blocks * panel_blocks) as u32);
    let x = b.input("x", spec.input.bytes());
    let out = Emitter::new(&mut b, body, Some(Elem::I32), output, constants)?;
    let product = Product { spec, taps, walk: &walk, split, panels: &panels, x, out: &out };
    let task = b.task();
    if panel_blocks == 1 {
        product.all(&mut b, task);
    } else {
        let rows = if split.row_blocks > 1 { b.rem(task, split.row_blocks as i64) } else { b.index(0) };
        let block = b.div(task, split.row_blocks as i64);
        product.some(&mut b, rows, block, 0);
    }
    Ok(out.finish(b))
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
    fn of(spec: &ConvSpec, tile: usize) -> Walk {
        let flat = (spec.is_pointwise() && spec.input.is_flat()).then(|| flatten(&spec.body, &spec.output)).flatten();
        let y = &spec.output;
        if flat.is_some() {
            let pixels = y.n * y.h * y.w;
            let (columns, last) = flat_rows(pixels, tile);
            Walk { rows: pixels.div_ceil(columns), columns, last, flat }
        } else {
            Walk { rows: y.n * y.h, columns: y.w, last: y.w, flat }
        }
    }
}

struct Product<'s> {
    spec: &'s ConvSpec,
    taps: Taps,
    walk: &'s Walk,
    split: Split,
    panels: &'s [Panel],
    x: Buf,
    out: &'s Emitter<'s>,
}

/// A panel of a kernel at work.
#[derive(Clone, Copy)]
struct Current<'p> {
    panel: &'p Panel,
    /// Which of the panels like this one.
    number: Value,
}

impl Product<'_> {
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
                self.row(b, row, self.walk.columns, current);
            });
        }
        b.loop_(self.split.rows as u32, 1, |b, i| {
            let start = b.mul(block, self.split.rows as i64);
            let row = b.index_add(start, i);
            let last = self.walk.rows as i64 - 1;
            b.if_less(
                row,
                last,
                |b| self.row(b, row, self.walk.columns, current),
                |b| self.row(b, row, self.walk.last, current),
            );
        });
    }

    /// `columns` pixels of row `row`.
    fn row(&self, b: &mut KernelBuilder, row: Value, columns: usize, current: Current<'_>) {
        let pixels = pixels_for(current.panel.vectors());
        let (tiles, rest) = (columns / pixels, columns % pixels);
        let row = Row::of(b, self, row);
        if tiles > 0 {
            b.loop_(tiles as u32, pixels as i64, |b, column| self.tile(b, &row, column, pixels, current));
        }
        if rest > 0 {
            let column = b.index((tiles * pixels) as i64);
            self.tile(b, &row, column, rest, current);
        }
    }

    fn tile(&self, b: &mut KernelBuilder, row: &Row, column: Value, pixels: usize, current: Current<'_>) {
        let Current { panel, number } = current;
        let step = self.spec.input.pixel_stride() as i64 * self.spec.strides[1] as i64;
        let tile =
            Tile { taps: self.taps, elem: self.spec.input.elem, pixel_step: step, vectors: panel.vectors(), pixels };
        let across = b.mul(column, step);
        let mut at = b.index_add(row.input, across);
        if panel.input_step > 0 {
            let channels = b.mul(number, panel.input_step as i64);
            at = b.index_add(at, channels);
        }
        let x = Cursor { buf: self.x, at, offset: self.spec.input_origin() };
        let at = b.mul(number, panel.stride as i64);
        let w = Cursor { buf: self.out.constants(), at, offset: panel.offset as i64 };
        let acc = accumulate(b, &tile, x, w);
        let channel = (panel.repeat > 1).then(|| b.mul(number, panel.channel_step as i64));
        let x = match row.start {
            Some(start) => b.index_add(start, column),
            None => column,
        };
        let place = self.out.place(b, At { n: row.n, y: row.y, x: Some(x), c: channel });
        debug_assert_eq!(acc.len(), pixels * panel.channels.div_ceil(LANES));
        for (p, acc) in acc.chunks(panel.vectors()).enumerate() {
            self.out.write(b, &self.out.right(&place, p as i64), acc, panel.first, panel.channels);
        }
    }
}

/// Where a row of output pixels is.
struct Row {
    n: Option<Value>,
    y: Option<Value>,
    /// Column the row starts at.
    start: Option<Value>,
    /// Byte offset of its first window in the input, relative to the first row's.
    input: Value,
}

impl Row {
    fn of(b: &mut KernelBuilder, product: &Product<'_>, row: Value) -> Row {
        let (spec, walk) = (product.spec, product.walk);
        if walk.flat.is_some() {
            let start = b.mul(row, walk.columns as i64);
            let input = b.mul(start, spec.input.pixel_stride() as i64);
            return Row { n: None, y: None, start: Some(start), input };
        }
        let down = (spec.strides[0] * spec.input.row_stride()) as i64;
        if spec.output.n == 1 {
            return Row { n: None, y: Some(row), start: None, input: b.mul(row, down) };
        }
        let (n, y) = (b.div(row, spec.output.h as i64), b.rem(row, spec.output.h as i64));
        let (image, line) = (b.mul(n, spec.input.image_stride() as i64), b.mul(y, down));
        Row { n: Some(n), y: Some(y), start: None, input: b.index_add(image, line) }
    }
}
