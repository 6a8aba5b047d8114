//! Proves that a kernel touches its buffers only: types, definition before use, scoping, and the range of every address.
//!
//! Compiled kernels are machine code without a check, so an address whose range cannot be derived is refused, not
//! trusted. What a kernel loads as a scalar ([`Op::IndexLoad`]) is brought into its promised range by every backend, so a
//! promise may be used here even though the bytes come from a file.

use thiserror::Error;

use crate::kernel::{Block, Inst, Kernel, Loop, Trip};
use crate::op::{IndexOp, Op, UnOp};
use crate::range::Range;
use crate::types::{Addr, BufferKind, Ty, Value, Width};

/// What is wrong with a kernel: a bug of the generator that made it, or a file that no generator wrote.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("kernel {kernel}: {what}")]
pub struct VerifyError {
    /// Name of the kernel.
    pub kernel: String,
    /// The violated rule and the place.
    pub what: String,
}

/// What is known of a kernel that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// At most so many operations are executed by a call over all tasks.
    pub operations: u64,
    /// Instructions of its text.
    pub instructions: usize,
}

/// How deep loops and branches may nest: convolutions need eight, and each level is a frame of the recursions over kernels.
const MAX_DEPTH: usize = 32;

/// Most values of a kernel. Tiles of convolutions have some thousand; a value may need 32 bytes of the stack of compiled
/// code, so this is half a mebibyte of a thread's two.
pub const MAX_VALUES: usize = 1 << 14;

/// Largest number in a kernel: far beyond any buffer, far below where sums of a few wrap.
const MAX_NUMBER: i64 = 1 << 48;

/// Checks that every value is defined once and before its uses, in scope, with the type its operation gives; that stores
/// go to writable buffers; that every address lies in its buffer whatever the buffers hold; and that loops end.
///
/// # Errors
/// The first violation found.
pub fn verify(kernel: &Kernel) -> Result<Verified, VerifyError> {
    let mut checker = Checker {
        kernel,
        ranges: vec![None; kernel.types.len()],
        defined: vec![false; kernel.types.len()],
        depth: 0,
        times: u64::from(kernel.tasks),
        known: Verified { operations: 0, instructions: 0 },
    };
    let checked = checker.kernel();
    checked.map(|()| checker.known).map_err(|what| VerifyError { kernel: kernel.name.clone(), what })
}

struct Checker<'k> {
    kernel: &'k Kernel,
    /// For each value in scope, the range of its numbers; vectors have the full range.
    ranges: Vec<Option<Range>>,
    /// The values that were defined, in scope or not.
    defined: Vec<bool>,
    /// Loops and branches around.
    depth: usize,
    /// How often what is checked is executed, at most.
    times: u64,
    known: Verified,
}

impl Checker<'_> {
    fn kernel(&mut self) -> Result<(), String> {
        if self.kernel.types.len() > MAX_VALUES {
            return Err(format!("{} values, more than {MAX_VALUES}", self.kernel.types.len()));
        }
        if let Some(decl) = self.kernel.buffers.iter().find(|b| b.bytes as u64 > MAX_NUMBER as u64) {
            return Err(format!("buffer {} of {} bytes is larger than memory", decl.name, decl.bytes));
        }
        let tasks = Range { lo: 0, hi: i64::from(self.kernel.tasks.max(1)) - 1 };
        self.define(self.kernel.task, Ty::Index, tasks)?;
        self.block(&self.kernel.body, &[])
    }

    /// Checks instructions, then that the values `at_end` are in scope behind them.
    fn block(&mut self, block: &Block, at_end: &[Value]) -> Result<(), String> {
        if self.depth > MAX_DEPTH {
            return Err(format!("loops and branches nest deeper than {MAX_DEPTH}"));
        }
        self.depth += 1;
        let mut defined = Vec::new();
        for inst in block {
            self.known.instructions += 1;
            match inst {
                Inst::Let { dst, op } => {
                    self.operation(*dst, op).map_err(|why| format!("{why} in {dst} = {op:?}"))?;
                    self.count(if matches!(op, Op::Lookup8 { .. }) { 16 } else { 1 });
                    defined.push(*dst);
                }
                Inst::Store { addr, bytes, value } => {
                    self.store(*addr, *bytes, *value).map_err(|why| format!("{why} in store {addr}, {value}"))?;
                    self.count(1);
                }
                Inst::Loop(l) => {
                    self.loop_(l)?;
                    defined.extend(l.carried.iter().map(|c| c.result));
                }
                Inst::If { value, bound, then, otherwise } => {
                    self.number(*bound)?;
                    self.count(1);
                    let range = self.index(*value)?;
                    self.ranges[value.0 as usize] = Some(range.below(*bound));
                    self.block(then, &[])?;
                    self.ranges[value.0 as usize] = Some(range.at_least(*bound));
                    self.block(otherwise, &[])?;
                    self.ranges[value.0 as usize] = Some(range);
                }
            }
        }
        for &v in at_end {
            self.value(v)?;
        }
        for v in defined {
            self.ranges[v.0 as usize] = None;
        }
        self.depth -= 1;
        Ok(())
    }

    fn loop_(&mut self, l: &Loop) -> Result<(), String> {
        let trip = match l.trip {
            Trip::Const(n) => Range::exactly(i64::from(n)),
            Trip::Value(v) => self.index(v)?,
        };
        self.number(l.step)?;
        if l.step <= 0 {
            return Err(format!("loop {} has step {}", l.index, l.step));
        }
        // Backends compute the end of the counter, so it must be known, too.
        if !trip.times(l.step).is_known() {
            return Err(format!("loop {} has no known number of iterations", l.index));
        }
        let again = trip.plus(-1).or_zero();
        self.define(l.index, Ty::Index, Range { lo: 0, hi: again.times(l.step).hi })?;
        for c in &l.carried {
            let init = self.value(c.init)?;
            let range = match bump(&l.body, c.param, c.next) {
                Some(by) => init.union(init.add(again.times(by))),
                None if c.next == c.param => init,
                None => Range::FULL,
            };
            self.define(c.param, self.ty(c.init), range)?;
        }
        let around = self.times;
        self.times = around.saturating_mul(trip.or_zero().hi.max(0) as u64);
        let next: Vec<Value> = l.carried.iter().map(|c| c.next).collect();
        self.count(2);
        self.block(&l.body, &next)?;
        self.times = around;
        self.ranges[l.index.0 as usize] = None;
        for c in &l.carried {
            self.ranges[c.param.0 as usize] = None;
            if self.ty(c.next) != self.ty(c.init) || self.ty(c.result) != self.ty(c.init) {
                return Err(format!("loop {} carries {} as another type", l.index, c.init));
            }
            let init = self.value(c.init)?;
            let range = match bump(&l.body, c.param, c.next) {
                Some(by) => init.union(init.add(trip.or_zero().times(by))),
                None if c.next == c.param => init,
                None => Range::FULL,
            };
            self.define(c.result, self.ty(c.init), range)?;
        }
        Ok(())
    }

    fn operation(&mut self, dst: Value, op: &Op) -> Result<(), String> {
        for v in op.operands() {
            self.value(v)?;
        }
        self.numbers(op)?;
        if let Some((addr, bytes)) = op.reads() {
            self.bounds(addr, bytes)?;
        }
        if matches!(op, Op::Unary { op: UnOp::SwapHalves, .. }) && self.kernel.width == Width::V128 {
            return Err("a narrow register has no halves".into());
        }
        let ty = op.result(|v| self.ty(v))?;
        let range = Range::of(op, |v| self.ranges[v.0 as usize].unwrap_or(Range::FULL));
        self.define(dst, ty, range)
    }

    /// Numbers in operations that types do not speak of.
    fn numbers(&self, op: &Op) -> Result<(), String> {
        match op {
            Op::IndexConst(v) => self.number(*v),
            Op::IndexImm { imm, .. } => self.number(*imm),
            Op::Index { op: IndexOp::Div | IndexOp::Rem, b, .. } if self.index(*b)?.lo <= 0 => {
                Err(format!("the divisor {b} may be zero"))
            }
            Op::IndexLoad { addr, bytes, lo, hi } => {
                self.number(*lo)?;
                self.number(*hi)?;
                match bytes {
                    _ if addr.high.is_some() => Err("a scalar has no halves".into()),
                    _ if lo > hi => Err(format!("no number is in {lo}..={hi}")),
                    1 | 2 | 4 | 8 => Ok(()),
                    _ => Err(format!("no load of a scalar of {bytes} bytes")),
                }
            }
            Op::Lookup32 { limit, .. } if *limit == 0 || *limit > i32::MAX as u32 => {
                Err(format!("no table of {limit} words"))
            }
            Op::Lookup8 { table, .. } | Op::Lookup32 { table, .. } if table.high.is_some() => {
                Err("a table has no halves".into())
            }
            _ => Ok(()),
        }
    }

    fn number(&self, number: i64) -> Result<(), String> {
        if number.unsigned_abs() > MAX_NUMBER as u64 { Err(format!("{number} is out of range")) } else { Ok(()) }
    }

    fn store(&self, addr: Addr, bytes: u8, value: Value) -> Result<(), String> {
        self.value(value)?;
        if !matches!(self.ty(value), Ty::Vec(_)) {
            return Err("store of a scalar".into());
        }
        if !matches!(bytes, 1 | 2 | 4 | 8 | 16) {
            return Err(format!("store of {bytes} bytes"));
        }
        self.bounds(addr, bytes as usize)?;
        match self.kernel.buffers[addr.buf.0 as usize].kind {
            BufferKind::Out | BufferKind::Scratch => Ok(()),
            kind => Err(format!("store to a buffer of kind {kind:?}")),
        }
    }

    fn bounds(&self, addr: Addr, bytes: usize) -> Result<(), String> {
        let Some(decl) = self.kernel.buffers.get(addr.buf.0 as usize) else {
            return Err(format!("no buffer b{}", addr.buf.0));
        };
        self.number(addr.offset)?;
        let index = match addr.index {
            Some(v) => self.index(v)?,
            None => Range::exactly(0),
        };
        if let Some(high) = addr.high {
            self.number(high)?;
            if self.kernel.width == Width::V128 {
                return Err("a narrow register has no high half".into());
            }
            self.bounds(Addr { offset: addr.offset + high, high: None, ..addr }, bytes)?;
        }
        if index.is_empty() {
            return Ok(());
        }
        let at = index.plus(addr.offset);
        if !at.is_known() {
            return Err(format!("nothing bounds the address of {bytes} bytes in buffer {}", decl.name));
        }
        if at.lo < 0 || at.hi + bytes as i64 > decl.bytes as i64 {
            return Err(format!(
                "{bytes} bytes at {}..={} leave buffer {} of {} bytes",
                at.lo, at.hi, decl.name, decl.bytes
            ));
        }
        Ok(())
    }

    fn count(&mut self, operations: u64) {
        self.known.operations = self.known.operations.saturating_add(self.times.saturating_mul(operations));
    }

    fn value(&self, v: Value) -> Result<Range, String> {
        match self.ranges.get(v.0 as usize) {
            Some(Some(range)) => Ok(*range),
            Some(None) => Err(format!("{v} is not defined here")),
            None => Err(format!("{v} has no type")),
        }
    }

    fn index(&self, v: Value) -> Result<Range, String> {
        let range = self.value(v)?;
        match self.ty(v) {
            Ty::Index => Ok(range),
            Ty::Vec(_) => Err(format!("{v} is a vector where a scalar is needed")),
        }
    }

    fn ty(&self, v: Value) -> Ty {
        self.kernel.types.get(v.0 as usize).copied().unwrap_or(Ty::Index)
    }

    fn define(&mut self, v: Value, ty: Ty, range: Range) -> Result<(), String> {
        if self.kernel.types.get(v.0 as usize) != Some(&ty) {
            return Err(format!("{v} is declared with another type than {ty:?}"));
        }
        // Backends give a value one place for all of the kernel, so its scope ending does not free its number.
        if std::mem::replace(&mut self.defined[v.0 as usize], true) {
            return Err(format!("{v} is defined twice"));
        }
        self.ranges[v.0 as usize] = Some(range);
        Ok(())
    }
}

/// The constant a loop adds to a carried scalar in every iteration, if that is all it does to it.
fn bump(body: &Block, param: Value, next: Value) -> Option<i64> {
    body.iter().find_map(|inst| match inst {
        Inst::Let { dst, op: Op::IndexImm { op: IndexOp::Add, a, imm } } if *dst == next && *a == param => Some(*imm),
        _ => None,
    })
}
