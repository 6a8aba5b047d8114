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
//! ... out.write(&mut b, &out.right(&place, 1), &accs, 0, 16); // pixel (y, x + 1), channels c .. c + 16
//! out.finish(b)
//! ```
//!
//! A vector of I32 or F32 holds four consecutive channels; codes are one register of up to sixteen. Code nodes are
//! evaluated as packed bytes or as I32 lanes, whatever their users need, on demand: one vector goes through the program
//! after the other, so that few registers are live. Nothing outside the output's elements is written; reads may run
//! into the slack of a buffer.

use qcc_kernel::{Addr, BinOp, Buf, BufferKind, KernelBuilder, Lane, UnOp, VL, Value, math};

use super::body::{Body, Compare, Fn1, Fn2, Node, NodeId, Operand};
use super::layout::{Elem, SLACK, TensorLayout};
use super::{Arg, Generated, bounds};

/// Channels of one full write: a register of codes.
pub const GROUP: usize = 16;

/// Floats near this one are the integers.
const MAGIC: f32 = 12_582_912.0;

/// A body bound to the buffers of the kernel under construction.
#[derive(Debug)]
pub struct Emitter<'a> {
    body: &'a Body,
    types: Vec<Elem>,
    /// The largest magnitude of every node.
    magnitudes: Vec<f64>,
    /// The layout results are written to.
    output: TensorLayout,
    output_buf: Buf,
    constants_buf: Option<Buf>,
    constants: Vec<u8>,
    /// For each operand, where its numbers are.
    sources: Vec<Source>,
    /// For each node that is a lookup, the offset of its table among the constants.
    tables: Vec<i64>,
    inputs: usize,
}

/// Where an operand is read from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// An array of four-byte numbers, one per channel, at this offset of the constants.
    Channel(i64),
    /// The tensor of that number in order, in this buffer.
    Tensor { number: usize, buf: Buf, layout: TensorLayout },
}

/// Coordinates of a tile's first element, as scalars; `None` is zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct At {
    /// Image.
    pub n: Option<Value>,
    /// Row.
    pub y: Option<Value>,
    /// Column.
    pub x: Option<Value>,
    /// Channel.
    pub c: Option<Value>,
}

/// The addresses of one element of the result: in the output and in each tensor of the body.
#[derive(Clone, Debug)]
pub struct Place {
    /// In the output.
    pub output: Addr,
    tensors: Vec<Addr>,
    /// Offset into arrays of four-byte channel constants.
    channel: Option<Value>,
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
        mut constants: Vec<u8>,
    ) -> Result<Emitter<'a>, String> {
        let types = check(body, core, &output)?;
        let inputs = b.buffers().len();
        let mut sources = Vec::new();
        let mut number = 0;
        for operand in &body.operands {
            sources.push(match operand {
                Operand::ChannelF32(values) => {
                    Source::Channel(channel(&mut constants, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
                }
                Operand::ChannelI32(values) => {
                    Source::Channel(channel(&mut constants, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
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
        Ok(Emitter { body, types, magnitudes, output, output_buf, constants_buf, constants, sources, tables, inputs })
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

    /// The buffer of the result.
    pub fn output(&self) -> Buf {
        self.output_buf
    }

    /// The addresses of element `at` of the result.
    pub fn place(&self, b: &mut KernelBuilder, at: At) -> Place {
        let origin = |buf, layout: &TensorLayout| Addr { buf, index: None, offset: layout.offset(0, 0) as i64 };
        let tensors = self.tensors().map(|(buf, layout)| origin(buf, layout)).collect();
        let place = Place { output: origin(self.output_buf, &self.output), tensors, channel: None };
        self.shift(b, &place, at)
    }

    /// The addresses of the element `by` further along each axis.
    pub fn shift(&self, b: &mut KernelBuilder, place: &Place, by: At) -> Place {
        let mut sums = Sums::default();
        let tensors = self.tensors().zip(&place.tensors);
        let tensors = tensors.map(|((_, layout), from)| sums.element(b, *from, layout, &self.output, by)).collect();
        let output = sums.element(b, place.output, &self.output, &self.output, by);
        let channel = if self.sources.iter().any(|s| matches!(s, Source::Channel(_))) {
            sums.add(b, place.channel, by.c, 4)
        } else {
            None
        };
        Place { output, tensors, channel }
    }

    /// The addresses of the element a constant number of columns to the right.
    pub fn right(&self, place: &Place, columns: i64) -> Place {
        let mut place = place.clone();
        place.output = place.output.plus(columns * self.output.pixel_stride() as i64);
        for ((_, layout), addr) in self.tensors().zip(&mut place.tensors) {
            if layout.w == self.output.w {
                *addr = addr.plus(columns * layout.pixel_stride() as i64);
            }
        }
        place
    }

    /// Applies the body to `count` (1..=16) channels from `first` channels behind `place` on, and stores them.
    ///
    /// `core` holds the core's value for these channels: one vector for each four of them, or one register of codes.
    /// It is empty for a body without core. Lanes behind `count` may hold anything.
    pub fn write(&self, b: &mut KernelBuilder, place: &Place, core: &[Value], first: usize, count: usize) {
        let vectors = self.apply(b, place, core, first, count);
        self.store(b, place, &vectors, first, count);
    }

    /// The first half of [`Emitter::write`]: what is to be stored, as vectors of four lanes or one register of codes.
    pub fn apply(
        &self,
        b: &mut KernelBuilder,
        place: &Place,
        core: &[Value],
        first: usize,
        count: usize,
    ) -> Vec<Value> {
        let nodes = self.body.nodes.len();
        let mut tile = Tile {
            emitter: self,
            b,
            place,
            core,
            first,
            vectors: count.div_ceil(4),
            numbers: vec![[None; GROUP / 4]; nodes],
            halves: vec![[None; 2]; nodes],
            codes: vec![None; nodes],
            splats: Vec::new(),
        };
        let result = self.body.result;
        if self.output.elem.code_range().is_some() {
            vec![tile.codes(result)]
        } else {
            (0..tile.vectors).map(|v| tile.number(result, v)).collect()
        }
    }

    /// The second half of [`Emitter::write`].
    pub fn store(&self, b: &mut KernelBuilder, place: &Place, vectors: &[Value], first: usize, count: usize) {
        let bytes = count * self.output.elem.bytes();
        let start = place.output.plus((first * self.output.elem.bytes()) as i64);
        for (i, &vector) in vectors.iter().enumerate() {
            b.store_partial(start.plus((i * VL) as i64), (bytes - i * VL).min(VL), vector);
        }
    }

    /// The finished kernel with its arguments in order.
    pub fn finish(self, b: KernelBuilder) -> Generated {
        let kernel = b.finish();
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
        Generated { kernel, args, constants: self.constants }
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

/// A body and its output seen as one row of pixels, if every tensor lies so that this is possible: a kernel that does not
/// look at neighbours may then walk all pixels in one loop.
pub fn flatten(body: &Body, output: &TensorLayout) -> Option<(Body, TensorLayout)> {
    let row = |l: &TensorLayout| {
        let one = TensorLayout { n: 1, h: 1, w: l.n * l.h * l.w, halo: Default::default(), ..*l };
        // A halo above the only image stays as a distance, in whole pixels.
        let above = l.halo.top * (l.halo.left + l.w + l.halo.right) + l.halo.left;
        let (left, right) = (above, l.n * (l.halo.top + l.h + l.halo.bottom) * (l.halo.left + l.w + l.halo.right));
        let right = right - above - one.w;
        TensorLayout { halo: super::layout::Halo { top: 0, left, bottom: 0, right }, ..one }
    };
    let fits = |l: &TensorLayout| {
        let pixels = l.n * l.h * l.w;
        pixels == 1 || l.is_flat() && (l.n, l.h, l.w) == (output.n, output.h, output.w)
    };
    let all = output.is_flat() && body.tensors().all(fits);
    all.then(|| {
        let mut flat = body.clone();
        for operand in &mut flat.operands {
            if let Operand::Tensor(layout) = operand {
                *layout = row(layout);
            }
        }
        (flat, row(output))
    })
}

/// Address arithmetic that computes equal sums once.
#[derive(Debug, Default)]
pub struct Sums {
    known: Vec<(Option<Value>, Value, i64, Value)>,
}

impl Sums {
    /// The element `by` further than `from` in a tensor that broadcasts to `output`.
    pub fn element(
        &mut self,
        b: &mut KernelBuilder,
        from: Addr,
        layout: &TensorLayout,
        output: &TensorLayout,
        by: At,
    ) -> Addr {
        let steps = [
            (by.n, layout.n == output.n, layout.image_stride()),
            (by.y, layout.h == output.h, layout.row_stride()),
            (by.x, layout.w == output.w, layout.pixel_stride()),
            (by.c, layout.c == output.c, layout.elem.bytes()),
        ];
        let steps = steps.into_iter().filter(|step| step.1);
        let index = steps.fold(from.index, |sum, (value, _, stride)| self.add(b, sum, value, stride as i64));
        Addr { index, ..from }
    }

    /// `sum + value * stride`; what is absent is zero.
    pub fn add(
        &mut self,
        b: &mut KernelBuilder,
        sum: Option<Value>,
        value: Option<Value>,
        stride: i64,
    ) -> Option<Value> {
        let Some(value) = value else { return sum };
        if let Some(same) = self.known.iter().find(|k| (k.0, k.1, k.2) == (sum, value, stride)) {
            return Some(same.3);
        }
        let product = b.mul(value, stride);
        let total = sum.map_or(product, |sum| b.index_add(sum, product));
        self.known.push((sum, value, stride, total));
        Some(total)
    }
}

/// Appends an array of one four-byte number per channel, padded so that a group of vectors may start at any channel.
fn channel(constants: &mut Vec<u8>, mut values: Vec<u8>) -> i64 {
    values.resize(values.len() + GROUP * 4, 0);
    append(constants, &values)
}

/// Appends bytes at the next multiple of 64.
pub fn append(constants: &mut Vec<u8>, bytes: &[u8]) -> i64 {
    constants.resize(constants.len().next_multiple_of(64), 0);
    let at = constants.len() as i64;
    constants.extend_from_slice(bytes);
    at
}

/// One application of the body to up to sixteen channels of one pixel.
struct Tile<'e, 'a, 'b> {
    emitter: &'e Emitter<'a>,
    b: &'b mut KernelBuilder,
    place: &'e Place,
    core: &'e [Value],
    first: usize,
    vectors: usize,
    /// Of each node, what has been computed: I32 or F32 vectors of four lanes.
    numbers: Vec<[Option<Value>; GROUP / 4]>,
    /// Codes widened to I16.
    halves: Vec<[Option<Value>; 2]>,
    /// Codes packed to bytes.
    codes: Vec<Option<Value>>,
    splats: Vec<(Lane, u32, Value)>,
}

impl Tile<'_, '_, '_> {
    /// Vector `v` of a node as I32 or F32; codes count as I32.
    fn number(&mut self, id: NodeId, v: usize) -> Value {
        let at = id.0 as usize;
        if let Some(known) = self.numbers[at][v] {
            return known;
        }
        let value = self.compute(id, v);
        let constant = match &self.emitter.body.nodes[at] {
            Node::F32(_) | Node::I32(_) => true,
            Node::Operand(i) => self.is_broadcast(*i),
            _ => false,
        };
        if constant {
            self.numbers[at] = [Some(value); GROUP / 4];
        } else {
            self.numbers[at][v] = Some(value);
        }
        value
    }

    fn compute(&mut self, id: NodeId, v: usize) -> Value {
        let emitter = self.emitter;
        match &emitter.body.nodes[id.0 as usize] {
            Node::Core if emitter.is_code(id) => self.widen(id, v),
            Node::Core => self.core[v],
            Node::F32(value) => self.splat(Lane::F32, value.to_bits()),
            Node::I32(value) => self.splat(Lane::I32, *value as u32),
            Node::Operand(_) if emitter.is_code(id) => self.widen(id, v),
            Node::Operand(i) => self.operand(*i, lane(emitter.types[id.0 as usize]), v),
            Node::Unary(f, x) => {
                let x = self.number(*x, v);
                function(self.b, *f, x)
            }
            Node::Binary(f, x, y) => {
                let (x, y) = (self.number(*x, v), self.number(*y, v));
                let op = match f {
                    Fn2::Add => BinOp::Add,
                    Fn2::Sub => BinOp::Sub,
                    Fn2::Mul => BinOp::Mul,
                    Fn2::Div => BinOp::Div,
                    Fn2::Min => BinOp::Min,
                    Fn2::Max => BinOp::Max,
                };
                self.b.binary(op, x, y)
            }
            Node::ToF32(x) => self.float(*x, v),
            Node::ToI32(x) => {
                let x = self.number(*x, v);
                self.b.unary(UnOp::RoundToI32, x)
            }
            Node::Dequantize { q, scale, zero_point } => {
                let q = self.centred(id, *q, *zero_point, v);
                let x = self.b.unary(UnOp::ToF32, q);
                let scale = self.number(*scale, v);
                self.b.binary(BinOp::Mul, x, scale)
            }
            Node::Quantize { .. } | Node::Requantize { .. } => self.rounded(id, v, Saturation::Explicit),
            Node::ClipCode { q, lo, hi } => {
                if emitter.is_rounded(id) {
                    return self.rounded(id, v, Saturation::Explicit);
                }
                if emitter.is_packed(id) {
                    return self.widen(id, v);
                }
                let q = self.number(*q, v);
                let lo = self.splat(Lane::I32, *lo as u32);
                let hi = self.splat(Lane::I32, *hi as u32);
                let q = self.b.binary(BinOp::Max, q, lo);
                self.b.binary(BinOp::Min, q, hi)
            }
            Node::Lookup { .. } => self.widen(id, v),
            Node::Select { compare, x, y, a, b } => {
                let (x, y) = (self.number(*x, v), self.number(*y, v));
                let op = match compare {
                    Compare::Eq => BinOp::Eq,
                    Compare::Gt => BinOp::Gt,
                    Compare::Ge => BinOp::Ge,
                };
                let mask = self.b.binary(op, x, y);
                let (a, b) = (self.number(*a, v), self.number(*b, v));
                self.b.select(mask, a, b)
            }
        }
    }

    /// A code node as bytes, one per channel.
    fn codes(&mut self, id: NodeId) -> Value {
        if let Some(known) = self.codes[id.0 as usize] {
            return known;
        }
        let emitter = self.emitter;
        let value = match &emitter.body.nodes[id.0 as usize] {
            Node::Core => self.core[0],
            Node::Operand(i) => self.operand_codes(*i),
            Node::Lookup { q, .. } => {
                let q = self.codes(*q);
                let table = emitter.constants().fixed(emitter.tables[id.0 as usize]);
                self.b.lookup8(table, q)
            }
            Node::ClipCode { q, lo, hi } if emitter.is_packed(id) => {
                let mut q = self.codes(*q);
                let elem = emitter.types[id.0 as usize];
                let (lowest, highest) = elem.code_range().unwrap_or((*lo, *hi));
                let signed = elem == Elem::I8;
                if *lo > lowest {
                    let lo = self.splat_byte((*lo).min(highest));
                    q = self.b.binary(if signed { BinOp::Max } else { BinOp::MaxU }, q, lo);
                }
                if *hi < highest {
                    let hi = self.splat_byte((*hi).max(lowest));
                    q = self.b.binary(if signed { BinOp::Min } else { BinOp::MinU }, q, hi);
                }
                q
            }
            _ => {
                let mut wide: Vec<Value> = (0..self.vectors)
                    .map(|v| {
                        if emitter.is_rounded(id) { self.rounded(id, v, Saturation::Pack) } else { self.number(id, v) }
                    })
                    .collect();
                while wide.len() > 1 || self.b.ty(wide[0]) != qcc_kernel::Ty::Vec(Lane::I8) {
                    let signed = self.b.ty(wide[0]) == qcc_kernel::Ty::Vec(Lane::I32)
                        || emitter.types[id.0 as usize] == Elem::I8;
                    let op = if signed { BinOp::NarrowS } else { BinOp::NarrowU };
                    let pairs: Vec<Value> =
                        wide.chunks(2).map(|p| self.b.binary(op, p[0], *p.last().unwrap_or(&p[0]))).collect();
                    wide = pairs;
                }
                wide[0]
            }
        };
        self.codes[id.0 as usize] = Some(value);
        value
    }

    /// A quantization with the clips behind it, as I32 lanes: clamped, rounded, zero-point added.
    fn rounded(&mut self, id: NodeId, v: usize, saturation: Saturation) -> Value {
        let emitter = self.emitter;
        let (root, lo, hi) = emitter.clipped(id);
        let magnitude = |id: &NodeId| emitter.magnitudes[id.0 as usize];
        let (real, most, zero_point, to) = match &emitter.body.nodes[root.0 as usize] {
            Node::Quantize { x, scale, zero_point, to } => {
                let most = bounds::product(magnitude(x), bounds::reciprocal(emitter.body, *scale));
                (self.quotient(*x, *scale, v), most, *zero_point, *to)
            }
            Node::Requantize { acc, multiplier, zero_point, to } => {
                let most = bounds::product(magnitude(acc), magnitude(multiplier));
                let x = self.float(*acc, v);
                let scaled = match emitter.body.nodes[multiplier.0 as usize] {
                    Node::F32(1.0) => x,
                    _ => {
                        let m = self.number(*multiplier, v);
                        self.b.binary(BinOp::Mul, x, m)
                    }
                };
                (scaled, most, *zero_point, *to)
            }
            other => panic!("this is a bug in qcc: {other:?} is no quantization"),
        };
        let (lowest, highest) = to.code_range().unwrap_or((lo, hi));
        let explicit = saturation == Saturation::Explicit;
        let (mut below, mut above) = (explicit || lo > lowest, explicit || hi < highest);
        let small = most <= bounds::ROUNDS;
        // Where one clamp is needed, a second one costs less than the conversion that it makes unnecessary.
        if !small && (below || above || most > bounds::CONVERTS) {
            (below, above) = (true, true);
        }
        let mut real = real;
        if below {
            // A NaN becomes the lowest code here, and only here: what is bounded is no NaN.
            let lo = self.splat(Lane::F32, ((lo - zero_point) as f32).to_bits());
            real = self.b.binary(BinOp::Max, real, lo);
        }
        if above {
            let hi = self.splat(Lane::F32, ((hi - zero_point) as f32).to_bits());
            real = self.b.binary(BinOp::Min, real, hi);
        }
        if small || below && above {
            // Adding 1.5 * 2^23 rounds to an integer, ties to even, and leaves it in the low bits.
            let magic = self.splat(Lane::F32, MAGIC.to_bits());
            let sum = self.b.binary(BinOp::Add, real, magic);
            let bits = self.b.unary(UnOp::Bitcast(Lane::I32), sum);
            let origin = self.splat(Lane::I32, MAGIC.to_bits().wrapping_sub(zero_point as u32));
            return self.b.binary(BinOp::Sub, bits, origin);
        }
        let code = self.b.unary(UnOp::RoundToI32, real);
        if zero_point == 0 {
            return code;
        }
        let zero = self.splat(Lane::I32, zero_point as u32);
        self.b.binary(BinOp::Add, code, zero)
    }

    /// `x / scale`; by a power of two it is the product with the reciprocal, bit for bit.
    fn quotient(&mut self, x: NodeId, scale: NodeId, v: usize) -> Value {
        let x = self.number(x, v);
        if let Node::F32(s) = self.emitter.body.nodes[scale.0 as usize] {
            if s == 1.0 {
                return x;
            }
            let power = s.to_bits() & 0x007f_ffff == 0 && s.is_normal() && (1.0 / s).is_normal();
            if power {
                let by = self.splat(Lane::F32, (1.0 / s).to_bits());
                return self.b.binary(BinOp::Mul, x, by);
            }
        }
        let scale = self.number(scale, v);
        self.b.binary(BinOp::Div, x, scale)
    }

    fn float(&mut self, id: NodeId, v: usize) -> Value {
        let x = self.number(id, v);
        if self.emitter.types[id.0 as usize] == Elem::F32 { x } else { self.b.unary(UnOp::ToF32, x) }
    }

    /// `q - zero_point` in I32 lanes, for the dequantization `id`. Codes are subtracted in I16 lanes, twice as many.
    fn centred(&mut self, id: NodeId, q: NodeId, zero_point: i32, v: usize) -> Value {
        if zero_point == 0 {
            return self.number(q, v);
        }
        if !(self.emitter.is_code(q) && self.emitter.is_packed(q)) {
            let q = self.number(q, v);
            let zero = self.splat(Lane::I32, zero_point as u32);
            return self.b.binary(BinOp::Sub, q, zero);
        }
        let half = match self.halves[id.0 as usize][v / 2] {
            Some(known) => known,
            None => {
                let codes = self.half(q, v / 2);
                let zero = u32::from(zero_point as i16 as u16);
                let zero = self.splat(Lane::I16, zero << 16 | zero);
                self.b.binary(BinOp::Sub, codes, zero)
            }
        };
        self.halves[id.0 as usize][v / 2] = Some(half);
        self.b.unary(if v.is_multiple_of(2) { UnOp::WidenLowS } else { UnOp::WidenHighS }, half)
    }

    /// Four lanes of a node that exists as bytes.
    fn widen(&mut self, id: NodeId, v: usize) -> Value {
        let signed = self.emitter.types[id.0 as usize] == Elem::I8;
        let half = self.half(id, v / 2);
        let op = match (v % 2, signed) {
            (0, true) => UnOp::WidenLowS,
            (0, false) => UnOp::WidenLowU,
            (_, true) => UnOp::WidenHighS,
            (_, false) => UnOp::WidenHighU,
        };
        self.b.unary(op, half)
    }

    /// Eight lanes of a node that exists as bytes, as I16.
    fn half(&mut self, id: NodeId, half: usize) -> Value {
        if let Some(known) = self.halves[id.0 as usize][half] {
            return known;
        }
        let signed = self.emitter.types[id.0 as usize] == Elem::I8;
        let value = match self.emitter.body.nodes[id.0 as usize] {
            Node::Operand(i) if self.codes[id.0 as usize].is_none() && !self.is_broadcast(i) => {
                let addr = self.tensor(i).map(|(addr, _)| addr.plus(8 * half as i64));
                let addr = addr.unwrap_or_else(|| panic!("this is a bug in qcc: operand {i} holds no codes"));
                if signed { self.b.load_widen_s(Lane::I8, addr) } else { self.b.load_widen_u(Lane::I8, addr) }
            }
            _ => {
                let codes = self.codes(id);
                let op = match (half, signed) {
                    (0, true) => UnOp::WidenLowS,
                    (0, false) => UnOp::WidenLowU,
                    (_, true) => UnOp::WidenHighS,
                    (_, false) => UnOp::WidenHighU,
                };
                self.b.unary(op, codes)
            }
        };
        self.halves[id.0 as usize][half] = Some(value);
        value
    }

    /// Vector `v` of an operand of four-byte numbers.
    fn operand(&mut self, i: u32, lane: Lane, v: usize) -> Value {
        match self.tensor(i) {
            Some((addr, layout)) if self.broadcasts(&layout) => self.b.broadcast32(lane, addr),
            Some((addr, _)) => self.b.load(lane, VL, addr.plus((VL * v) as i64)),
            None => {
                let Source::Channel(offset) = self.emitter.sources[i as usize] else {
                    panic!("this is a bug in qcc: operand {i} is neither a tensor nor a constant");
                };
                let offset = offset + 4 * (self.first + 4 * v) as i64;
                let addr = Addr { buf: self.emitter.constants(), index: self.place.channel, offset };
                self.b.load(lane, VL, addr)
            }
        }
    }

    fn operand_codes(&mut self, i: u32) -> Value {
        match self.tensor(i) {
            Some((addr, layout)) if self.broadcasts(&layout) => {
                let code = self.b.load(Lane::I8, 1, addr);
                self.b.shuffle(code, code, [0; VL])
            }
            Some((addr, _)) => self.b.load(Lane::I8, (4 * self.vectors).next_power_of_two(), addr),
            None => panic!("this is a bug in qcc: operand {i} holds no codes"),
        }
    }

    /// The address of an operand's first channel of this tile, if it is a tensor.
    fn tensor(&self, i: u32) -> Option<(Addr, TensorLayout)> {
        match self.emitter.sources[i as usize] {
            Source::Tensor { number, layout, .. } => {
                let first = if self.broadcasts(&layout) { 0 } else { self.first * layout.elem.bytes() };
                Some((self.place.tensors[number].plus(first as i64), layout))
            }
            Source::Channel(_) => None,
        }
    }

    fn is_broadcast(&self, i: u32) -> bool {
        self.tensor(i).is_some_and(|(_, layout)| self.broadcasts(&layout))
    }

    fn broadcasts(&self, layout: &TensorLayout) -> bool {
        layout.c == 1 && self.emitter.output.c > 1
    }

    fn splat_byte(&mut self, code: i32) -> Value {
        self.splat(Lane::I8, u32::from(code as u8) * 0x0101_0101)
    }

    fn splat(&mut self, lane: Lane, bits: u32) -> Value {
        if let Some((.., known)) = self.splats.iter().find(|(l, w, _)| (*l, *w) == (lane, bits)) {
            return *known;
        }
        let value = self.b.op(qcc_kernel::Op::Splat { lane, bits });
        self.splats.push((lane, bits, value));
        value
    }
}

/// Who limits the result of a rounding to the code type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Saturation {
    /// The narrowing that follows.
    Pack,
    /// Nobody else.
    Explicit,
}

impl Emitter<'_> {
    fn tensors(&self) -> impl Iterator<Item = (Buf, &TensorLayout)> {
        self.sources.iter().filter_map(|source| match source {
            Source::Tensor { buf, layout, .. } => Some((*buf, layout)),
            Source::Channel(_) => None,
        })
    }

    fn is_code(&self, id: NodeId) -> bool {
        self.types[id.0 as usize].code_range().is_some()
    }

    /// The node a chain of clips limits, and the limits of all of them together.
    fn clipped(&self, id: NodeId) -> (NodeId, i32, i32) {
        match &self.body.nodes[id.0 as usize] {
            Node::ClipCode { q, lo, hi } => {
                let (root, inner_lo, inner_hi) = self.clipped(*q);
                (root, inner_lo.max(*lo).min(*hi), inner_hi.max(*lo).min(*hi))
            }
            _ => {
                let (lo, hi) = self.types[id.0 as usize].code_range().unwrap_or((i32::MIN, i32::MAX));
                (id, lo, hi)
            }
        }
    }

    /// Whether the node is a quantization, clipped or not.
    fn is_rounded(&self, id: NodeId) -> bool {
        matches!(self.body.nodes[self.clipped(id).0.0 as usize], Node::Quantize { .. } | Node::Requantize { .. })
    }

    /// Whether the node's codes come as bytes, clipped or not.
    fn is_packed(&self, id: NodeId) -> bool {
        matches!(self.body.nodes[self.clipped(id).0.0 as usize], Node::Core | Node::Operand(_) | Node::Lookup { .. })
    }
}

fn lane(elem: Elem) -> Lane {
    if elem == Elem::F32 { Lane::F32 } else { Lane::I32 }
}

fn function(b: &mut KernelBuilder, f: Fn1, x: Value) -> Value {
    match f {
        Fn1::Neg => b.unary(UnOp::Neg, x),
        Fn1::Abs => b.unary(UnOp::Abs, x),
        Fn1::Sqrt => b.unary(UnOp::Sqrt, x),
        Fn1::Floor => b.unary(UnOp::Floor, x),
        Fn1::Ceil => b.unary(UnOp::Ceil, x),
        Fn1::Round => b.unary(UnOp::Nearest, x),
        Fn1::Exp => math::exp(b, x),
        Fn1::Tanh => math::tanh(b, x),
        Fn1::Sigmoid => math::sigmoid(b, x),
        Fn1::Erf => math::erf(b, x),
    }
}
