//! The frame, control flow and moves: instructions for the items of a line, with every value in its place.

use iced_x86::{Code, MemoryOperand, Register};
use qcc_kernel::{Addr, Trip, Value, Width};

use super::allocate::{Place, allocate};
use super::code::{Assembly, Label, Operand};
use super::codes;
use super::linear::{Item, Linear};
use super::live::{Lives, has_bound};
use super::pool;
use super::scalar::BrokenPromise;

/// Why there is no code.
#[derive(Debug)]
pub enum Failure {
    /// So many spilled values meet in an instruction that takes registers only: more than registers are reserved.
    Needs(usize),
    /// A bug.
    Encoding(String),
}

/// Scalar registers given to values: those a function may change first.
const SCALARS: [Register; 13] = [
    Register::RCX,
    Register::RSI,
    Register::RDI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::RBX,
    Register::RBP,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];

/// How many of them a function may change.
const VOLATILE: usize = 7;

/// Vector registers.
const VECTORS: usize = 16;

/// The number of a result among the operands of an item, of which there are three at most.
const RESULT: usize = 3;

/// Bytes of the frame in front of the spilled values: the arguments, and a value that changes places in a circle.
const HEAD: i64 = 64;

/// Bytes between the beginnings of spilled values.
const SLOT: i64 = 32;

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// In a register; of a vector, the one of this kernel's width.
    Register(Register),
    /// At an offset of the frame.
    Frame(i64),
    /// Nowhere: it is a constant.
    Constant(Value),
}

/// Code generation of one line.
pub struct Emitter<'l, 'k> {
    pub line: &'l Linear<'k>,
    pub code: Assembly,
    pub width: Width,
    lives: &'l Lives,
    places: Vec<Place>,
    /// For each class its offset in the frame.
    slots: Vec<Option<i64>>,
    /// Operands of the current item, spilled values, that the last registers hold where an instruction takes registers only.
    loaded: Vec<usize>,
    /// How many do at most.
    needed: usize,
    /// Temporaries of the current item.
    pub temporaries: Vec<Register>,
    /// Code that goes behind the function.
    pub broken: Vec<BrokenPromise>,
}

/// The code of a line, its constants in front, and where its first instruction is; of the vector registers some are `reserved`
/// for spilled values.
pub fn emit(line: &Linear<'_>, lives: &Lives, reserved: usize) -> Result<(Vec<u8>, usize), Failure> {
    let vectors = allocate(&lives.classes, true, VECTORS - reserved);
    let scalars = allocate(&lives.classes, false, SCALARS.len());
    let places: Vec<Place> =
        lives.classes.iter().enumerate().map(|(i, c)| if c.vector { vectors[i] } else { scalars[i] }).collect();
    let mut size = HEAD;
    let slots = places
        .iter()
        .map(|place| {
            (*place == Place::Spilled).then(|| {
                size += SLOT;
                size - SLOT
            })
        })
        .collect();
    let saved: Vec<Register> = (VOLATILE..SCALARS.len())
        .filter(|&r| places.iter().zip(&lives.classes).any(|(p, c)| !c.vector && *p == Place::Register(r as u8)))
        .map(|r| SCALARS[r])
        .collect();
    let mut emitter = Emitter {
        line,
        code: Assembly::default(),
        width: line.kernel.width,
        lives,
        places,
        slots,
        loaded: Vec::new(),
        needed: 0,
        temporaries: Vec::new(),
        broken: Vec::new(),
    };
    emitter.function(&saved, size);
    if emitter.needed > reserved {
        return Err(Failure::Needs(emitter.needed));
    }
    emitter.code.finish().map_err(Failure::Encoding)
}

impl Emitter<'_, '_> {
    fn function(&mut self, saved: &[Register], frame: i64) {
        for &r in saved {
            self.code.one(Code::Push_r64, r);
        }
        self.code.imm(Code::Sub_rm64_imm32, Register::RSP, frame as i32);
        for (i, r) in [Register::RDI, Register::RSI, Register::RDX].into_iter().enumerate() {
            self.code.store(Code::Mov_rm64_r64, stack(8 * i as i64), r);
        }
        let line = self.line;
        for (i, v) in [line.bases(), line.kernel.task, line.bound(0)].into_iter().enumerate() {
            let dst = self.scalar_result(v, Register::RAX);
            self.code.two(Code::Mov_r64_rm64, dst, Operand::Mem(stack(8 * i as i64)));
            self.finish_scalar(v, dst);
        }
        for i in 0..line.kernel.buffers.len() as u32 {
            let v = line.base(i);
            if let Some(Location::Register(dst)) = self.location_if_any(v) {
                let bases = self.scalar(line.bases(), Register::RAX);
                let at = MemoryOperand::with_base_displ(bases, 8 * i64::from(i));
                self.code.two(Code::Mov_r64_rm64, dst, Operand::Mem(at));
            }
        }
        self.items();
        if self.width == Width::V256 {
            self.code.plain(Code::VEX_Vzeroupper);
        }
        self.code.imm(Code::Add_rm64_imm32, Register::RSP, frame as i32);
        for &r in saved.iter().rev() {
            self.code.one(Code::Pop_r64, r);
        }
        self.code.plain(Code::Retnq);
        self.broken_promises();
    }

    fn items(&mut self) {
        let line = self.line;
        let loops: Vec<(Label, Label)> = line.loops.iter().map(|_| (self.code.label(), self.code.label())).collect();
        let branches: Vec<(Label, Label)> =
            (0..line.branches).map(|_| (self.code.label(), self.code.label())).collect();
        for (i, item) in line.items.iter().enumerate() {
            self.loaded.clear();
            self.temporaries = self.lives.temporaries[i].iter().map(|&t| self.temporary(t)).collect();
            match item {
                Item::Let { dst, op } => {
                    if line.folded(*dst).is_none() {
                        self.operation(*dst, op);
                    }
                }
                Item::Store { addr, bytes, value } => self.store(**addr, *bytes, *value),
                Item::Enter(id) => self.enter(*id, loops[*id]),
                Item::Leave(id) => self.leave(*id, loops[*id]),
                Item::If { value, bound, branch } => {
                    let value = self.scalar(*value, Register::RAX);
                    self.compare(value, *bound);
                    self.code.jump(Code::Jge_rel32_64, branches[*branch].0);
                }
                Item::Else(branch) => {
                    self.code.jump(Code::Jmp_rel32_64, branches[*branch].1);
                    self.code.bind(branches[*branch].0);
                }
                Item::EndIf(branch) => self.code.bind(branches[*branch].1),
            }
        }
    }

    fn enter(&mut self, id: usize, (header, exit): (Label, Label)) {
        let line = self.line;
        let counter = line.counter(id);
        let Some(l) = line.loops[id].source else {
            let task = self.scalar(counter, Register::RAX);
            self.compare_values(task, line.bound(0));
            self.code.jump(Code::Jae_rel32_64, exit);
            self.code.bind(header);
            return;
        };
        if let Trip::Value(trip) = l.trip {
            self.multiply(line.bound(id), trip, l.step);
        }
        let moves = l.carried.iter().map(|c| (self.location(c.init), self.location(c.param), line.is_vector(c.param)));
        let moves = moves.collect();
        self.moves(moves);
        let dst = self.scalar_result(counter, Register::RAX);
        self.zero(dst);
        self.finish_scalar(counter, dst);
        if has_bound(line, id) {
            let bound = self.scalar(line.bound(id), Register::RAX);
            self.compare(bound, 0);
            self.code.jump(Code::Jle_rel32_64, exit);
        }
        self.code.bind(header);
    }

    fn leave(&mut self, id: usize, (header, exit): (Label, Label)) {
        let line = self.line;
        let counter = line.counter(id);
        let (step, end, again) = match line.loops[id].source {
            None => (1, None, Code::Jb_rel32_64),
            Some(l) => {
                let moves =
                    l.carried.iter().map(|c| (self.location(c.next), self.location(c.param), line.is_vector(c.param)));
                let moves = moves.collect();
                self.moves(moves);
                let end = match l.trip {
                    Trip::Const(n) => Some(i64::from(n) * l.step),
                    Trip::Value(_) => None,
                };
                (l.step, end, Code::Jl_rel32_64)
            }
        };
        let at = self.scalar(counter, Register::RAX);
        self.add_immediate(at, at, step);
        self.finish_scalar(counter, at);
        match end {
            Some(end) => self.compare(at, end),
            None => self.compare_values(at, line.bound(id)),
        }
        self.code.jump(again, header);
        self.code.bind(exit);
    }

    /// Moves values to their places, all at once.
    fn moves(&mut self, moves: Vec<(Location, Location, bool)>) {
        let mut left: Vec<(Location, Location, bool)> = moves.into_iter().filter(|(from, to, _)| from != to).collect();
        while !left.is_empty() {
            let free = left.iter().position(|(_, to, _)| left.iter().all(|(from, ..)| from != to));
            match free {
                Some(i) => {
                    let (from, to, vector) = left.remove(i);
                    self.move_(from, to, vector);
                }
                None => {
                    // A circle: one value waits in the frame.
                    let (from, _, vector) = left[0];
                    let waiting = Location::Frame(HEAD - SLOT);
                    self.move_(from, waiting, vector);
                    left.iter_mut().filter(|m| m.0 == from).for_each(|m| m.0 = waiting);
                }
            }
        }
    }

    fn move_(&mut self, from: Location, to: Location, vector: bool) {
        match (from, to, vector) {
            (Location::Register(from), Location::Register(to), true) => {
                self.code.two(codes::MOVE.of(self.width), to, Operand::Reg(from));
            }
            (Location::Register(from), Location::Register(to), false) => {
                self.code.two(Code::Mov_r64_rm64, to, Operand::Reg(from));
            }
            (Location::Register(from), Location::Frame(to), true) => {
                self.code.store(codes::STORE.of(self.width), stack(to), from);
            }
            (Location::Register(from), Location::Frame(to), false) => {
                self.code.store(Code::Mov_rm64_r64, stack(to), from);
            }
            (Location::Frame(from), Location::Register(to), true) => {
                self.code.two(codes::LOAD.of(self.width), to, Operand::Mem(stack(from)));
            }
            (Location::Frame(from), Location::Register(to), false) => {
                self.code.two(Code::Mov_r64_rm64, to, Operand::Mem(stack(from)));
            }
            (Location::Constant(v), Location::Register(to), true) => self.load_constant(v, to),
            (Location::Constant(v), Location::Register(to), false) => self.load_index(v, to),
            (Location::Constant(v), Location::Frame(to), false) => {
                self.load_index(v, Register::RAX);
                self.code.store(Code::Mov_rm64_r64, stack(to), Register::RAX);
            }
            (Location::Constant(v), Location::Frame(to), true) => {
                let from = self.constant_at(v);
                for part in (0..self.width.bytes() as i64).step_by(8) {
                    let from = MemoryOperand::with_base_displ(Register::RIP, from + part);
                    self.code.two(Code::Mov_r64_rm64, Register::RAX, Operand::Mem(from));
                    self.code.store(Code::Mov_rm64_r64, stack(to + part), Register::RAX);
                }
            }
            (Location::Frame(from), Location::Frame(to), vector) => {
                let bytes = if vector { self.width.bytes() as i64 } else { 8 };
                for part in (0..bytes).step_by(8) {
                    self.code.two(Code::Mov_r64_rm64, Register::RAX, Operand::Mem(stack(from + part)));
                    self.code.store(Code::Mov_rm64_r64, stack(to + part), Register::RAX);
                }
            }
            (_, Location::Constant(_), _) => unreachable!("this is a bug in qcc: a constant is assigned"),
        }
    }

    /// Where a value is.
    pub fn location(&self, v: Value) -> Location {
        match self.location_if_any(v) {
            Some(location) => location,
            None => panic!("this is a bug in qcc: kernel {}: {v} is nowhere", self.line.kernel.name),
        }
    }

    fn location_if_any(&self, v: Value) -> Option<Location> {
        let v = self.line.root(v);
        let class = self.lives.class(v)? as usize;
        Some(match self.places[class] {
            Place::Register(r) => Location::Register(self.register(class, r)),
            Place::Spilled if self.line.op(v).is_some_and(pool::is_constant) => Location::Constant(v),
            Place::Spilled => Location::Frame(self.slots[class].unwrap_or_default()),
        })
    }

    fn register(&self, class: usize, r: u8) -> Register {
        if self.lives.classes[class].vector { vector_register(self.width, r) } else { SCALARS[r as usize] }
    }

    fn temporary(&self, class: u32) -> Register {
        match self.places[class as usize] {
            Place::Register(r) => self.register(class as usize, r),
            Place::Spilled => panic!("this is a bug in qcc: kernel {}: no temporary", self.line.kernel.name),
        }
    }

    /// A register for a spilled value: operand number `i` of the current item, or its result.
    fn scratch(&mut self, i: usize) -> Register {
        let known = self.loaded.iter().position(|&loaded| loaded == i);
        let at = known.unwrap_or_else(|| {
            self.loaded.push(i);
            self.loaded.len() - 1
        });
        self.needed = self.needed.max(at + 1);
        vector_register(self.width, (VECTORS - 1 - at) as u8)
    }

    /// A vector in a register; operand number `i` of its instruction if it must be loaded first.
    pub fn vector(&mut self, v: Value, i: usize) -> Register {
        if let Some(addr) = self.line.folded(v) {
            let (at, to) = (self.memory(addr), self.scratch(i));
            self.code.two(codes::LOAD.of(self.width), to, Operand::Mem(at));
            return to;
        }
        match self.location(v) {
            Location::Register(r) => r,
            Location::Frame(at) => {
                let to = self.scratch(i);
                self.code.two(codes::LOAD.of(self.width), to, Operand::Mem(stack(at)));
                to
            }
            Location::Constant(v) => {
                let to = self.scratch(i);
                self.load_constant(v, to);
                to
            }
        }
    }

    /// A vector in a register or in memory.
    pub fn operand(&mut self, v: Value) -> Operand {
        if let Some(addr) = self.line.folded(v) {
            return Operand::Mem(self.memory(addr));
        }
        match self.location(v) {
            Location::Register(r) => Operand::Reg(r),
            Location::Frame(at) => Operand::Mem(stack(at)),
            Location::Constant(v) => Operand::Mem(MemoryOperand::with_base_displ(Register::RIP, self.constant_at(v))),
        }
    }

    /// Whether a vector can be read as a memory operand only.
    pub fn is_in_memory(&self, v: Value) -> bool {
        self.line.folded(v).is_some() || !matches!(self.location(v), Location::Register(_))
    }

    /// The register a vector is computed in.
    pub fn vector_result(&mut self, v: Value) -> Register {
        match self.location(v) {
            Location::Register(r) => r,
            // A constant in no register is never computed.
            _ => self.scratch(RESULT),
        }
    }

    /// Puts a vector that was computed in `r` into its place.
    pub fn finish_vector(&mut self, v: Value, r: Register) {
        if let Location::Frame(at) = self.location(v) {
            self.code.store(codes::STORE.of(self.width), stack(at), r);
        }
    }

    fn constant_at(&mut self, v: Value) -> i64 {
        match self.line.op(v).and_then(pool::half) {
            Some(half) => self.code.pool.register(half),
            None => panic!("this is a bug in qcc: kernel {}: {v} is no constant", self.line.kernel.name),
        }
    }

    /// Loads a constant vector into a register.
    pub fn load_constant(&mut self, v: Value, to: Register) {
        if self.line.op(v).and_then(pool::half).is_some_and(|half| half == [0; 16]) {
            return self.code.three(codes::XOR.of(self.width), to, to, Operand::Reg(to));
        }
        let at = MemoryOperand::with_base_displ(Register::RIP, self.constant_at(v));
        self.code.two(codes::LOAD.of(self.width), to, Operand::Mem(at));
    }

    /// The memory operand of the low half of an address. May change RAX and RDX.
    pub fn memory(&mut self, addr: Addr) -> MemoryOperand {
        let base = self.line.base(addr.buf.0);
        let mut base = match self.location(base) {
            Location::Register(r) => r,
            _ => {
                let bases = self.scalar(self.line.bases(), Register::RAX);
                let at = MemoryOperand::with_base_displ(bases, 8 * i64::from(addr.buf.0));
                self.code.two(Code::Mov_r64_rm64, Register::RAX, Operand::Mem(at));
                Register::RAX
            }
        };
        let index = addr.index.map(|v| self.scalar(v, Register::RDX));
        // The high half must be within reach too.
        let reach = i64::from(i32::MAX);
        let mut displacement = addr.offset;
        if addr.offset.abs() + addr.high.unwrap_or(0).abs() > reach {
            // RAX is the base itself, or free.
            let offset = self.code.pool.scalar(addr.offset);
            if base != Register::RAX {
                self.code.two(Code::Mov_r64_rm64, Register::RAX, Operand::Reg(base));
                base = Register::RAX;
            }
            let at = MemoryOperand::with_base_displ(Register::RIP, offset);
            self.code.two(Code::Add_r64_rm64, Register::RAX, Operand::Mem(at));
            displacement = 0;
        }
        match index {
            Some(index) => MemoryOperand::with_base_index_scale_displ_size(base, index, 1, displacement, 1),
            None => MemoryOperand::with_base_displ(base, displacement),
        }
    }
}

/// An address in the frame.
pub fn stack(at: i64) -> MemoryOperand {
    MemoryOperand::with_base_displ(Register::RSP, at)
}

/// The vector register of that number.
pub fn vector_register(width: Width, r: u8) -> Register {
    let first = if width == Width::V128 { Register::XMM0 } else { Register::YMM0 };
    first + u32::from(r)
}

/// The low half of a vector register.
pub fn low(r: Register) -> Register {
    if r >= Register::YMM0 && r <= Register::YMM15 { Register::XMM0 + (r as u32 - Register::YMM0 as u32) } else { r }
}
