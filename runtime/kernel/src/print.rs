//! The text form of a kernel, for `--emit` and snapshots. Values are renumbered by nothing: the same kernel prints the same text.

use std::fmt::{self, Display, Formatter};

use crate::kernel::{Block, Inst, Kernel, Trip};
use crate::op::{Op, UnOp};
use crate::types::{Addr, Lane, Ty, Value, Width};

impl Display for Kernel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let wide = if self.width == Width::V256 { " wide" } else { "" };
        writeln!(f, "kernel {} tasks {}{wide} {{", self.name, self.tasks)?;
        for (i, b) in self.buffers.iter().enumerate() {
            writeln!(f, "  b{i}: {:?} {} bytes {} align {}", b.kind, b.name, b.bytes, b.align)?;
        }
        writeln!(f, "  task {}", self.task)?;
        block(f, self, &self.body, 1)?;
        writeln!(f, "}}")
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Display for Addr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "[b{}", self.buf.0)?;
        if let Some(v) = self.index {
            write!(f, " + {v}")?;
        }
        match self.offset {
            0 => {}
            n if n < 0 => write!(f, " - {}", n.unsigned_abs())?,
            n => write!(f, " + {n}")?,
        }
        match self.high {
            None => write!(f, "]"),
            Some(high) => write!(f, ", {high:+}]"),
        }
    }
}

impl Display for Lane {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lane::I8 => "i8",
            Lane::I16 => "i16",
            Lane::I32 => "i32",
            Lane::F32 => "f32",
        })
    }
}

fn block(f: &mut Formatter<'_>, kernel: &Kernel, insts: &Block, depth: usize) -> fmt::Result {
    let pad = "  ".repeat(depth);
    for inst in insts {
        write!(f, "{pad}")?;
        match inst {
            Inst::Let { dst, op } => {
                write!(f, "{dst} = ")?;
                operation(f, op)?;
                match kernel.types[dst.0 as usize] {
                    Ty::Vec(lane) => writeln!(f, " : {lane}")?,
                    Ty::Index => writeln!(f)?,
                }
            }
            Inst::Store { addr, bytes, value } => writeln!(f, "store{bytes} {addr}, {value}")?,
            Inst::Loop(l) => {
                write!(f, "loop {} in 0..", l.index)?;
                match l.trip {
                    Trip::Const(n) => write!(f, "{n}")?,
                    Trip::Value(v) => write!(f, "{v}")?,
                }
                write!(f, " step {}", l.step)?;
                for c in &l.carried {
                    write!(f, " ({} = {} then {} gives {})", c.param, c.init, c.next, c.result)?;
                }
                writeln!(f, " {{")?;
                block(f, kernel, &l.body, depth + 1)?;
                writeln!(f, "{pad}}}")?;
            }
            Inst::If { value, bound, then, otherwise } => {
                writeln!(f, "if {value} < {bound} {{")?;
                block(f, kernel, then, depth + 1)?;
                if !otherwise.is_empty() {
                    writeln!(f, "{pad}}} else {{")?;
                    block(f, kernel, otherwise, depth + 1)?;
                }
                writeln!(f, "{pad}}}")?;
            }
        }
    }
    Ok(())
}

fn operation(f: &mut Formatter<'_>, op: &Op) -> fmt::Result {
    match op {
        Op::IndexConst(v) => write!(f, "{v}"),
        Op::Index { op, a, b } => write!(f, "{} {a}, {b}", snake(op)),
        Op::IndexImm { op, a, imm } => write!(f, "{} {a}, {imm}", snake(op)),
        Op::IndexLoad { addr, bytes, lo, hi } => write!(f, "index_load{bytes} {addr} in {lo}..={hi}"),
        Op::Load { bytes, addr, .. } => write!(f, "load{bytes} {addr}"),
        Op::LoadWiden { from, signed, addr } => {
            write!(f, "load_widen_{} {from} {addr}", if *signed { "s" } else { "u" })
        }
        Op::Broadcast32 { addr, .. } => write!(f, "broadcast32 {addr}"),
        Op::Splat { lane: Lane::F32, bits } => write!(f, "splat {:?}", f32::from_bits(*bits)),
        Op::Splat { bits, .. } => write!(f, "splat {bits:#x}"),
        Op::Constant { bytes, .. } => write!(f, "constant {bytes:?}"),
        Op::SplatIndex { a } => write!(f, "splat_index {a}"),
        Op::Unary { op: UnOp::Bitcast(_), a } => write!(f, "bitcast {a}"),
        Op::Unary { op, a } => write!(f, "{} {a}", snake(op)),
        Op::Binary { op, a, b } => write!(f, "{} {a}, {b}", snake(op)),
        Op::Shift { op, a, bits } => write!(f, "shift_{} {a}, {bits}", snake(op)),
        Op::Select { mask, a, b } => write!(f, "select {mask}, {a}, {b}"),
        Op::Dot4 { acc, a, b } => write!(f, "dot4 {acc}, {a}, {b}"),
        Op::MulAdd { acc, a, b } => write!(f, "mul_add {acc}, {a}, {b}"),
        Op::BroadcastLane { a, lane } => write!(f, "broadcast_lane {a}[{lane}]"),
        Op::Shuffle { a, b, bytes } => write!(f, "shuffle {a}, {b}, {bytes:?}"),
        Op::Lookup8 { table, a } => write!(f, "lookup8 {table}, {a}"),
        Op::Lookup32 { table, limit, a, .. } => write!(f, "lookup32 {table} limit {limit}, {a}"),
    }
}

/// `WidenLowS` as `widen_low_s`.
fn snake(op: &dyn fmt::Debug) -> String {
    let mut out = String::new();
    for c in format!("{op:?}").chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
