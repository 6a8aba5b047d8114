//! Machine code under construction: instructions, labels, constants.

use iced_x86::{BlockEncoder, BlockEncoderOptions, Code, Instruction, InstructionBlock, MemoryOperand, Register};

use super::pool::Pool;

/// A place in the code that is jumped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(usize);

/// Addresses by which the encoder knows instructions; those of constants are below.
const FIRST: u64 = 1 << 40;

/// Alignment of the constants, and of the code behind them.
pub const ALIGN: usize = 64;

/// The instructions so far.
#[derive(Debug, Default)]
pub struct Assembly {
    instructions: Vec<Instruction>,
    /// For each label the number of the instruction behind it.
    labels: Vec<Option<usize>>,
    /// Jumps and their labels.
    jumps: Vec<(usize, Label)>,
    /// Constants.
    pub pool: Pool,
    /// The first thing that could not be expressed.
    error: Option<String>,
}

/// A last operand: a register or memory.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    /// In a register.
    Reg(Register),
    /// In memory.
    Mem(MemoryOperand),
}

impl Assembly {
    /// A label, not placed yet.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Places a label here.
    pub fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.instructions.len());
    }

    /// A jump.
    pub fn jump(&mut self, code: Code, to: Label) {
        self.jumps.push((self.instructions.len(), to));
        self.push(Instruction::with_branch(code, FIRST));
    }

    /// An instruction without operands.
    pub fn plain(&mut self, code: Code) {
        self.instructions.push(Instruction::with(code));
    }

    /// An instruction with one operand.
    pub fn one(&mut self, code: Code, a: Register) {
        self.push(Instruction::with1(code, a));
    }

    /// An instruction with memory as its one operand.
    pub fn one_mem(&mut self, code: Code, a: MemoryOperand) {
        self.push(Instruction::with1(code, a));
    }

    /// An instruction with two operands.
    pub fn two(&mut self, code: Code, dst: Register, a: Operand) {
        self.push(match a {
            Operand::Reg(a) => Instruction::with2(code, dst, a),
            Operand::Mem(a) => Instruction::with2(code, dst, a),
        });
    }

    /// An instruction that stores a register.
    pub fn store(&mut self, code: Code, to: MemoryOperand, a: Register) {
        self.push(Instruction::with2(code, to, a));
    }

    /// An instruction that stores part of a register.
    pub fn store_imm(&mut self, code: Code, to: MemoryOperand, a: Register, imm: i32) {
        self.push(Instruction::with3(code, to, a, imm));
    }

    /// An instruction with a register and an immediate.
    pub fn imm(&mut self, code: Code, a: Register, imm: i32) {
        self.push(Instruction::with2(code, a, imm));
    }

    /// The load of a 64-bit constant.
    pub fn imm64(&mut self, a: Register, imm: i64) {
        self.push(Instruction::with2(Code::Mov_r64_imm64, a, imm));
    }

    /// An instruction with registers only and an immediate, the result first.
    pub fn two_imm_to(&mut self, code: Code, dst: Register, a: Register, imm: i32) {
        self.push(Instruction::with3(code, dst, a, imm));
    }

    /// An instruction with two operands and an immediate.
    pub fn two_imm(&mut self, code: Code, dst: Register, a: Operand, imm: i32) {
        self.push(match a {
            Operand::Reg(a) => Instruction::with3(code, dst, a, imm),
            Operand::Mem(a) => Instruction::with3(code, dst, a, imm),
        });
    }

    /// An instruction with three operands.
    pub fn three(&mut self, code: Code, dst: Register, a: Register, b: Operand) {
        self.push(match b {
            Operand::Reg(b) => Instruction::with3(code, dst, a, b),
            Operand::Mem(b) => Instruction::with3(code, dst, a, b),
        });
    }

    /// An instruction with registers only, the last of which says what is taken from the one before.
    pub fn blend(&mut self, code: Code, dst: Register, a: Register, b: Register, mask: Register) {
        self.push(Instruction::with4(code, dst, a, b, mask));
    }

    /// An instruction with memory in the middle: a gather.
    pub fn gather(&mut self, code: Code, dst: Register, from: MemoryOperand, mask: Register) {
        self.push(Instruction::with3(code, dst, from, mask));
    }

    /// An instruction with three operands and an immediate.
    pub fn three_imm(&mut self, code: Code, dst: Register, a: Register, b: Operand, imm: i32) {
        self.push(match b {
            Operand::Reg(b) => Instruction::with4(code, dst, a, b, imm),
            Operand::Mem(b) => Instruction::with4(code, dst, a, b, imm),
        });
    }

    /// The bytes of constants and code, and where the code begins.
    ///
    /// # Errors
    /// What cannot be encoded: a bug of the code generator.
    pub fn finish(mut self) -> Result<(Vec<u8>, usize), String> {
        if let Some(error) = self.error {
            return Err(error);
        }
        for &(at, label) in &self.jumps {
            let to = self.labels[label.0].ok_or("a jump to nowhere")?;
            self.instructions[at].set_near_branch64(FIRST + to as u64);
        }
        for (i, instruction) in self.instructions.iter_mut().enumerate() {
            instruction.set_ip(FIRST + i as u64);
        }
        let mut bytes = self.pool.into_bytes();
        bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
        let start = bytes.len();
        let block = InstructionBlock::new(&self.instructions, start as u64);
        let encoded = BlockEncoder::encode(64, block, BlockEncoderOptions::NONE).map_err(|e| e.to_string())?;
        bytes.extend_from_slice(&encoded.code_buffer);
        Ok((bytes, start))
    }

    fn push(&mut self, instruction: Result<Instruction, iced_x86::IcedError>) {
        match instruction {
            Ok(instruction) => self.instructions.push(instruction),
            Err(e) => self.error = self.error.take().or(Some(e.to_string())),
        }
    }
}
