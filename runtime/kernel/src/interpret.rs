//! Runs a kernel one operation at a time, checking every access: the oracle of the code generators and their sanitizer.

use thiserror::Error;

use crate::kernel::{Block, Inst, Kernel, Loop, Trip};
use crate::lanes::{self, Reg};
use crate::op::{IndexOp, Op, UnOp};
use crate::types::{Addr, BufferKind, Lane, Ty, VL, Value};

/// Why interpretation stopped.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InterpretError {
    /// The caller passed another number of buffers than the kernel declares.
    #[error("kernel {kernel} takes {expected} buffers, got {got}")]
    BufferCount {
        /// Name of the kernel.
        kernel: String,
        /// Buffers declared.
        expected: usize,
        /// Buffers passed.
        got: usize,
    },
    /// An access left its buffer.
    #[error("kernel {kernel}: {bytes} bytes at {at} of buffer {buffer} ({size} bytes)")]
    OutOfBounds {
        /// Name of the kernel.
        kernel: String,
        /// Name of the buffer.
        buffer: String,
        /// Byte offset of the access.
        at: i64,
        /// Bytes accessed.
        bytes: usize,
        /// Bytes in the buffer: the smaller of declared and passed.
        size: usize,
    },
    /// A store into a buffer that is read only.
    #[error("kernel {kernel} writes to read-only buffer {buffer}")]
    ReadOnly {
        /// Name of the kernel.
        kernel: String,
        /// Name of the buffer.
        buffer: String,
    },
    /// A loaded scalar or a table index is outside the range the generator promised.
    #[error("kernel {kernel}: {value} is outside the promised range {lo}..={hi}")]
    BrokenPromise {
        /// Name of the kernel.
        kernel: String,
        /// The offending number.
        value: i64,
        /// Lowest promised.
        lo: i64,
        /// Highest promised.
        hi: i64,
    },
}

/// Runs tasks `begin..end` of a verified kernel on `buffers`, in the order of the kernel's declarations.
///
/// # Errors
/// A wrong number of buffers, an access outside a buffer, a store to a read-only buffer, a broken promise.
///
/// # Panics
/// On a kernel that [`crate::verify`] rejects.
pub fn interpret(kernel: &Kernel, buffers: &mut [&mut [u8]], begin: u64, end: u64) -> Result<(), InterpretError> {
    if buffers.len() != kernel.buffers.len() {
        return Err(InterpretError::BufferCount {
            kernel: kernel.name.clone(),
            expected: kernel.buffers.len(),
            got: buffers.len(),
        });
    }
    let mut machine = Machine { kernel, buffers, values: vec![Cell::Index(0); kernel.types.len()] };
    for task in begin..end {
        machine.values[kernel.task.0 as usize] = Cell::Index(task as i64);
        machine.block(&kernel.body)?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Cell {
    Index(i64),
    Vec(Halves),
}

/// A register: its low and its high half. A narrow kernel computes the same in both and stores the low one.
type Halves = [Reg; 2];

struct Machine<'k, 'b, 'm> {
    kernel: &'k Kernel,
    buffers: &'m mut [&'b mut [u8]],
    values: Vec<Cell>,
}

impl Machine<'_, '_, '_> {
    fn block(&mut self, block: &Block) -> Result<(), InterpretError> {
        for inst in block {
            match inst {
                Inst::Let { dst, op } => self.values[dst.0 as usize] = self.op(op)?,
                Inst::Store { addr, bytes, value } => self.store(*addr, *bytes as usize, self.vec(*value))?,
                Inst::Loop(l) => self.loop_(l)?,
                Inst::If { value, bound, then, otherwise } => {
                    let taken = if self.index(*value) < *bound { then } else { otherwise };
                    self.block(taken)?;
                }
            }
        }
        Ok(())
    }

    fn loop_(&mut self, l: &Loop) -> Result<(), InterpretError> {
        let trip = match l.trip {
            Trip::Const(n) => i64::from(n),
            Trip::Value(v) => self.index(v),
        };
        let mut now: Vec<Cell> = l.carried.iter().map(|c| self.values[c.init.0 as usize]).collect();
        for i in 0..trip {
            self.values[l.index.0 as usize] = Cell::Index(i * l.step);
            for (c, &v) in l.carried.iter().zip(&now) {
                self.values[c.param.0 as usize] = v;
            }
            self.block(&l.body)?;
            for (c, v) in l.carried.iter().zip(&mut now) {
                *v = self.values[c.next.0 as usize];
            }
        }
        for (c, &v) in l.carried.iter().zip(&now) {
            self.values[c.result.0 as usize] = v;
        }
        Ok(())
    }

    fn op(&mut self, op: &Op) -> Result<Cell, InterpretError> {
        Ok(match op {
            Op::IndexConst(v) => Cell::Index(*v),
            Op::Index { op, a, b } => Cell::Index(index(*op, self.index(*a), self.index(*b))),
            Op::IndexImm { op, a, imm } => Cell::Index(index(*op, self.index(*a), *imm)),
            Op::IndexLoad { addr, bytes, lo, hi } => {
                let word = self.load(*addr, *bytes as usize)?;
                let shift = 64 - 8 * u32::from(*bytes);
                let value = lanes_low_i64(word[0]) << shift >> shift;
                Cell::Index(self.promised(value, *lo, *hi)?)
            }
            Op::Load { addr, bytes, .. } => Cell::Vec(self.load(*addr, *bytes as usize)?),
            Op::LoadWiden { from, signed, addr } => {
                Cell::Vec(self.load(*addr, VL / 2)?.map(|low| lanes::widen(*from, *signed, low, 0)))
            }
            Op::Broadcast32 { addr, .. } => {
                Cell::Vec(self.load(*addr, 4)?.map(|word| lanes::splat(lanes_low_i64(word) as u32)))
            }
            Op::Splat { bits, .. } => Cell::Vec([lanes::splat(*bits); 2]),
            Op::Constant { bytes, .. } => Cell::Vec([*bytes; 2]),
            Op::SplatIndex { a } => Cell::Vec([lanes::splat(self.index(*a) as u32); 2]),
            Op::Unary { op: UnOp::SwapHalves, a } => {
                let [low, high] = self.vec(*a);
                Cell::Vec([high, low])
            }
            Op::Unary { op, a } => {
                let lane = self.lane(*a);
                Cell::Vec(self.vec(*a).map(|a| lanes::unary(*op, lane, a)))
            }
            Op::Binary { op, a, b } => {
                let lane = self.lane(*a);
                self.both(*a, *b, |a, b| lanes::binary(*op, lane, a, b))
            }
            Op::Shift { op, a, bits } => {
                let lane = self.lane(*a);
                Cell::Vec(self.vec(*a).map(|a| lanes::shift(*op, lane, a, *bits)))
            }
            Op::Select { mask, a, b } => {
                let (mask, a, b) = (self.vec(*mask), self.vec(*a), self.vec(*b));
                Cell::Vec(std::array::from_fn(|h| lanes::select(mask[h], a[h], b[h])))
            }
            Op::Dot4 { acc, a, b } => {
                let (acc, a, b) = (self.vec(*acc), self.vec(*a), self.vec(*b));
                Cell::Vec(std::array::from_fn(|h| lanes::dot4(acc[h], a[h], b[h])))
            }
            Op::MulAdd { acc, a, b } => {
                let (acc, a, b) = (self.vec(*acc), self.vec(*a), self.vec(*b));
                Cell::Vec(std::array::from_fn(|h| lanes::mul_add(acc[h], a[h], b[h])))
            }
            Op::BroadcastLane { a, lane } => {
                Cell::Vec(self.vec(*a).map(|a| lanes::splat(lanes::int(Lane::I32, a, *lane as usize) as u32)))
            }
            Op::Shuffle { a, b, bytes } => self.both(*a, *b, |a, b| lanes::shuffle(a, b, bytes)),
            Op::Lookup8 { table, a } => {
                let mut out = self.vec(*a);
                for x in out.as_flattened_mut() {
                    *x = self.load(table.plus(i64::from(*x)), 1)?[0][0];
                }
                Cell::Vec(out)
            }
            Op::Lookup32 { table, limit, a, .. } => {
                let mut out = self.vec(*a);
                for half in &mut out[..self.kernel.width.halves()] {
                    for i in 0..4 {
                        let x = self.promised(lanes::int(Lane::I32, *half, i), 0, i64::from(*limit) - 1)?;
                        half[4 * i..4 * i + 4].copy_from_slice(&self.load(table.plus(4 * x), 4)?[0][..4]);
                    }
                }
                Cell::Vec(out)
            }
        })
    }

    fn both(&self, a: Value, b: Value, f: impl Fn(Reg, Reg) -> Reg) -> Cell {
        let (a, b) = (self.vec(a), self.vec(b));
        Cell::Vec(std::array::from_fn(|h| f(a[h], b[h])))
    }

    fn index(&self, v: Value) -> i64 {
        match self.values[v.0 as usize] {
            Cell::Index(x) => x,
            Cell::Vec(_) => panic!("this is a bug in qcc: kernel {} uses vector {v:?} as a scalar", self.kernel.name),
        }
    }

    fn vec(&self, v: Value) -> Halves {
        match self.values[v.0 as usize] {
            Cell::Vec(x) => x,
            Cell::Index(_) => panic!("this is a bug in qcc: kernel {} uses scalar {v:?} as a vector", self.kernel.name),
        }
    }

    fn lane(&self, v: Value) -> Lane {
        match self.kernel.types[v.0 as usize] {
            Ty::Vec(lane) => lane,
            Ty::Index => panic!("this is a bug in qcc: kernel {} uses scalar {v:?} as a vector", self.kernel.name),
        }
    }

    fn promised(&self, value: i64, lo: i64, hi: i64) -> Result<i64, InterpretError> {
        if (lo..=hi).contains(&value) {
            return Ok(value);
        }
        Err(InterpretError::BrokenPromise { kernel: self.kernel.name.clone(), value, lo, hi })
    }

    fn load(&self, addr: Addr, bytes: usize) -> Result<Halves, InterpretError> {
        let low = self.load_half(addr, bytes)?;
        let high = addr.high.map_or(Ok(low), |by| self.load_half(addr.plus(by), bytes))?;
        Ok([low, high])
    }

    fn load_half(&self, addr: Addr, bytes: usize) -> Result<Reg, InterpretError> {
        let at = self.checked(addr, bytes)?;
        let mut out = [0; VL];
        out[..bytes].copy_from_slice(&self.buffers[addr.buf.0 as usize][at..at + bytes]);
        Ok(out)
    }

    fn store(&mut self, addr: Addr, bytes: usize, value: Halves) -> Result<(), InterpretError> {
        self.store_half(addr, bytes, value[0])?;
        addr.high.map_or(Ok(()), |by| self.store_half(addr.plus(by), bytes, value[1]))
    }

    fn store_half(&mut self, addr: Addr, bytes: usize, value: Reg) -> Result<(), InterpretError> {
        let at = self.checked(addr, bytes)?;
        let decl = &self.kernel.buffers[addr.buf.0 as usize];
        if matches!(decl.kind, BufferKind::In | BufferKind::Const) {
            let (kernel, buffer) = (self.kernel.name.clone(), decl.name.clone());
            return Err(InterpretError::ReadOnly { kernel, buffer });
        }
        self.buffers[addr.buf.0 as usize][at..at + bytes].copy_from_slice(&value[..bytes]);
        Ok(())
    }

    fn checked(&self, addr: Addr, bytes: usize) -> Result<usize, InterpretError> {
        let decl = &self.kernel.buffers[addr.buf.0 as usize];
        let size = decl.bytes.min(self.buffers[addr.buf.0 as usize].len());
        let at = addr.index.map_or(0, |v| self.index(v)).wrapping_add(addr.offset);
        if at >= 0 && (at as u64).saturating_add(bytes as u64) <= size as u64 {
            return Ok(at as usize);
        }
        let (kernel, buffer) = (self.kernel.name.clone(), decl.name.clone());
        Err(InterpretError::OutOfBounds { kernel, buffer, at, bytes, size })
    }
}

fn lanes_low_i64(word: Reg) -> i64 {
    let mut low = [0; 8];
    low.copy_from_slice(&word[..8]);
    i64::from_le_bytes(low)
}

fn index(op: IndexOp, a: i64, b: i64) -> i64 {
    match op {
        IndexOp::Add => a.wrapping_add(b),
        IndexOp::Sub => a.wrapping_sub(b),
        IndexOp::Mul => a.wrapping_mul(b),
        IndexOp::Div => (a as u64).checked_div(b as u64).unwrap_or(0) as i64,
        IndexOp::Rem => (a as u64).checked_rem(b as u64).unwrap_or(0) as i64,
        IndexOp::Min => a.min(b),
        IndexOp::Max => a.max(b),
    }
}
