//! Emission of a body: the pointwise program, applied to vectors in registers and stored.
//!
//! A generator declares its inputs, makes an [`Emitter`] (which declares the tensors of the body, the output and the
//! constants, in the order every kernel takes them), computes vectors of its core and hands them to [`Emitter::write`]:
//!
//! ```text
//! let mut b = KernelBuilder::new(name, tasks);
//! let x = b.input("x", spec.input.bytes());
//! let out = Emitter::new(&mut b, &spec.body, Some(Elem::I32), spec.output, packed_weights)?;   // weights at offset 0
//! ... let place = out.place(&mut b, At { n, y, x, c });       // scalars; None is 0
//! ... out.write(&mut b, &out.right(&place, 1), &accs, 0, 16, Twin::None); // pixel (y, x + 1), channels c .. c + 16
//! out.finish(b)
//! ```
//!
//! A vector of I32 or F32 holds four consecutive channels in each half; codes are one register of up to sixteen a half.
//! A `Twin` says what the high halves of wide registers hold. One vector goes through the program after the other, so
//! that few registers are live. Nothing outside the output's elements is written; reads may run
//! into the slack of a buffer.

use qcc_kernel::{Addr, Buf, BufferKind, KernelBuilder, MAX_VALUES, VL, Value, Width};

use super::apply::{Known, Tile};
use super::body::{Body, Node, Operand};
use super::layout::{Elem, SLACK, TensorLayout};
use super::place::Place;
use super::twin::Twin;
use super::{Arg, Generated, bounds, quantize};

/// Channels of one full write: half a register of codes in wide kernels, a register in narrow ones.
pub const GROUP: usize = 16;

/// A body bound to the buffers of the kernel under construction.
#[derive(Debug)]
pub struct Emitter<'a> {
    pub(super) body: &'a Body,
    pub(super) types: Vec<Elem>,
    /// The largest magnitude of every node.
    pub(super) magnitudes: Vec<f64>,
    /// Whether all channels have the same value, of every node.
    pub(super) uniform: Vec<bool>,
    /// Of each node, the constant it divides by and a reciprocal that does for the division.
    pub(super) reciprocals: Vec<Option<(f32, f32)>>,
    /// The layout results are written to.
    pub(super) output: TensorLayout,
    output_buf: Buf,
    constants_buf: Option<Buf>,
    constants: Vec<u8>,
    /// For each operand, where its numbers are.
    pub(super) sources: Vec<Source>,
    /// For each node that is a lookup, the offset of its table among the constants.
    pub(super) tables: Vec<i64>,
    width: Width,
    /// Channels from those in the low half of a register to those in its high half, where halves hold channels.
    pub(super) far: usize,
    inputs: usize,
}

/// Values of the core, and where what becomes of them is stored.
#[derive(Clone, Debug)]
pub struct Write<'v> {
    /// Where the first of the channels is.
    pub place: Place,
    /// The core's value.
    pub core: &'v [Value],
    /// What the high halves of its registers hold.
    pub twin: Twin,
}

/// Where an operand is read from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// An array of four-byte numbers, one per channel, at an offset of the constants; for wide registers once more, with
    /// the numbers of both halves of a register side by side ([`Twin::Channels`] of [`Emitter::far`]).
    Channel { plain: i64, apart: i64 },
    /// The tensor of that number in order, in this buffer.
    Tensor { number: usize, buf: Buf, layout: TensorLayout },
}

impl<'a> Emitter<'a> {
    /// Declares the tensors of the body, the output and the constants, behind the inputs declared so far. `core` is the
    /// type of the core's value, if there is a core; `constants` holds the core's own constants, which keep their offsets.
    ///
    /// # Errors
    /// A body whose types are wrong, or that does not fit the output.
    pub fn new(
        b: &mut KernelBuilder,
        body: &'a Body,
        core: Option<Elem>,
        output: TensorLayout,
        constants: Vec<u8>,
    ) -> Result<Emitter<'a>, String> {
        Emitter::with_halves(b, body, core, output, constants, GROUP)
    }

    /// The same for a kernel in which the channels in the two halves of a register are `far` apart.
    ///
    /// # Errors
    /// A body whose types are wrong, or that does not fit the output.
    pub fn with_halves(
        b: &mut KernelBuilder,
        body: &'a Body,
        core: Option<Elem>,
        output: TensorLayout,
        mut constants: Vec<u8>,
        far: usize,
    ) -> Result<Emitter<'a>, String> {
        let types = check(body, core, &output)?;
        let inputs = b.buffers().len();
        let mut sources = Vec::new();
        let mut number = 0;
        for operand in &body.operands {
            sources.push(match operand {
                Operand::ChannelF32(values) => {
                    channel(&mut constants, values.iter().map(|v| v.to_le_bytes()).collect(), b.width(), far)
                }
                Operand::ChannelI32(values) => {
                    channel(&mut constants, values.iter().map(|v| v.to_le_bytes()).collect(), b.width(), far)
                }
                Operand::Tensor(layout) => {
                    number += 1;
                    let buf = b.input(&format!("operand{}", number - 1), layout.bytes());
                    Source::Tensor { number: number - 1, buf, layout: *layout }
                }
            });
        }
        let output_buf = b.output("y", output.bytes());
        let tables = body
            .nodes
            .iter()
            .map(|node| match node {
                Node::Lookup { table, .. } => append(&mut constants, table),
                _ => 0,
            })
            .collect();
        let constants_buf = (!constants.is_empty()).then(|| {
            constants.resize(constants.len() + SLACK, 0);
            b.constants("constants", constants.len())
        });
        let magnitudes = bounds::magnitudes(body, &types, f64::INFINITY);
        Ok(Emitter {
            body,
            types,
            magnitudes,
            uniform: body.uniform(output.c),
            reciprocals: quantize::reciprocals(body, b.width()),
            output,
            output_buf,
            constants_buf,
            constants,
            sources,
            tables,
            width: b.width(),
            far,
            inputs,
        })
    }

    /// The same, knowing that the core's value is at most this large in magnitude (and no NaN): fewer clamps are needed.
    pub fn with_core_within(self, magnitude: f64) -> Emitter<'a> {
        Emitter { magnitudes: bounds::magnitudes(self.body, &self.types, magnitude), ..self }
    }

    /// The buffer of constants; those the core passed in start at offset 0.
    ///
    /// # Panics
    /// If neither the core nor the body has constants.
    pub fn constants(&self) -> Buf {
        match self.constants_buf {
            Some(buf) => buf,
            None => panic!("this is a bug in qcc: a kernel without constants reads some"),
        }
    }

    pub(super) fn tensors(&self) -> impl Iterator<Item = (Buf, &TensorLayout)> {
        self.sources.iter().filter_map(|source| match source {
            Source::Tensor { buf, layout, .. } => Some((*buf, layout)),
            Source::Channel { .. } => None,
        })
    }

    /// The buffer of the result.
    pub fn output(&self) -> Buf {
        self.output_buf
    }

    /// What the high halves of registers hold in a kernel that walks `count` channels whose core reads `input`.
    pub fn channel_twin(&self, input: Option<Elem>, count: usize) -> Twin {
        let codes = self.types.iter().chain(&input).any(|t| t.code_range().is_some());
        Twin::of_channels(self.width, codes, self.far, count)
    }

    /// Applies the body to `count` (at most `Twin::group`) channels from `first` channels behind `place` on, and stores
    /// them. `core` holds the core's value for these channels: the registers of numbers that the twin asks for, or one
    /// register of codes. It is empty for a body without core. Lanes behind `count` may hold anything.
    pub fn write(&self, b: &mut KernelBuilder, place: &Place, core: &[Value], first: usize, count: usize, twin: Twin) {
        self.write_all(b, &[Write { place: place.clone(), core, twin }], [first, count]);
    }

    /// The same for several places whose values are there at once; `channels` are the first and their number. Tables are
    /// looked up in for all of them together.
    pub fn write_all(&self, b: &mut KernelBuilder, writes: &[Write<'_>], channels: [usize; 2]) {
        let mut known = vec![Known::none(self.body); writes.len()];
        self.look_up(b, writes, channels, &mut known);
        for (write, known) in writes.iter().zip(&mut known) {
            let mut tile = Tile::new(self, b, write, channels, known);
            let (result, vectors) = (self.body.result, tile.vectors);
            let values: Vec<Value> = match self.output.elem {
                Elem::U8 | Elem::I8 => vec![tile.codes(result)],
                Elem::I16 => (0..vectors.div_ceil(2)).map(|half| tile.half(result, half)).collect(),
                Elem::I32 | Elem::F32 => (0..vectors).map(|v| tile.number(result, v)).collect(),
            };
            self.store(b, write, &values, channels);
        }
    }

    /// Stores registers of numbers, one register of codes, or registers of eight codes of 16 bits a half.
    fn store(&self, b: &mut KernelBuilder, write: &Write<'_>, vectors: &[Value], [first, count]: [usize; 2]) {
        let Write { place, twin, .. } = write;
        let bytes = self.output.elem.bytes();
        let start = place.output.plus((first * bytes) as i64);
        // Bytes of each half, and from one half to the other.
        let (low, high) = (twin.low(count) * bytes, (count - twin.low(count)) * bytes);
        for (i, &vector) in vectors.iter().enumerate() {
            match *twin {
                Twin::None => b.store_partial(start.plus((i * VL) as i64), (low - i * VL).min(VL), vector),
                Twin::Pixel(_) => {
                    let by = twin.pixel(&self.output, true).unwrap_or_default();
                    b.store_partial(start.plus((i * VL) as i64).with_high(by), (low - i * VL).min(VL), vector);
                }
                Twin::Channels(far) => {
                    let by = (far * bytes) as i64;
                    let there = high.saturating_sub(i * VL).min(VL);
                    store_halves(b, start.plus((i * VL) as i64), by, (low - i * VL).min(VL), there, vector);
                }
                Twin::Numbers => {
                    let left = count * bytes - 2 * i * VL;
                    let there = left.saturating_sub(VL).min(VL);
                    store_halves(b, start.plus((2 * i * VL) as i64), VL as i64, left.min(VL), there, vector);
                }
            }
        }
    }

    /// The finished kernel with its arguments in order.
    ///
    /// # Errors
    /// More values than a kernel may have, as of windows that are unrolled at a wide border.
    pub fn finish(self, b: KernelBuilder) -> Result<Generated, String> {
        let kernel = b.finish();
        let values = kernel.types.len();
        if values > MAX_VALUES {
            return Err(format!("its code would have {values} values, more than {MAX_VALUES}"));
        }
        let mut read = 0;
        let mut args = Vec::new();
        for declared in &kernel.buffers {
            args.push(match declared.kind {
                BufferKind::In if read < self.inputs as u32 => Arg::Input(read),
                BufferKind::In => Arg::Operand(read - self.inputs as u32),
                BufferKind::Out => Arg::Output,
                BufferKind::Const => Arg::Constants,
                BufferKind::Scratch => Arg::Scratch(declared.bytes as u32),
            });
            read += u32::from(declared.kind == BufferKind::In);
        }
        Ok(Generated { kernel, args, constants: self.constants })
    }
}

/// Checks that a body is well typed and fits the output; the types of its nodes.
///
/// # Errors
/// The first thing that does not fit.
pub fn check(body: &Body, core: Option<Elem>, output: &TensorLayout) -> Result<Vec<Elem>, String> {
    let types = body.types(core).map_err(|e| e.to_string())?;
    let result = types[body.result.0 as usize];
    if result != output.elem {
        return Err(format!("the body computes {result:?}, the output holds {:?}", output.elem));
    }
    let fits = |d: usize, of: usize| d == of || d == 1;
    for operand in &body.operands {
        let constants = match operand {
            Operand::ChannelF32(values) => values.len(),
            Operand::ChannelI32(values) => values.len(),
            Operand::Tensor(l) => {
                let all = [(l.n, output.n), (l.h, output.h), (l.w, output.w), (l.c, output.c)];
                if !all.into_iter().all(|(d, of)| fits(d, of)) {
                    return Err(format!("operand {l:?} does not broadcast to {output:?}"));
                }
                continue;
            }
        };
        if constants != output.c {
            return Err(format!("{constants} channel constants for {} channels", output.c));
        }
    }
    Ok(types)
}

/// Stores `low` bytes of the low half, and `high` bytes of the high half `by` bytes further.
fn store_halves(b: &mut KernelBuilder, at: Addr, by: i64, low: usize, high: usize, value: Value) {
    if low == high {
        return b.store_partial(at.with_high(by), low, value);
    }
    b.store_partial(at, low, value);
    if high > 0 {
        let swapped = b.swap_halves(value);
        b.store_partial(at.plus(by), high, swapped);
    }
}

/// Appends an array of one four-byte number per channel, padded so that a group of vectors may start at any channel.
fn channel(constants: &mut Vec<u8>, mut values: Vec<[u8; 4]>, width: Width, far: usize) -> Source {
    values.resize((values.len() + GROUP * width.halves()).next_multiple_of(2 * GROUP), [0; 4]);
    let plain = append(constants, values.as_flattened());
    if width == Width::V128 {
        return Source::Channel { plain, apart: plain };
    }
    let block = 2 * far;
    let apart: Vec<[u8; 4]> =
        (0..values.len()).map(|i| values[i / block * block + Twin::Channels(far).channel(i % block)]).collect();
    Source::Channel { plain, apart: append(constants, apart.as_flattened()) }
}

/// Appends bytes at the next multiple of 64.
pub fn append(constants: &mut Vec<u8>, bytes: &[u8]) -> i64 {
    constants.resize(constants.len().next_multiple_of(64), 0);
    let at = constants.len() as i64;
    constants.extend_from_slice(bytes);
    at
}
