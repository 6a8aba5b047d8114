//! One application of a body: its nodes evaluated on vectors, on demand, each as packed bytes or as numbers of four bytes,
//! whatever its users need.

use qcc_kernel::{BinOp, KernelBuilder, Lane, Op, Ty, UnOp, VL, Value, math};

use super::body::{Body, Compare, Fn1, Fn2, Node, NodeId};
use super::emit::{Emitter, GROUP, Write};
use super::layout::Elem;
use super::place::Place;
use super::quantize::Saturation;
use super::twin::Twin;

/// Of each node, what has been computed.
#[derive(Clone, Debug)]
pub struct Known {
    /// I32 or F32 vectors of four lanes.
    numbers: Vec<[Option<Value>; GROUP / 4]>,
    /// Codes as I16, eight to a half of a register.
    pub(super) halves: Vec<[Option<Value>; 2]>,
    /// Codes packed to bytes.
    pub(super) codes: Vec<Option<Value>>,
    splats: Vec<(Lane, u32, Value)>,
}

impl Known {
    /// Nothing yet.
    pub fn none(body: &Body) -> Known {
        let nodes = body.nodes.len();
        Known {
            numbers: vec![[None; GROUP / 4]; nodes],
            halves: vec![[None; 2]; nodes],
            codes: vec![None; nodes],
            splats: Vec::new(),
        }
    }
}

/// One application of the body to the channels of one write.
pub struct Tile<'e, 'a, 'b> {
    pub(super) emitter: &'e Emitter<'a>,
    pub(super) b: &'b mut KernelBuilder,
    pub(super) place: &'e Place,
    core: &'e [Value],
    pub(super) first: usize,
    /// Registers of numbers.
    pub(super) vectors: usize,
    /// What their high halves hold.
    pub(super) twin: Twin,
    pub(super) known: &'e mut Known,
}

impl<'e, 'a, 'b> Tile<'e, 'a, 'b> {
    /// The application of a write of `count` channels, `first` channels behind its place.
    pub fn new(
        emitter: &'e Emitter<'a>,
        b: &'b mut KernelBuilder,
        write: &'e Write<'_>,
        [first, count]: [usize; 2],
        known: &'e mut Known,
    ) -> Tile<'e, 'a, 'b> {
        let Write { place, core, twin } = write;
        Tile { emitter, b, place, core, first, vectors: twin.vectors(count), twin: *twin, known }
    }

    /// Vector `v` of a node as I32 or F32; codes count as I32.
    pub fn number(&mut self, id: NodeId, v: usize) -> Value {
        let at = id.0 as usize;
        if let Some(known) = self.known.numbers[at][v] {
            return known;
        }
        let value = self.compute(id, v);
        if self.emitter.uniform[at] {
            self.known.numbers[at] = [Some(value); GROUP / 4];
        } else {
            self.known.numbers[at][v] = Some(value);
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
            Node::Operand(i) if emitter.types[id.0 as usize] == Elem::I16 && self.is_broadcast(*i) => {
                let address = self.code_address(*i);
                let codes = self.b.load_widen_s(Lane::I16, address);
                self.b.broadcast_lane(codes, 0)
            }
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
            Node::Test { compare, x, y } => {
                let mask = self.mask(*compare, *x, *y, v);
                let one = self.splat(Lane::I32, 1);
                self.b.binary(BinOp::And, mask, one)
            }
            Node::Select { compare, x, y, a, b } => {
                let mask = self.mask(*compare, *x, *y, v);
                let (a, b) = (self.number(*a, v), self.number(*b, v));
                self.b.select(mask, a, b)
            }
        }
    }

    /// All bits where a comparison holds.
    fn mask(&mut self, compare: Compare, x: NodeId, y: NodeId, v: usize) -> Value {
        let (x, y) = (self.number(x, v), self.number(y, v));
        let op = match compare {
            Compare::Eq => BinOp::Eq,
            Compare::Gt => BinOp::Gt,
            Compare::Ge => BinOp::Ge,
        };
        self.b.binary(op, x, y)
    }

    /// A code node as bytes, one per channel.
    pub fn codes(&mut self, id: NodeId) -> Value {
        if let Some(known) = self.known.codes[id.0 as usize] {
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
                while wide.len() > 1 || self.b.ty(wide[0]) != Ty::Vec(Lane::I8) {
                    let signed = self.b.ty(wide[0]) == Ty::Vec(Lane::I32) || emitter.types[id.0 as usize] == Elem::I8;
                    let op = if signed { BinOp::NarrowS } else { BinOp::NarrowU };
                    let pairs: Vec<Value> =
                        wide.chunks(2).map(|p| self.b.binary(op, p[0], *p.last().unwrap_or(&p[0]))).collect();
                    wide = pairs;
                }
                wide[0]
            }
        };
        self.known.codes[id.0 as usize] = Some(value);
        value
    }

    pub(super) fn float(&mut self, id: NodeId, v: usize) -> Value {
        let x = self.number(id, v);
        if self.emitter.types[id.0 as usize] == Elem::F32 { x } else { self.b.unary(UnOp::ToF32, x) }
    }

    /// Four lanes of a node that exists as codes.
    pub(super) fn widen(&mut self, id: NodeId, v: usize) -> Value {
        let signed = self.emitter.types[id.0 as usize] != Elem::U8;
        let half = self.half(id, v / 2);
        let op = match (v % 2, signed) {
            (0, true) => UnOp::WidenLowS,
            (0, false) => UnOp::WidenLowU,
            (_, true) => UnOp::WidenHighS,
            (_, false) => UnOp::WidenHighU,
        };
        self.b.unary(op, half)
    }

    /// Eight lanes of a node that exists as codes, as I16.
    pub(super) fn half(&mut self, id: NodeId, half: usize) -> Value {
        if let Some(known) = self.known.halves[id.0 as usize][half] {
            return known;
        }
        if self.emitter.types[id.0 as usize] == Elem::I16 {
            let value = self.sixteen_bits(id, half);
            self.known.halves[id.0 as usize][half] = Some(value);
            return value;
        }
        let signed = self.emitter.types[id.0 as usize] == Elem::I8;
        let value = match self.emitter.body.nodes[id.0 as usize] {
            Node::Operand(i) if self.known.codes[id.0 as usize].is_none() && !self.is_broadcast(i) => {
                let addr = self.code_address(i).plus(8 * half as i64);
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
        self.known.halves[id.0 as usize][half] = Some(value);
        value
    }

    /// Eight lanes of a node of 16-bit codes.
    fn sixteen_bits(&mut self, id: NodeId, half: usize) -> Value {
        let emitter = self.emitter;
        match &emitter.body.nodes[id.0 as usize] {
            Node::Operand(i) if !self.is_broadcast(*i) => {
                let address = self.code_address(*i).plus((half * VL) as i64);
                self.b.load(Lane::I16, VL, address)
            }
            _ => {
                let of = |this: &mut Self, v: usize| match emitter.is_rounded(id) {
                    true => this.rounded(id, v, Saturation::Pack),
                    false => this.number(id, v),
                };
                let low = of(self, 2 * half);
                let high = if 2 * half + 1 < self.vectors { of(self, 2 * half + 1) } else { low };
                self.b.binary(BinOp::NarrowS, low, high)
            }
        }
    }

    pub(super) fn splat_byte(&mut self, code: i32) -> Value {
        self.splat(Lane::I8, u32::from(code as u8) * 0x0101_0101)
    }

    pub(super) fn splat(&mut self, lane: Lane, bits: u32) -> Value {
        if let Some((.., known)) = self.known.splats.iter().find(|(l, w, _)| (*l, *w) == (lane, bits)) {
            return *known;
        }
        let value = self.b.op(Op::Splat { lane, bits });
        self.known.splats.push((lane, bits, value));
        value
    }
}

impl Emitter<'_> {
    pub(super) fn is_code(&self, id: NodeId) -> bool {
        self.types[id.0 as usize].code_range().is_some()
    }

    /// The node a chain of clips limits, and the limits of all of them together.
    pub(super) fn clipped(&self, id: NodeId) -> (NodeId, i32, i32) {
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
    pub(super) fn is_rounded(&self, id: NodeId) -> bool {
        matches!(self.body.nodes[self.clipped(id).0.0 as usize], Node::Quantize { .. } | Node::Requantize { .. })
    }

    /// Whether the node's codes come as bytes, clipped or not.
    pub(super) fn is_packed(&self, id: NodeId) -> bool {
        let bytes = self.types[id.0 as usize] != Elem::I16;
        bytes
            && matches!(
                self.body.nodes[self.clipped(id).0.0 as usize],
                Node::Core | Node::Operand(_) | Node::Lookup { .. }
            )
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
