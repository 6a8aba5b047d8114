//! Kernel IR to CLIF: scalars, memory and control flow. Vector operations are in `vector`.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, AbiParam, BlockArg, Function, InstBuilder, MemFlagsData, types};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use qcc_kernel::{Addr, Block, IndexOp, Inst, Kernel, Lane, Loop, Op, Trip, Ty, Value};

use crate::cpu::DotInstruction;

/// Translates a verified, narrow kernel into `func`, with the signature `extern "C" fn(bufs, begin, end)`.
pub fn translate(
    kernel: &Kernel,
    isa: &dyn TargetIsa,
    dot4: Option<DotInstruction>,
    func: &mut Function,
    frontend: &mut FunctionBuilderContext,
) {
    let pointer = isa.pointer_type();
    signature(isa, func);
    let mut b = FunctionBuilder::new(func, frontend);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    let (bufs, begin, end) = (b.block_params(entry)[0], b.block_params(entry)[1], b.block_params(entry)[2]);
    let flags = MemFlagsData::new().with_notrap().with_aligned();
    let bases = (0..kernel.buffers.len())
        .map(|i| b.ins().load(pointer, flags, bufs, (i * pointer.bytes() as usize) as i32))
        .collect();
    let x86 = isa.name() == "x64";
    let mut t = Translator { kernel, b, bases, values: vec![None; kernel.types.len()], x86, dot4 };
    t.tasks(begin, end);
    t.b.seal_all_blocks();
    t.b.finalize(isa.frontend_config());
}

/// Gives a function the signature `extern "C" fn(bufs, begin, end)`.
pub fn signature(isa: &dyn TargetIsa, func: &mut Function) {
    func.signature.call_conv = isa.default_call_conv();
    func.signature.params =
        vec![AbiParam::new(isa.pointer_type()), AbiParam::new(types::I64), AbiParam::new(types::I64)];
}

/// State of one translation.
pub struct Translator<'k, 'f> {
    kernel: &'k Kernel,
    /// The function under construction.
    pub b: FunctionBuilder<'f>,
    bases: Vec<ir::Value>,
    values: Vec<Option<ir::Value>>,
    /// Whether x86-only operations exist.
    pub x86: bool,
    /// The instruction for dot products of four bytes, which is selected from its tree only.
    pub dot4: Option<DotInstruction>,
}

impl Translator<'_, '_> {
    fn tasks(&mut self, begin: ir::Value, end: ir::Value) {
        let (header, body, exit) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        let task = self.b.append_block_param(header, types::I64);
        self.b.ins().jump(header, &[BlockArg::Value(begin)]);
        self.b.switch_to_block(header);
        let more = self.b.ins().icmp(IntCC::UnsignedLessThan, task, end);
        self.b.ins().brif(more, body, &[], exit, &[]);
        self.b.switch_to_block(body);
        self.set(self.kernel.task, task);
        self.block(&self.kernel.body);
        let next = self.b.ins().iadd_imm_s(task, 1);
        self.b.ins().jump(header, &[BlockArg::Value(next)]);
        self.b.switch_to_block(exit);
        self.b.ins().return_(&[]);
    }

    fn block(&mut self, block: &Block) {
        for inst in block {
            match inst {
                Inst::Let { dst, op } => {
                    let value = self.op(op);
                    self.set(*dst, value);
                }
                Inst::Store { addr, bytes, value } => self.store(*addr, *bytes, *value),
                Inst::Loop(l) => self.loop_(l),
                Inst::If { value, bound, then, otherwise } => self.branch(*value, *bound, then, otherwise),
            }
        }
    }

    /// Loops are rotated: one test at the end of each iteration, and before the first only if the trip count varies.
    fn loop_(&mut self, l: &Loop) {
        let zero = match l.trip {
            Trip::Const(0) => {
                for c in &l.carried {
                    self.set(c.result, self.get(c.init));
                }
                return;
            }
            _ => self.b.ins().iconst(types::I64, 0),
        };
        if l.trip == Trip::Const(1) {
            self.set(l.index, zero);
            for c in &l.carried {
                self.set(c.param, self.get(c.init));
            }
            self.block(&l.body);
            for c in &l.carried {
                self.set(c.result, self.get(c.next));
            }
            return;
        }
        let (header, exit) = (self.b.create_block(), self.b.create_block());
        let index = self.b.append_block_param(header, types::I64);
        let inits: Vec<ir::Value> = l.carried.iter().map(|c| self.get(c.init)).collect();
        for c in &l.carried {
            let ty = self.clif_type(c.init);
            let (param, result) = (self.b.append_block_param(header, ty), self.b.append_block_param(exit, ty));
            self.set(c.param, param);
            self.set(c.result, result);
        }
        let enter: Vec<BlockArg> = [zero].iter().chain(&inits).map(|&v| BlockArg::Value(v)).collect();
        let skip: Vec<BlockArg> = inits.iter().map(|&v| BlockArg::Value(v)).collect();
        let end = match l.trip {
            Trip::Const(n) => {
                self.b.ins().jump(header, &enter);
                Err(i64::from(n) * l.step)
            }
            Trip::Value(trip) => {
                let trip = self.get(trip);
                let end = self.b.ins().imul_imm_s(trip, l.step);
                let any = self.b.ins().icmp_imm_s(IntCC::SignedGreaterThan, trip, 0);
                self.b.ins().brif(any, header, &enter, exit, &skip);
                Ok(end)
            }
        };
        self.b.switch_to_block(header);
        self.set(l.index, index);
        self.block(&l.body);
        let next_index = self.b.ins().iadd_imm_s(index, l.step);
        let more = match end {
            Ok(end) => self.b.ins().icmp(IntCC::SignedLessThan, next_index, end),
            Err(end) => self.b.ins().icmp_imm_s(IntCC::SignedLessThan, next_index, end),
        };
        let nexts: Vec<ir::Value> = l.carried.iter().map(|c| self.get(c.next)).collect();
        let again: Vec<BlockArg> = [next_index].iter().chain(&nexts).map(|&v| BlockArg::Value(v)).collect();
        let leave: Vec<BlockArg> = nexts.iter().map(|&v| BlockArg::Value(v)).collect();
        self.b.ins().brif(more, header, &again, exit, &leave);
        self.b.switch_to_block(exit);
    }

    fn branch(&mut self, value: Value, bound: i64, then: &Block, otherwise: &Block) {
        let (yes, no, exit) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        let value = self.get(value);
        let below = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, value, bound);
        self.b.ins().brif(below, yes, &[], no, &[]);
        for (block, insts) in [(yes, then), (no, otherwise)] {
            self.b.switch_to_block(block);
            self.block(insts);
            self.b.ins().jump(exit, &[]);
        }
        self.b.switch_to_block(exit);
    }

    fn op(&mut self, op: &Op) -> ir::Value {
        match op {
            Op::IndexConst(v) => self.b.ins().iconst(types::I64, *v),
            Op::Index { op, a, b } => {
                let (a, b) = (self.get(*a), self.get(*b));
                self.index(*op, a, b)
            }
            Op::IndexImm { op, a, imm } => self.index_imm(*op, *a, *imm),
            Op::IndexLoad { addr, bytes, lo, hi } => {
                let (base, offset) = self.address(*addr);
                let flags = notrap();
                let loaded = match bytes {
                    1 => self.b.ins().sload8(types::I64, flags, base, offset),
                    2 => self.b.ins().sload16(types::I64, flags, base, offset),
                    4 => self.b.ins().sload32(flags, base, offset),
                    _ => self.b.ins().load(types::I64, flags, base, offset),
                };
                self.promised(loaded, *lo, *hi)
            }
            Op::Load { lane, bytes, addr } => self.load(*lane, *bytes, *addr),
            Op::LoadWiden { from, signed, addr } => {
                let (base, offset) = self.address(*addr);
                let ins = self.b.ins();
                match (from, signed) {
                    (Lane::I8, false) => ins.uload8x8(notrap(), base, offset),
                    (Lane::I8, true) => ins.sload8x8(notrap(), base, offset),
                    (_, false) => ins.uload16x4(notrap(), base, offset),
                    (_, true) => ins.sload16x4(notrap(), base, offset),
                }
            }
            Op::Broadcast32 { lane, addr } => {
                let (base, offset) = self.address(*addr);
                let word = self.b.ins().load(types::F32, notrap(), base, offset);
                let all = self.b.ins().splat(types::F32X4, word);
                self.cast(*lane, all)
            }
            Op::Lookup8 { table, a } => self.lookup8(*table, *a),
            Op::Lookup32 { lane, table, limit, a } => self.lookup32(*lane, *table, *limit, *a),
            vector => self.vector_op(vector),
        }
    }

    fn index(&mut self, op: IndexOp, a: ir::Value, b: ir::Value) -> ir::Value {
        let ins = self.b.ins();
        match op {
            IndexOp::Add => ins.iadd(a, b),
            IndexOp::Sub => ins.isub(a, b),
            IndexOp::Mul => ins.imul(a, b),
            IndexOp::Div => ins.udiv(a, b),
            IndexOp::Rem => ins.urem(a, b),
            IndexOp::Min => {
                let less = ins.icmp(IntCC::SignedLessThan, a, b);
                self.b.ins().select(less, a, b)
            }
            IndexOp::Max => {
                let more = ins.icmp(IntCC::SignedGreaterThan, a, b);
                self.b.ins().select(more, a, b)
            }
        }
    }

    fn index_imm(&mut self, op: IndexOp, a: Value, imm: i64) -> ir::Value {
        let a = self.get(a);
        let power = imm > 0 && imm & (imm - 1) == 0;
        match op {
            IndexOp::Add => self.b.ins().iadd_imm_s(a, imm),
            IndexOp::Sub => self.b.ins().iadd_imm_s(a, -imm),
            IndexOp::Mul if power => self.b.ins().ishl_imm_s(a, i64::from(imm.trailing_zeros())),
            IndexOp::Mul => self.b.ins().imul_imm_s(a, imm),
            IndexOp::Div if power => self.b.ins().ushr_imm_s(a, i64::from(imm.trailing_zeros())),
            IndexOp::Rem if power => self.b.ins().band_imm_s(a, imm - 1),
            IndexOp::Div | IndexOp::Rem | IndexOp::Min | IndexOp::Max => {
                let b = self.b.ins().iconst(types::I64, imm);
                self.index(op, a, b)
            }
        }
    }

    fn load(&mut self, lane: Lane, bytes: u8, addr: Addr) -> ir::Value {
        let (base, offset) = self.address(addr);
        let whole = match bytes {
            16 => return self.b.ins().load(clif_lane(lane), notrap(), base, offset),
            8 => {
                let word = self.b.ins().load(types::I64, notrap(), base, offset);
                self.b.ins().scalar_to_vector(types::I64X2, word)
            }
            _ => {
                let word = match bytes {
                    4 => self.b.ins().load(types::I32, notrap(), base, offset),
                    2 => self.b.ins().uload16(types::I32, notrap(), base, offset),
                    _ => self.b.ins().uload8(types::I32, notrap(), base, offset),
                };
                self.b.ins().scalar_to_vector(types::I32X4, word)
            }
        };
        self.cast(lane, whole)
    }

    fn store(&mut self, addr: Addr, bytes: u8, value: Value) {
        let value = self.get(value);
        let stored = match bytes {
            16 => value,
            8 => self.low(types::I64X2, value),
            4 => self.low(types::I32X4, value),
            2 => self.low(types::I16X8, value),
            _ => self.low(types::I8X16, value),
        };
        let (base, offset) = self.address(addr);
        self.b.ins().store(notrap(), stored, base, offset);
    }

    fn low(&mut self, ty: ir::Type, value: ir::Value) -> ir::Value {
        let seen = self.cast_to(ty, value);
        self.b.ins().extractlane(seen, 0)
    }

    fn lookup8(&mut self, table: Addr, a: Value) -> ir::Value {
        let (base, offset) = self.address(table);
        let codes = self.get(a);
        let halves = self.cast_to(types::I64X2, codes);
        let zero = self.vconst(types::I8X16, [0; 16]);
        let mut out = zero;
        for half in 0..2u8 {
            let word = self.b.ins().extractlane(halves, half);
            for i in 0..8u8 {
                let code = self.b.ins().ushr_imm_s(word, 8 * i64::from(i));
                let code = self.b.ins().ireduce(types::I8, code);
                let code = self.b.ins().uextend(types::I64, code);
                let at = self.b.ins().iadd(base, code);
                let byte = self.b.ins().load(types::I8, notrap(), at, offset);
                out = self.b.ins().insertlane(out, byte, 8 * half + i);
            }
        }
        out
    }

    /// The number, or `hi` if it is outside of `lo..=hi`: memory may hold anything, and addresses rely on the promise.
    fn promised(&mut self, number: ir::Value, lo: i64, hi: i64) -> ir::Value {
        let last = self.b.ins().iconst(types::I64, hi);
        let below = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, number, lo);
        let above = self.b.ins().icmp(IntCC::SignedGreaterThan, number, last);
        let outside = self.b.ins().bor(below, above);
        self.b.ins().select(outside, last, number)
    }

    fn lookup32(&mut self, lane: Lane, table: Addr, limit: u32, a: Value) -> ir::Value {
        let (base, offset) = self.address(table);
        let last = (limit - 1).to_le_bytes();
        let last = self.vconst(types::I32X4, std::array::from_fn(|i| last[i % 4]));
        let index = self.get(a);
        let index = self.b.ins().umin(index, last);
        let mut out = self.vconst(types::I32X4, [0; 16]);
        for i in 0..4u8 {
            let x = self.b.ins().extractlane(index, i);
            let x = self.b.ins().uextend(types::I64, x);
            let x = self.b.ins().ishl_imm_s(x, 2);
            let at = self.b.ins().iadd(base, x);
            let word = self.b.ins().load(types::I32, notrap(), at, offset);
            out = self.b.ins().insertlane(out, word, i);
        }
        self.cast(lane, out)
    }

    /// Base register and displacement of an address.
    fn address(&mut self, addr: Addr) -> (ir::Value, i32) {
        let mut base = self.bases[addr.buf.0 as usize];
        if let Some(index) = addr.index {
            let index = self.get(index);
            base = self.b.ins().iadd(base, index);
        }
        match i32::try_from(addr.offset) {
            Ok(offset) => (base, offset),
            Err(_) => (self.b.ins().iadd_imm_s(base, addr.offset), 0),
        }
    }

    fn clif_type(&self, v: Value) -> ir::Type {
        match self.kernel.types[v.0 as usize] {
            Ty::Vec(lane) => clif_lane(lane),
            Ty::Index => types::I64,
        }
    }

    /// Lanes of a vector value.
    pub fn lane(&self, v: Value) -> Lane {
        match self.kernel.types[v.0 as usize] {
            Ty::Vec(lane) => lane,
            Ty::Index => panic!("this is a bug in qcc: kernel {} uses scalar {v} as a vector", self.kernel.name),
        }
    }

    /// The CLIF value of a kernel value.
    pub fn get(&self, v: Value) -> ir::Value {
        match self.values[v.0 as usize] {
            Some(value) => value,
            None => panic!("this is a bug in qcc: kernel {} uses {v} before its definition", self.kernel.name),
        }
    }

    fn set(&mut self, v: Value, value: ir::Value) {
        self.values[v.0 as usize] = Some(value);
    }
}

/// The CLIF type of a register with these lanes.
pub fn clif_lane(lane: Lane) -> ir::Type {
    match lane {
        Lane::I8 => types::I8X16,
        Lane::I16 => types::I16X8,
        Lane::I32 => types::I32X4,
        Lane::F32 => types::F32X4,
    }
}

/// Accesses are in bounds by construction; vectors may lie at any address.
fn notrap() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}
