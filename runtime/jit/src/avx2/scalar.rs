//! Scalars: index arithmetic in general registers. RAX and RDX belong to no value.

use iced_x86::{Code, MemoryOperand, Register};
use qcc_kernel::{Addr, IndexOp, Op, Value};

use super::code::{Label, Operand};
use super::emit::{Emitter, Location, stack};

impl Emitter<'_, '_> {
    /// A scalar in a register, in `scratch` if it must be loaded first.
    pub fn scalar(&mut self, v: Value, scratch: Register) -> Register {
        match self.location(v) {
            Location::Register(r) => r,
            Location::Frame(at) => {
                self.code.two(Code::Mov_r64_rm64, scratch, Operand::Mem(stack(at)));
                scratch
            }
            Location::Constant(v) => {
                self.load_index(v, scratch);
                scratch
            }
        }
    }

    /// The register a scalar is computed in.
    pub fn scalar_result(&mut self, v: Value, scratch: Register) -> Register {
        match self.location(v) {
            Location::Register(r) => r,
            _ => scratch,
        }
    }

    /// Puts a scalar that was computed in `r` into its place.
    pub fn finish_scalar(&mut self, v: Value, r: Register) {
        if let Location::Frame(at) = self.location(v) {
            self.code.store(Code::Mov_rm64_r64, stack(at), r);
        }
    }

    /// Loads a constant scalar.
    pub fn load_index(&mut self, v: Value, to: Register) {
        match self.line.op(v) {
            Some(Op::IndexConst(value)) => self.immediate(to, *value),
            _ => panic!("this is a bug in qcc: kernel {}: {v} is no constant", self.line.kernel.name),
        }
    }

    /// Sets a register to zero.
    pub fn zero(&mut self, r: Register) {
        let low = Register::EAX + (r as u32 - Register::RAX as u32);
        self.code.two(Code::Xor_r32_rm32, low, Operand::Reg(low));
    }

    fn immediate(&mut self, to: Register, value: i64) {
        match i32::try_from(value) {
            Ok(0) => self.zero(to),
            Ok(value) => self.code.imm(Code::Mov_rm64_imm32, to, value),
            Err(_) => self.code.imm64(to, value),
        }
    }

    /// Compares a register with a number. May change RDX.
    pub fn compare(&mut self, r: Register, with: i64) {
        match i32::try_from(with) {
            Ok(with) => self.code.imm(Code::Cmp_rm64_imm32, r, with),
            Err(_) => {
                self.code.imm64(Register::RDX, with);
                self.code.two(Code::Cmp_r64_rm64, r, Operand::Reg(Register::RDX));
            }
        }
    }

    /// Compares a register with a value.
    pub fn compare_values(&mut self, r: Register, with: Value) {
        let with = self.scalar(with, Register::RDX);
        self.code.two(Code::Cmp_r64_rm64, r, Operand::Reg(with));
    }

    /// `dst = a + imm`. May change RDX.
    pub fn add_immediate(&mut self, dst: Register, a: Register, imm: i64) {
        match i32::try_from(imm) {
            Ok(imm) if dst == a => self.code.imm(Code::Add_rm64_imm32, dst, imm),
            Ok(_) => {
                let sum = MemoryOperand::with_base_displ(a, imm);
                self.code.two(Code::Lea_r64_m, dst, Operand::Mem(sum));
            }
            Err(_) => {
                self.code.imm64(Register::RDX, imm);
                let sum = MemoryOperand::with_base_index(a, Register::RDX);
                self.code.two(Code::Lea_r64_m, dst, Operand::Mem(sum));
            }
        }
    }

    /// `dst = a * imm`, whatever place `dst` has.
    pub fn multiply(&mut self, dst: Value, a: Value, imm: i64) {
        let a = self.scalar(a, Register::RAX);
        let to = self.scalar_result(dst, Register::RAX);
        match i32::try_from(imm) {
            Ok(imm) if imm > 0 && imm & (imm - 1) == 0 => {
                self.copy(to, a);
                if imm > 1 {
                    self.code.imm(Code::Shl_rm64_imm8, to, imm.trailing_zeros() as i32);
                }
            }
            Ok(imm) => self.code.two_imm(Code::Imul_r64_rm64_imm32, to, Operand::Reg(a), imm),
            Err(_) => {
                self.code.imm64(Register::RDX, imm);
                self.copy(Register::RAX, a);
                self.code.two(Code::Imul_r64_rm64, Register::RAX, Operand::Reg(Register::RDX));
                self.copy(to, Register::RAX);
            }
        }
        self.finish_scalar(dst, to);
    }

    fn copy(&mut self, to: Register, from: Register) {
        if to != from {
            self.code.two(Code::Mov_r64_rm64, to, Operand::Reg(from));
        }
    }

    /// An operation that gives a scalar.
    pub fn scalar_operation(&mut self, dst: Value, op: &Op) {
        match op {
            Op::IndexConst(value) => {
                // What has no register is loaded where it is used.
                if let Location::Register(r) = self.location(dst) {
                    self.immediate(r, *value);
                }
            }
            Op::Index { op, a, b } => self.index(dst, *op, *a, *b),
            Op::IndexImm { op, a, imm } => self.index_immediate(dst, *op, *a, *imm),
            Op::IndexLoad { addr, bytes, lo, hi } => self.index_load(dst, *addr, *bytes, (*lo, *hi)),
            other => unreachable!("this is a bug in qcc: {other:?} gives no scalar"),
        }
    }

    fn index(&mut self, dst: Value, op: IndexOp, a: Value, b: Value) {
        let (a, b) = (self.scalar(a, Register::RAX), self.scalar(b, Register::RDX));
        let to = self.scalar_result(dst, Register::RAX);
        match op {
            IndexOp::Add => {
                let sum = MemoryOperand::with_base_index(a, b);
                self.code.two(Code::Lea_r64_m, to, Operand::Mem(sum));
            }
            IndexOp::Sub | IndexOp::Mul => {
                self.copy(Register::RAX, a);
                let code = if op == IndexOp::Sub { Code::Sub_r64_rm64 } else { Code::Imul_r64_rm64 };
                self.code.two(code, Register::RAX, Operand::Reg(b));
                self.copy(to, Register::RAX);
            }
            IndexOp::Min | IndexOp::Max => self.pick(to, op, a, b),
            IndexOp::Div | IndexOp::Rem => {
                self.code.store(Code::Mov_rm64_r64, stack(0), b);
                self.divide(to, op, a, stack(0));
            }
        }
        self.finish_scalar(dst, to);
    }

    fn pick(&mut self, to: Register, op: IndexOp, a: Register, b: Register) {
        self.copy(Register::RAX, a);
        self.code.two(Code::Cmp_r64_rm64, Register::RAX, Operand::Reg(b));
        let code = if op == IndexOp::Min { Code::Cmovg_r64_rm64 } else { Code::Cmovl_r64_rm64 };
        self.code.two(code, Register::RAX, Operand::Reg(b));
        self.copy(to, Register::RAX);
    }

    /// Quotient or remainder of unsigned numbers; a divisor of zero is not checked.
    fn divide(&mut self, to: Register, op: IndexOp, a: Register, by: MemoryOperand) {
        self.copy(Register::RAX, a);
        self.zero(Register::RDX);
        self.code.one_mem(Code::Div_rm64, by);
        self.copy(to, if op == IndexOp::Div { Register::RAX } else { Register::RDX });
    }

    fn index_immediate(&mut self, dst: Value, op: IndexOp, a: Value, imm: i64) {
        if op == IndexOp::Mul {
            return self.multiply(dst, a, imm);
        }
        let a = self.scalar(a, Register::RAX);
        let to = self.scalar_result(dst, Register::RAX);
        let power = imm > 0 && imm & (imm - 1) == 0;
        match op {
            IndexOp::Add => self.add_immediate(to, a, imm),
            IndexOp::Sub => self.add_immediate(to, a, -imm),
            IndexOp::Div if power => {
                self.copy(to, a);
                if imm > 1 {
                    self.code.imm(Code::Shr_rm64_imm8, to, imm.trailing_zeros() as i32);
                }
            }
            IndexOp::Rem if power && imm <= i64::from(i32::MAX) => {
                self.copy(to, a);
                self.code.imm(Code::And_rm64_imm32, to, (imm - 1) as i32);
            }
            IndexOp::Div | IndexOp::Rem => {
                let at = self.code.pool.scalar(imm);
                self.divide(to, op, a, MemoryOperand::with_base_displ(Register::RIP, at));
            }
            IndexOp::Min | IndexOp::Max => {
                self.immediate(Register::RDX, imm);
                self.pick(to, op, a, Register::RDX);
            }
            IndexOp::Mul => unreachable!("this is a bug in qcc: products are handled above"),
        }
        self.finish_scalar(dst, to);
    }

    fn index_load(&mut self, dst: Value, addr: Addr, bytes: u8, promised: (i64, i64)) {
        let at = self.memory(addr);
        let to = self.scalar_result(dst, Register::RAX);
        let code = match bytes {
            1 => Code::Movsx_r64_rm8,
            2 => Code::Movsx_r64_rm16,
            4 => Code::Movsxd_r64_rm32,
            _ => Code::Mov_r64_rm64,
        };
        self.code.two(code, to, Operand::Mem(at));
        self.keep_promise(to, promised);
        self.finish_scalar(dst, to);
    }

    /// Replaces a number outside of `lo..=hi` by `hi`: what was promised of memory is relied on by addresses, and memory
    /// may hold anything. A number inside passes one jump that is not taken, or two.
    fn keep_promise(&mut self, r: Register, (lo, hi): (i64, i64)) {
        let (outside, back) = (self.code.label(), self.code.label());
        if lo == 0 {
            // Without a sign, numbers below zero are the largest.
            self.compare(r, hi);
            self.code.jump(Code::Ja_rel32_64, outside);
        } else {
            self.compare(r, lo);
            self.code.jump(Code::Jl_rel32_64, outside);
            self.compare(r, hi);
            self.code.jump(Code::Jg_rel32_64, outside);
        }
        self.code.bind(back);
        self.broken.push(BrokenPromise { outside, register: r, value: hi, back });
    }

    /// What follows the function: the code for promises that were broken.
    pub fn broken_promises(&mut self) {
        for BrokenPromise { outside, register, value, back } in std::mem::take(&mut self.broken) {
            self.code.bind(outside);
            self.immediate(register, value);
            self.code.jump(Code::Jmp_rel32_64, back);
        }
    }
}

/// Code beside the way: sets a register and goes back.
pub struct BrokenPromise {
    outside: Label,
    register: Register,
    value: i64,
    back: Label,
}
