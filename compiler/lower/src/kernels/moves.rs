//! Kernels that move elements without computing: transposes, slices, expansions, pieces of concatenations, pads.
//!
//! A move is a loop nest with one byte stride per axis on each side. Axes that lie behind each other on both sides are
//! merged; then the innermost axes decide: contiguous runs are copied, an axis contiguous on one side and another one on
//! the other side are transposed in registers, anything else moves element by element.
//!
//! Copies along channels (a concatenation in place, a slice of channels, a border) need no move: they are
//! [`super::map`] with layouts that say so.

use qcc_kernel::{Addr, BinOp, Buf, BufferKind, KernelBuilder, Lane, UnOp, VL, Value};

use super::layout::{SLACK, TensorLayout};
use super::{Arg, Generated};

/// A move of `dims` elements.
#[derive(Clone, Debug, PartialEq)]
pub struct MoveSpec {
    /// Name for dumps and profiles.
    pub name: String,
    /// Bytes of one element: 1, 2, 4 or 8.
    pub element: usize,
    /// Sizes of the axes of the result.
    pub dims: Vec<usize>,
    /// Where elements are read.
    pub from: Strided,
    /// Where they are written; no element twice.
    pub to: Strided,
}

/// How elements lie in a buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Strided {
    /// Bytes of the buffer, slack not included; the buffer read must have [`SLACK`] behind them.
    pub bytes: usize,
    /// Byte offset of the first element.
    pub offset: usize,
    /// Bytes from one element to the next along each axis; 0 repeats, negative runs backwards.
    pub strides: Vec<isize>,
}

impl Strided {
    /// A dense row-major tensor.
    pub fn dense(shape: &[usize], element: usize) -> Strided {
        let mut strides = vec![0; shape.len()];
        let mut bytes = element;
        for (stride, &size) in strides.iter_mut().zip(shape).rev() {
            *stride = bytes as isize;
            bytes *= size;
        }
        Strided { bytes, offset: 0, strides }
    }

    /// A channels-last activation with axes n, h, w, c.
    pub fn of(layout: &TensorLayout) -> Strided {
        let strides = [layout.image_stride(), layout.row_stride(), layout.pixel_stride(), layout.elem.bytes()];
        let strides = strides.map(|s| s as isize).to_vec();
        Strided { bytes: layout.data_bytes(), offset: layout.offset(0, 0) as usize, strides }
    }

    /// The same elements with axis `i` being what was axis `axes[i]`.
    pub fn permuted(self, axes: &[usize]) -> Strided {
        let strides = axes.iter().map(|&a| self.strides[a]).collect();
        Strided { strides, ..self }
    }
}

/// The transpose of a dense tensor: axis `i` of the result is axis `axes[i]` of the input.
pub fn transpose(name: &str, element: usize, shape: &[usize], axes: &[usize]) -> MoveSpec {
    let dims: Vec<usize> = axes.iter().map(|&a| shape[a]).collect();
    let from = Strided::dense(shape, element).permuted(axes);
    let to = Strided::dense(&dims, element);
    MoveSpec { name: name.into(), element, dims, from, to }
}

/// A dense channels-first tensor written channels-last.
pub fn to_channels_last(name: &str, output: &TensorLayout) -> MoveSpec {
    let element = output.elem.bytes();
    let from = Strided::dense(&[output.n, output.c, output.h, output.w], element).permuted(&[0, 2, 3, 1]);
    let dims = vec![output.n, output.h, output.w, output.c];
    MoveSpec { name: name.into(), element, dims, from, to: Strided::of(output) }
}

/// A channels-last tensor written channels-first and dense.
pub fn to_channels_first(name: &str, input: &TensorLayout) -> MoveSpec {
    let element = input.elem.bytes();
    let dims = vec![input.n, input.c, input.h, input.w];
    let from = Strided::of(input).permuted(&[0, 3, 1, 2]);
    MoveSpec { name: name.into(), element, from, to: Strided::dense(&dims, element), dims }
}

/// Every pixel of a channels-last tensor repeated `rows` times downward and `columns` times to the right.
///
/// # Errors
/// An output of another size.
pub fn repeat_pixels(
    name: &str,
    input: &TensorLayout,
    output: &TensorLayout,
    [rows, columns]: [usize; 2],
) -> Result<MoveSpec, String> {
    let x = input;
    if [x.n, x.h * rows, x.w * columns, x.c] != [output.n, output.h, output.w, output.c] || x.elem != output.elem {
        return Err(format!("{x:?} repeated {rows} and {columns} times is not {output:?}"));
    }
    // Axes n, y, copy of y, x, copy of x, c.
    let (from, to) = (Strided::of(input), Strided::of(output));
    let strides = [from.strides[0], from.strides[1], 0, from.strides[2], 0, from.strides[3]];
    let from = Strided { strides: strides.to_vec(), ..from };
    let [image, row, pixel, element] = [to.strides[0], to.strides[1], to.strides[2], to.strides[3]];
    let strides = [image, row * rows as isize, row, pixel * columns as isize, pixel, element];
    let to = Strided { strides: strides.to_vec(), ..to };
    let dims = vec![x.n, x.h, rows, x.w, columns, x.c];
    Ok(MoveSpec { name: name.into(), element: x.elem.bytes(), dims, from, to })
}

/// Elements of one task where the outer axes give few: see [`super::map`].
const CHUNK: usize = 4096;

/// Most planes that are interleaved by shuffles.
const PLANES: usize = 4;

/// An axis: its size, and the strides on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    size: usize,
    from: i64,
    to: i64,
}

/// The kernel of a move.
///
/// # Errors
/// The reason why there is none: an element size, axes that do not fit, elements outside a buffer.
pub fn generate(spec: &MoveSpec) -> Result<Generated, String> {
    if !is_element(spec.element) {
        return Err(format!("no move of elements of {} bytes", spec.element));
    }
    inside(&spec.from, &spec.dims, spec.element)?;
    inside(&spec.to, &spec.dims, spec.element)?;
    let mut axes = merged(spec);
    let bytes = joined(&mut axes, spec.element);
    let element = bytes as i64;
    let elements: usize = axes.iter().map(|a| a.size).product();
    // The innermost axes: the one contiguous in the result, and the one contiguous in the source.
    let take = |axes: &mut Vec<Axis>, which: &dyn Fn(&Axis) -> bool| {
        let found = axes.iter().rposition(which);
        found.map(|i| axes.remove(i))
    };
    let to = take(&mut axes, &|a| a.to == element);
    let inner = match to {
        Some(run) if run.from == element => Inner::Run(run),
        Some(to) => match take(&mut axes, &|a| a.from == element) {
            Some(from) if element < 8 => transposed(from, to, element),
            Some(from) => {
                axes.push(from);
                Inner::Single(to)
            }
            None => Inner::Single(to),
        },
        None => Inner::Single(axes.pop().unwrap_or(Axis { size: 1, from: 0, to: 0 })),
    };
    let outer: usize = axes.iter().map(|a| a.size).product();
    let main = inner.main();
    let per_item = elements.checked_div(outer * main).unwrap_or(0).max(1);
    let lanes = VL / bytes;
    let block = (CHUNK / per_item).next_multiple_of(lanes).max(lanes).min(main.max(1));
    let blocks = main.div_ceil(block.max(1));
    let tasks = if elements == 0 { 0 } else { outer * blocks };
    let tasks = u32::try_from(tasks).map_err(|_| format!("{tasks} tasks"))?;
    let mut b = KernelBuilder::new(&spec.name, tasks);
    let x = b.input("x", spec.from.bytes + SLACK);
    let y = b.buffer("y", spec.to.bytes, BufferKind::Out);
    if tasks > 0 {
        let nest = Nest { spec, element: bytes, axes, inner, main, block, blocks };
        nest.emit(&mut b, x, y);
    }
    Ok(Generated { kernel: b.finish(), args: vec![Arg::Input(0), Arg::Output], constants: Vec::new() })
}

/// The kernel that fills the border of an activation buffer with a repeated 32-bit pattern, all channels of its pixels.
///
/// # Errors
/// Too many images.
pub fn border(name: &str, layout: &TensorLayout, pattern: u32) -> Result<Generated, String> {
    let tasks = u32::try_from(layout.n).map_err(|_| format!("{} images", layout.n))?;
    let mut b = KernelBuilder::new(name, tasks);
    let y = b.output("y", layout.bytes());
    if tasks > 0 {
        let image = b.mul(b.task(), layout.image_stride() as i64);
        let (row, pixel) = (layout.row_stride(), layout.pixel_stride());
        let filled = b.op(qcc_kernel::Op::Splat { lane: Lane::I32, bits: pattern });
        let (left, right) = (layout.halo.left * pixel, layout.halo.right * pixel);
        let first = layout.halo.top * row + left;
        fill(&mut b, y.at(image, 0), first, filled);
        if layout.h > 1 && left + right > 0 {
            b.loop_(layout.h as u32 - 1, row as i64, |b, at| {
                let at = b.index_add(image, at);
                fill(b, y.at(at, (first + layout.w * pixel) as i64), left + right, filled);
            });
        }
        let end = (layout.halo.top + layout.h) * row;
        let last = if layout.h == 0 { first } else { end - right };
        fill(&mut b, y.at(image, last as i64), layout.image_stride() - last, filled);
    }
    Ok(Generated { kernel: b.finish(), args: vec![Arg::Output], constants: Vec::new() })
}

fn fill(b: &mut KernelBuilder, to: Addr, bytes: usize, value: Value) {
    let (runs, rest) = (bytes / VL, bytes % VL);
    if runs > 0 {
        b.loop_(runs as u32, VL as i64, |b, at| {
            let to = further(b, to, at);
            b.store(to, VL, value);
        });
    }
    b.store_partial(to.plus((runs * VL) as i64), rest, value);
}

/// What the innermost axes are.
#[derive(Clone, Copy, Debug)]
enum Inner {
    /// One axis, contiguous on both sides.
    Run(Axis),
    /// One axis, element by element.
    Single(Axis),
    /// Tiles of two axes: `from` is contiguous in the source, `to` in the result.
    Tiles { from: Axis, to: Axis },
    /// A few planes of the source, interleaved in the result: `to` counts them, dense.
    Interleave { from: Axis, to: Axis },
    /// The reverse: `from` counts the planes, dense in the source.
    Deinterleave { from: Axis, to: Axis },
}

impl Inner {
    /// Size of the axis that is split among tasks.
    fn main(self) -> usize {
        match self {
            Inner::Run(axis) | Inner::Single(axis) => axis.size,
            Inner::Tiles { from, .. } | Inner::Interleave { from, .. } => from.size,
            Inner::Deinterleave { to, .. } => to.size,
        }
    }
}

fn transposed(from: Axis, to: Axis, element: i64) -> Inner {
    if to.size <= PLANES && from.to == to.size as i64 * element {
        Inner::Interleave { from, to }
    } else if from.size <= PLANES && to.from == from.size as i64 * element {
        Inner::Deinterleave { from, to }
    } else {
        Inner::Tiles { from, to }
    }
}

/// The axes with more than one element, by descending stride in the result, adjacent ones merged.
fn merged(spec: &MoveSpec) -> Vec<Axis> {
    let strides = spec.from.strides.iter().zip(&spec.to.strides);
    let mut axes: Vec<Axis> = spec
        .dims
        .iter()
        .zip(strides)
        .map(|(&size, (&from, &to))| Axis { size, from: from as i64, to: to as i64 })
        .filter(|axis| axis.size != 1)
        .collect();
    axes.sort_by_key(|axis| std::cmp::Reverse(axis.to.unsigned_abs()));
    let mut out: Vec<Axis> = Vec::new();
    for axis in axes {
        match out.last_mut() {
            Some(last) if last.from == axis.from * axis.size as i64 && last.to == axis.to * axis.size as i64 => {
                *last = Axis { size: last.size * axis.size, ..axis };
            }
            _ => out.push(axis),
        }
    }
    out
}

fn is_element(bytes: usize) -> bool {
    matches!(bytes, 1 | 2 | 4 | 8)
}

/// Bytes of an element, or of a few that stay together, which are one then and lose their axis.
fn joined(axes: &mut Vec<Axis>, element: usize) -> usize {
    let together = |a: &Axis| a.from == element as i64 && a.to == a.from && is_element(a.size * element);
    if axes.len() < 2 || !axes.last().is_some_and(together) {
        return element;
    }
    axes.pop().map_or(element, |axis| axis.size * element)
}

fn inside(side: &Strided, dims: &[usize], element: usize) -> Result<(), String> {
    if side.strides.len() != dims.len() {
        return Err(format!("{} strides for {} axes", side.strides.len(), dims.len()));
    }
    if dims.contains(&0) {
        return Ok(());
    }
    let (mut lo, mut hi) = (side.offset as isize, (side.offset + element) as isize);
    for (&stride, &size) in side.strides.iter().zip(dims) {
        let reach = stride * (size as isize - 1);
        lo += reach.min(0);
        hi += reach.max(0);
    }
    if lo < 0 || hi > side.bytes as isize {
        return Err(format!("elements at {lo}..{hi} of a buffer of {} bytes", side.bytes));
    }
    Ok(())
}

struct Nest<'a> {
    spec: &'a MoveSpec,
    /// Bytes that are moved together.
    element: usize,
    /// Outer axes, one of each decoded from the task.
    axes: Vec<Axis>,
    inner: Inner,
    main: usize,
    /// Elements of the main axis per task, and how many such blocks there are.
    block: usize,
    blocks: usize,
}

impl Nest<'_> {
    fn emit(&self, b: &mut KernelBuilder, x: Buf, y: Buf) {
        let task = b.task();
        let (block, mut rest) = match self.blocks {
            1 => (None, task),
            blocks if self.axes.is_empty() => {
                debug_assert!(blocks > 1);
                (Some(task), task)
            }
            blocks => (Some(b.rem(task, blocks as i64)), b.div(task, blocks as i64)),
        };
        let mut from = Addr { buf: x, index: None, offset: self.spec.from.offset as i64, high: None };
        let mut to = Addr { buf: y, index: None, offset: self.spec.to.offset as i64, high: None };
        for (i, axis) in self.axes.iter().enumerate().rev() {
            let index = if i == 0 { rest } else { b.rem(rest, axis.size as i64) };
            if i > 0 {
                rest = b.div(rest, axis.size as i64);
            }
            from = strided(b, from, index, axis.from);
            to = strided(b, to, index, axis.to);
        }
        let (full, tail) = (self.main / self.block, self.main % self.block);
        let part = |b: &mut KernelBuilder, count: usize| match block {
            None => self.part(b, from, to, count),
            Some(block) => {
                let (x, y) = self.main_strides();
                let from = strided(b, from, block, x * self.block as i64);
                let to = strided(b, to, block, y * self.block as i64);
                self.part(b, from, to, count);
            }
        };
        match (block, tail) {
            (Some(block), 1..) => b.if_less(block, full as i64, |b| part(b, self.block), |b| part(b, tail)),
            _ => part(b, self.block),
        }
    }

    fn main_strides(&self) -> (i64, i64) {
        match self.inner {
            Inner::Run(axis) | Inner::Single(axis) => (axis.from, axis.to),
            Inner::Tiles { from, .. } | Inner::Interleave { from, .. } => (from.from, from.to),
            Inner::Deinterleave { to, .. } => (to.from, to.to),
        }
    }

    /// `count` elements of the main axis, with all of the other inner axis.
    fn part(&self, b: &mut KernelBuilder, from: Addr, to: Addr, count: usize) {
        let element = self.element;
        let lanes = VL / element;
        match self.inner {
            Inner::Run(_) => run(b, from, to, count * element),
            Inner::Single(axis) => each(b, count, 1, from, to, (axis.from, axis.to), &|b, from, to, _| {
                let value = b.load(Lane::I8, element, from);
                b.store(to, element, value);
            }),
            Inner::Tiles { from: f, to: t } => {
                each(b, count, lanes, from, to, (f.from, f.to), &|b, from, to, columns| {
                    each(b, t.size, lanes, from, to, (t.from, t.to), &|b, from, to, rows| {
                        let vectors: Vec<Value> =
                            (0..rows).map(|r| b.load(Lane::I8, VL, from.plus(r as i64 * t.from))).collect();
                        for (c, v) in transpose_registers(b, vectors, element).into_iter().take(columns).enumerate() {
                            b.store_partial(to.plus(c as i64 * f.to), rows * element, v);
                        }
                    });
                });
            }
            Inner::Interleave { from: f, to: t } => {
                each(b, count, lanes, from, to, (f.from, f.to), &|b, from, to, columns| {
                    let planes: Vec<Value> =
                        (0..t.size).map(|p| b.load(Lane::I8, VL, from.plus(p as i64 * t.from))).collect();
                    let bytes = columns * t.size * element;
                    for at in (0..bytes).step_by(VL) {
                        let v = gathered(b, &planes, |i| {
                            let (slot, byte) = ((at + i) / element, (at + i) % element);
                            (slot % t.size, slot / t.size * element + byte)
                        });
                        b.store_partial(to.plus(at as i64), VL.min(bytes - at), v);
                    }
                });
            }
            Inner::Deinterleave { from: f, to: t } => {
                each(b, count, lanes, from, to, (t.from, t.to), &|b, from, to, columns| {
                    let bytes = columns * f.size * element;
                    let loads: Vec<Value> =
                        (0..bytes).step_by(VL).map(|at| b.load(Lane::I8, VL, from.plus(at as i64))).collect();
                    for p in 0..f.size {
                        let v = gathered(b, &loads, |i| {
                            let at = (i / element * f.size + p) * element + i % element;
                            (at / VL, at % VL)
                        });
                        b.store_partial(to.plus(p as i64 * f.to), columns * element, v);
                    }
                });
            }
        }
    }
}

/// `emit(from, to, width)` for steps of `width` along an axis of `count`; the last step may be narrower.
fn each(
    b: &mut KernelBuilder,
    count: usize,
    width: usize,
    from: Addr,
    to: Addr,
    strides: (i64, i64),
    emit: &dyn Fn(&mut KernelBuilder, Addr, Addr, usize),
) {
    let (full, rest) = (count / width, count % width);
    let (x, y) = (strides.0 * width as i64, strides.1 * width as i64);
    match full {
        0 => {}
        1 => emit(b, from, to, width),
        _ => b.loop_(full as u32, 1, |b, i| {
            let from = strided(b, from, i, x);
            let to = strided(b, to, i, y);
            emit(b, from, to, width);
        }),
    }
    if rest > 0 {
        emit(b, from.plus(full as i64 * x), to.plus(full as i64 * y), rest);
    }
}

/// A contiguous copy.
fn run(b: &mut KernelBuilder, from: Addr, to: Addr, bytes: usize) {
    const WIDE: usize = 4 * VL;
    each(b, bytes / WIDE, 1, from, to, (WIDE as i64, WIDE as i64), &|b, from, to, _| {
        let values: Vec<Value> = (0..WIDE).step_by(VL).map(|at| b.load(Lane::I8, VL, from.plus(at as i64))).collect();
        for (i, v) in values.into_iter().enumerate() {
            b.store(to.plus((i * VL) as i64), VL, v);
        }
    });
    for at in (bytes / WIDE * WIDE..bytes).step_by(VL) {
        let v = b.load(Lane::I8, VL, from.plus(at as i64));
        b.store_partial(to.plus(at as i64), VL.min(bytes - at), v);
    }
}

/// Registers that are rows of a matrix of elements to registers that are its columns, by rounds of interleaving: each
/// round pairs row `i` with row `i + half`.
fn transpose_registers(b: &mut KernelBuilder, mut rows: Vec<Value>, element: usize) -> Vec<Value> {
    let lane = match element {
        1 => Lane::I8,
        2 => Lane::I16,
        _ => Lane::I32,
    };
    let lanes = VL / element;
    let zero = b.splat_i8(0);
    let count = rows.len();
    rows.resize(lanes, zero);
    for row in &mut rows[..count] {
        *row = b.unary(UnOp::Bitcast(lane), *row);
    }
    let zero = b.unary(UnOp::Bitcast(lane), zero);
    rows[count..].fill(zero);
    for _ in 0..lanes.trailing_zeros() {
        let mut next = Vec::with_capacity(lanes);
        for i in 0..lanes / 2 {
            let (x, y) = (rows[i], rows[i + lanes / 2]);
            if x == zero && y == zero {
                next.extend([zero, zero]);
                continue;
            }
            next.push(b.binary(BinOp::InterleaveLow, x, y));
            next.push(b.binary(BinOp::InterleaveHigh, x, y));
        }
        rows = next;
    }
    rows
}

/// A register whose byte `i` is byte `pick(i).1` of register `pick(i).0`; bytes of registers that do not exist are anything.
fn gathered(b: &mut KernelBuilder, registers: &[Value], pick: impl Fn(usize) -> (usize, usize)) -> Value {
    let mut out = registers[0];
    let mut started = false;
    for (r, &register) in registers.iter().enumerate() {
        if !(0..VL).any(|i| pick(i).0 == r) {
            continue;
        }
        let bytes = std::array::from_fn(|i| match pick(i) {
            (from, byte) if from == r => (VL + byte % VL) as u8,
            _ => i as u8,
        });
        // The first register is shuffled with itself: no byte of `out` counts yet.
        out = if started { b.shuffle(out, register, bytes) } else { b.shuffle(register, register, bytes) };
        started = true;
    }
    out
}

fn strided(b: &mut KernelBuilder, addr: Addr, index: Value, stride: i64) -> Addr {
    if stride == 0 {
        return addr;
    }
    let by = b.mul(index, stride);
    further(b, addr, by)
}

fn further(b: &mut KernelBuilder, addr: Addr, by: Value) -> Addr {
    Addr { index: Some(addr.index.map_or(by, |index| b.index_add(index, by))), ..addr }
}
