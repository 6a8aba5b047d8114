//! Checks a kernel: types, definition before use, scoping, and every address whose range can be derived.

use thiserror::Error;

use crate::kernel::{Block, Inst, Kernel, Loop, Trip};
use crate::op::{Op, UnOp};
use crate::range::Range;
use crate::types::{Addr, BufferKind, Ty, Value, Width};

/// What is wrong with a kernel. Always a bug of the generator that made it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("this is a bug in qcc: kernel {kernel}: {what}")]
pub struct VerifyError {
    /// Name of the kernel.
    pub kernel: String,
    /// The violated rule and the place.
    pub what: String,
}

/// Checks that every value is defined once and before its uses, in scope, with the type its operation gives; that stores
/// go to writable buffers; and that no address with a derivable range leaves its buffer.
///
/// # Errors
/// The first violation found.
pub fn verify(kernel: &Kernel) -> Result<(), VerifyError> {
    let mut checker = Checker { kernel, ranges: vec![None; kernel.types.len()] };
    let checked = checker
        .define(kernel.task, Ty::Index, Range { lo: 0, hi: i64::from(kernel.tasks.max(1)) - 1 })
        .and_then(|()| checker.block(&kernel.body));
    checked.map_err(|what| VerifyError { kernel: kernel.name.clone(), what })
}

struct Checker<'k> {
    kernel: &'k Kernel,
    /// For each value in scope, the range of its numbers; vectors have the full range.
    ranges: Vec<Option<Range>>,
}

impl Checker<'_> {
    fn block(&mut self, block: &Block) -> Result<(), String> {
        let mut defined = Vec::new();
        for inst in block {
            match inst {
                Inst::Let { dst, op } => {
                    self.operation(*dst, op).map_err(|why| format!("{why} in {dst} = {op:?}"))?;
                    defined.push(*dst);
                }
                Inst::Store { addr, bytes, value } => {
                    self.store(*addr, *bytes, *value).map_err(|why| format!("{why} in store {addr}, {value}"))?;
                }
                Inst::Loop(l) => {
                    self.loop_(l)?;
                    defined.extend(l.carried.iter().map(|c| c.result));
                }
                Inst::If { value, bound, then, otherwise } => {
                    let range = self.index(*value)?;
                    self.ranges[value.0 as usize] = Some(range.below(*bound));
                    self.block(then)?;
                    self.ranges[value.0 as usize] = Some(range.at_least(*bound));
                    self.block(otherwise)?;
                    self.ranges[value.0 as usize] = Some(range);
                }
            }
        }
        for v in defined {
            self.ranges[v.0 as usize] = None;
        }
        Ok(())
    }

    fn loop_(&mut self, l: &Loop) -> Result<(), String> {
        let trip = match l.trip {
            Trip::Const(n) => Range { lo: i64::from(n), hi: i64::from(n) },
            Trip::Value(v) => self.index(v)?,
        };
        if l.step <= 0 {
            return Err(format!("loop {} has step {}", l.index, l.step));
        }
        let last = trip.plus(-1).or_zero().times(l.step);
        self.define(l.index, Ty::Index, Range { lo: 0, hi: last.hi })?;
        for c in &l.carried {
            let init = self.value(c.init)?;
            let range = match bump(&l.body, c.param, c.next) {
                Some(by) => init.union(init.add(trip.plus(-1).or_zero().times(by))),
                None if c.next == c.param => init,
                None => Range::FULL,
            };
            self.define(c.param, self.ty(c.init), range)?;
        }
        // A value the body defines leaves scope with the block, so what the loop carries is checked from inside.
        let mut body = l.body.clone();
        let probe: Vec<Inst> = l.carried.iter().map(|c| Inst::Store { addr: PROBE, bytes: 0, value: c.next }).collect();
        body.extend(probe);
        self.block(&body)?;
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
        if let Some((addr, bytes)) = op.reads() {
            self.bounds(addr, bytes)?;
        }
        if matches!(op, Op::Unary { op: UnOp::SwapHalves, .. }) && self.kernel.width == Width::V128 {
            return Err("a narrow register has no halves".into());
        }
        if matches!(op, Op::IndexLoad { addr, .. } if addr.high.is_some()) {
            return Err("a scalar has no halves".into());
        }
        let ty = op.result(|v| self.ty(v))?;
        let range = Range::of(op, |v| self.ranges[v.0 as usize].unwrap_or(Range::FULL));
        self.define(dst, ty, range)
    }

    fn store(&self, addr: Addr, bytes: u8, value: Value) -> Result<(), String> {
        self.value(value)?;
        if addr == PROBE {
            return Ok(());
        }
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
        let index = match addr.index {
            Some(v) => self.index(v)?,
            None => Range { lo: 0, hi: 0 },
        };
        if index.is_empty() {
            return Ok(());
        }
        if let Some(high) = addr.high {
            if self.kernel.width == Width::V128 {
                return Err("a narrow register has no high half".into());
            }
            self.bounds(addr.low().plus(high), bytes)?;
        }
        let at = index.plus(addr.offset);
        if (index.has_lo() && at.lo < 0) || (index.has_hi() && at.hi + bytes as i64 > decl.bytes as i64) {
            return Err(format!(
                "{bytes} bytes at {}..={} leave buffer {} of {} bytes",
                at.lo, at.hi, decl.name, decl.bytes
            ));
        }
        Ok(())
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
        match &mut self.ranges[v.0 as usize] {
            Some(_) => Err(format!("{v} is defined twice")),
            slot => {
                *slot = Some(range);
                Ok(())
            }
        }
    }
}

/// Stands for "the value is used here" at the end of a loop body.
const PROBE: Addr = Addr { buf: crate::types::Buf(u32::MAX), index: None, offset: 0, high: None };

/// The constant a loop adds to a carried scalar in every iteration, if that is all it does to it.
fn bump(body: &Block, param: Value, next: Value) -> Option<i64> {
    body.iter().find_map(|inst| match inst {
        Inst::Let { dst, op: Op::IndexImm { op: crate::op::IndexOp::Add, a, imm } } if *dst == next && *a == param => {
            Some(*imm)
        }
        _ => None,
    })
}
