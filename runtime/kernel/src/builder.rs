//! Builds a [`Kernel`] instruction by instruction.
//!
//! Instructions are appended to the block that is open; closures open the blocks of loops and branches:
//!
//! ```
//! use qcc_kernel::{KernelBuilder, Lane, BinOp};
//!
//! let mut b = KernelBuilder::new("sum-i32", 4);
//! let (x, y) = (b.input("x", 4 * 64), b.output("y", 4 * 16));
//! let row = b.mul(b.task(), 64);
//! let zero = b.splat_i32(0);
//! let sum = b.loop_carried(4, 16, &[zero], |b, at, sum| {
//!     let at = b.index_add(row, at);
//!     let v = b.load(Lane::I32, 16, x.at(at, 0));
//!     vec![b.binary(BinOp::Add, sum[0], v)]
//! });
//! let to = b.mul(b.task(), 16);
//! b.store(y.at(to, 0), 16, sum[0]);
//! let kernel = b.finish();
//! assert!(qcc_kernel::verify(&kernel).is_ok());
//! ```
//!
//! A type error is a bug of the generator: the builder panics with the operation and its operands.

use crate::kernel::{Block, Carried, Inst, Kernel, Loop, Trip};
use crate::op::{BinOp, IndexOp, Op, ShiftOp, UnOp};
use crate::types::{Addr, Buf, BufferDecl, BufferKind, Lane, Ty, VL, Value, Width};

/// Alignment of buffers declared through the builder, in bytes: one cache line.
pub const BUFFER_ALIGN: usize = 64;

/// A kernel under construction.
#[derive(Debug)]
pub struct KernelBuilder {
    name: String,
    width: Width,
    tasks: u32,
    buffers: Vec<BufferDecl>,
    types: Vec<Ty>,
    /// The open blocks, outermost first.
    open: Vec<Block>,
}

impl From<u32> for Trip {
    fn from(count: u32) -> Trip {
        Trip::Const(count)
    }
}

impl From<Value> for Trip {
    fn from(count: Value) -> Trip {
        Trip::Value(count)
    }
}

impl KernelBuilder {
    /// An empty narrow kernel of `tasks` independent tasks.
    pub fn new(name: impl Into<String>, tasks: u32) -> KernelBuilder {
        KernelBuilder::with_width(name, tasks, Width::V128)
    }

    /// An empty kernel of `tasks` independent tasks with registers of that width.
    pub fn with_width(name: impl Into<String>, tasks: u32, width: Width) -> KernelBuilder {
        KernelBuilder {
            name: name.into(),
            width,
            tasks,
            buffers: Vec::new(),
            types: vec![Ty::Index],
            open: vec![Block::new()],
        }
    }

    /// The finished kernel.
    pub fn finish(mut self) -> Kernel {
        assert_eq!(self.open.len(), 1, "this is a bug in qcc: a block of kernel {} is still open", self.name);
        let body = self.open.pop().unwrap_or_default();
        Kernel {
            name: self.name,
            width: self.width,
            buffers: self.buffers,
            tasks: self.tasks,
            types: self.types,
            task: Value(0),
            body,
        }
    }

    /// Width of the vector registers.
    pub fn width(&self) -> Width {
        self.width
    }

    // ---- buffers ----

    /// Declares a buffer.
    pub fn buffer(&mut self, name: &str, bytes: usize, kind: BufferKind) -> Buf {
        self.buffers.push(BufferDecl { name: name.into(), bytes, align: BUFFER_ALIGN, kind });
        Buf(self.buffers.len() as u32 - 1)
    }

    /// Declares a buffer that is read.
    pub fn input(&mut self, name: &str, bytes: usize) -> Buf {
        self.buffer(name, bytes, BufferKind::In)
    }

    /// Declares a buffer that is written.
    pub fn output(&mut self, name: &str, bytes: usize) -> Buf {
        self.buffer(name, bytes, BufferKind::Out)
    }

    /// Declares a buffer of constants.
    pub fn constants(&mut self, name: &str, bytes: usize) -> Buf {
        self.buffer(name, bytes, BufferKind::Const)
    }

    /// The buffers declared so far.
    pub fn buffers(&self) -> &[BufferDecl] {
        &self.buffers
    }

    /// Changes the size of a buffer declared before its size was known.
    pub fn resize(&mut self, buf: Buf, bytes: usize) {
        self.buffers[buf.0 as usize].bytes = bytes;
    }

    // ---- scalars ----

    /// The number of the current task.
    pub fn task(&self) -> Value {
        Value(0)
    }

    /// A scalar constant.
    pub fn index(&mut self, value: i64) -> Value {
        self.op(Op::IndexConst(value))
    }

    /// `a + b`
    pub fn index_add(&mut self, a: Value, b: Value) -> Value {
        self.op(Op::Index { op: IndexOp::Add, a, b })
    }

    /// `a + imm`; `a` itself if `imm` is 0.
    pub fn add(&mut self, a: Value, imm: i64) -> Value {
        if imm == 0 { a } else { self.op(Op::IndexImm { op: IndexOp::Add, a, imm }) }
    }

    /// `a * imm`; `a` itself if `imm` is 1.
    pub fn mul(&mut self, a: Value, imm: i64) -> Value {
        if imm == 1 { a } else { self.op(Op::IndexImm { op: IndexOp::Mul, a, imm }) }
    }

    /// `a / imm`, rounded down, for `a >= 0` and `imm > 0`.
    pub fn div(&mut self, a: Value, imm: i64) -> Value {
        if imm == 1 { a } else { self.op(Op::IndexImm { op: IndexOp::Div, a, imm }) }
    }

    /// `a % imm` for `a >= 0` and `imm > 0`.
    pub fn rem(&mut self, a: Value, imm: i64) -> Value {
        self.op(Op::IndexImm { op: IndexOp::Rem, a, imm })
    }

    /// The smaller of `a` and `imm`.
    pub fn min(&mut self, a: Value, imm: i64) -> Value {
        self.op(Op::IndexImm { op: IndexOp::Min, a, imm })
    }

    /// The larger of `a` and `imm`.
    pub fn max(&mut self, a: Value, imm: i64) -> Value {
        self.op(Op::IndexImm { op: IndexOp::Max, a, imm })
    }

    /// A signed scalar in memory, promised to lie in `lo..=hi`.
    pub fn index_load(&mut self, addr: Addr, bytes: u8, lo: i64, hi: i64) -> Value {
        self.op(Op::IndexLoad { addr, bytes, lo, hi })
    }

    // ---- memory ----

    /// `bytes` (1, 2, 4, 8, 16) of memory, the rest of the register zero.
    pub fn load(&mut self, lane: Lane, bytes: usize, addr: Addr) -> Value {
        self.op(Op::Load { lane, bytes: bytes as u8, addr })
    }

    /// Eight bytes of unsigned lanes, zero-extended.
    pub fn load_widen_u(&mut self, from: Lane, addr: Addr) -> Value {
        self.op(Op::LoadWiden { from, signed: false, addr })
    }

    /// Eight bytes of signed lanes, sign-extended.
    pub fn load_widen_s(&mut self, from: Lane, addr: Addr) -> Value {
        self.op(Op::LoadWiden { from, signed: true, addr })
    }

    /// Four bytes of memory repeated.
    pub fn broadcast32(&mut self, lane: Lane, addr: Addr) -> Value {
        self.op(Op::Broadcast32 { lane, addr })
    }

    /// The low `bytes` (1, 2, 4, 8, 16) of each half of `value` to memory.
    pub fn store(&mut self, addr: Addr, bytes: usize, value: Value) {
        assert!(matches!(bytes, 1 | 2 | 4 | 8 | 16), "this is a bug in qcc: no store of {bytes} bytes");
        self.push(Inst::Store { addr, bytes: bytes as u8, value });
    }

    /// The low `bytes` (0..=16, any number) of each half of `value`, in as many stores as that takes.
    pub fn store_partial(&mut self, addr: Addr, bytes: usize, value: Value) {
        let Ty::Vec(lane) = self.types[value.0 as usize] else { panic!("this is a bug in qcc: store of a scalar") };
        let mut rest = self.unary(UnOp::Bitcast(Lane::I8), value);
        let mut at = 0;
        for piece in [16, 8, 4, 2, 1] {
            if bytes - at >= piece {
                let part = self.unary(UnOp::Bitcast(lane), rest);
                self.store(addr.plus(at as i64), piece, part);
                at += piece;
                if at < bytes {
                    rest = self.shift_bytes_down(rest, piece);
                }
            }
        }
    }

    /// `bytes` (0..=16, any number) of memory, the rest of the register zero.
    pub fn load_partial(&mut self, lane: Lane, bytes: usize, addr: Addr) -> Value {
        let mut all = None;
        let mut at = 0;
        for piece in [16, 8, 4, 2, 1] {
            if bytes - at >= piece {
                let part = self.load(Lane::I8, piece, addr.plus(at as i64));
                let part = self.shift_bytes_up(part, at);
                all = Some(match all {
                    None => part,
                    Some(low) => self.binary(BinOp::Or, low, part),
                });
                at += piece;
            }
        }
        match all {
            Some(v) => self.unary(UnOp::Bitcast(lane), v),
            None => self.op(Op::Splat { lane, bits: 0 }),
        }
    }

    // ---- vectors ----

    /// A constant in every I32 lane.
    pub fn splat_i32(&mut self, value: i32) -> Value {
        self.op(Op::Splat { lane: Lane::I32, bits: value as u32 })
    }

    /// A constant in every I16 lane.
    pub fn splat_i16(&mut self, value: i16) -> Value {
        let half = value as u16 as u32;
        self.op(Op::Splat { lane: Lane::I16, bits: half << 16 | half })
    }

    /// A constant in every I8 lane.
    pub fn splat_i8(&mut self, value: u8) -> Value {
        self.op(Op::Splat { lane: Lane::I8, bits: u32::from(value) * 0x0101_0101 })
    }

    /// A constant in every F32 lane.
    pub fn splat_f32(&mut self, value: f32) -> Value {
        self.op(Op::Splat { lane: Lane::F32, bits: value.to_bits() })
    }

    /// `op a`
    pub fn unary(&mut self, op: UnOp, a: Value) -> Value {
        match (op, self.types[a.0 as usize]) {
            (UnOp::Bitcast(to), Ty::Vec(from)) if to == from => a,
            _ => self.op(Op::Unary { op, a }),
        }
    }

    /// `a op b`
    pub fn binary(&mut self, op: BinOp, a: Value, b: Value) -> Value {
        self.op(Op::Binary { op, a, b })
    }

    /// `acc + a * b`, rounded once.
    pub fn mul_add(&mut self, acc: Value, a: Value, b: Value) -> Value {
        self.op(Op::MulAdd { acc, a, b })
    }

    /// Lanes shifted left by a constant.
    pub fn shl(&mut self, a: Value, bits: u8) -> Value {
        self.op(Op::Shift { op: ShiftOp::Left, a, bits })
    }

    /// Lanes shifted right by a constant, zeros coming in.
    pub fn shr_u(&mut self, a: Value, bits: u8) -> Value {
        self.op(Op::Shift { op: ShiftOp::RightU, a, bits })
    }

    /// Lanes shifted right by a constant, the sign coming in.
    pub fn shr_s(&mut self, a: Value, bits: u8) -> Value {
        self.op(Op::Shift { op: ShiftOp::RightS, a, bits })
    }

    /// `mask & a | !mask & b`
    pub fn select(&mut self, mask: Value, a: Value, b: Value) -> Value {
        self.op(Op::Select { mask, a, b })
    }

    /// One 32-bit lane in every lane.
    pub fn broadcast_lane(&mut self, a: Value, lane: u8) -> Value {
        self.op(Op::BroadcastLane { a, lane })
    }

    /// Bytes picked from `a` (0..16) and `b` (16..32).
    pub fn shuffle(&mut self, a: Value, b: Value, bytes: [u8; VL]) -> Value {
        self.op(Op::Shuffle { a, b, bytes })
    }

    /// The halves of a wide register in each other's place.
    pub fn swap_halves(&mut self, a: Value) -> Value {
        self.unary(UnOp::SwapHalves, a)
    }

    /// The register moved toward lane 0 by `bytes`; zeros come in at the top.
    pub fn shift_bytes_down(&mut self, a: Value, bytes: usize) -> Value {
        self.slide(a, bytes as i64)
    }

    /// The register moved away from lane 0 by `bytes`; zeros come in at the bottom.
    pub fn shift_bytes_up(&mut self, a: Value, bytes: usize) -> Value {
        if bytes == 0 { a } else { self.slide(a, -(bytes as i64)) }
    }

    /// For each byte of `a`, the byte at `table + a`.
    pub fn lookup8(&mut self, table: Addr, a: Value) -> Value {
        self.op(Op::Lookup8 { table, a })
    }

    /// For each I32 lane of `a` in `0..limit`, the 32-bit word at `table + 4 * a`.
    pub fn lookup32(&mut self, lane: Lane, table: Addr, limit: u32, a: Value) -> Value {
        self.op(Op::Lookup32 { lane, table, limit, a })
    }

    /// Appends any operation and returns its value.
    pub fn op(&mut self, op: Op) -> Value {
        let ty = match op.result(|v| self.types[v.0 as usize]) {
            Ok(ty) => ty,
            Err(why) => panic!("this is a bug in qcc: kernel {}: {why} in {op:?}", self.name),
        };
        let dst = self.fresh(ty);
        self.push(Inst::Let { dst, op });
        dst
    }

    /// Type of a value.
    pub fn ty(&self, value: Value) -> Ty {
        self.types[value.0 as usize]
    }

    // ---- control ----

    /// A loop without loop-carried values; the closure gets `i * step`.
    pub fn loop_(&mut self, trip: impl Into<Trip>, step: i64, body: impl FnOnce(&mut Self, Value)) {
        self.loop_carried(trip, step, &[], |b, i, _| {
            body(b, i);
            Vec::new()
        });
    }

    /// A loop; the closure gets `i * step` and the carried values, and returns the next ones. Returns the last ones.
    pub fn loop_carried(
        &mut self,
        trip: impl Into<Trip>,
        step: i64,
        init: &[Value],
        body: impl FnOnce(&mut Self, Value, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        let trip = trip.into();
        let index = self.fresh(Ty::Index);
        let params: Vec<Value> = init.iter().map(|v| self.fresh(self.types[v.0 as usize])).collect();
        self.open.push(Block::new());
        let next = body(self, index, &params);
        let block = self.open.pop().unwrap_or_default();
        assert_eq!(next.len(), init.len(), "this is a bug in qcc: a loop returns the values it carries");
        let results: Vec<Value> = init.iter().map(|v| self.fresh(self.types[v.0 as usize])).collect();
        let carried = (0..init.len())
            .map(|i| Carried { init: init[i], param: params[i], next: next[i], result: results[i] })
            .collect();
        self.push(Inst::Loop(Loop { trip, step, index, carried, body: block }));
        results
    }

    /// `if value < bound { then } else { otherwise }`
    pub fn if_less(
        &mut self,
        value: Value,
        bound: i64,
        then: impl FnOnce(&mut Self),
        otherwise: impl FnOnce(&mut Self),
    ) {
        self.open.push(Block::new());
        then(self);
        let then = self.open.pop().unwrap_or_default();
        self.open.push(Block::new());
        otherwise(self);
        let otherwise = self.open.pop().unwrap_or_default();
        self.push(Inst::If { value, bound, then, otherwise });
    }

    fn slide(&mut self, a: Value, by: i64) -> Value {
        let Ty::Vec(lane) = self.types[a.0 as usize] else { panic!("this is a bug in qcc: slide of a scalar") };
        let zero = self.op(Op::Splat { lane, bits: 0 });
        let bytes = std::array::from_fn(|i| {
            let from = i as i64 + by;
            if (0..VL as i64).contains(&from) { from as u8 } else { VL as u8 }
        });
        self.shuffle(a, zero, bytes)
    }

    fn fresh(&mut self, ty: Ty) -> Value {
        self.types.push(ty);
        Value(self.types.len() as u32 - 1)
    }

    fn push(&mut self, inst: Inst) {
        if let Some(block) = self.open.last_mut() {
            block.push(inst);
        }
    }
}
