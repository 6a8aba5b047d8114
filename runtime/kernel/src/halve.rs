//! A wide kernel as a narrow one: every vector becomes two, so that any backend runs it.

use crate::kernel::{Block, Carried, Inst, Kernel, Loop, Trip};
use crate::op::{Op, UnOp};
use crate::types::{Addr, Ty, Value, Width};

/// The narrow kernel that computes the same bits as `kernel`, which is verified; a narrow one comes back as it is.
pub fn halve(kernel: &Kernel) -> Kernel {
    if kernel.width == Width::V128 {
        return kernel.clone();
    }
    let mut halving = Halving { kernel, types: Vec::new(), map: vec![None; kernel.types.len()] };
    let task = halving.scalar(kernel.task);
    let body = halving.block(&kernel.body);
    Kernel {
        name: kernel.name.clone(),
        width: Width::V128,
        buffers: kernel.buffers.clone(),
        tasks: kernel.tasks,
        types: halving.types,
        task,
        body,
    }
}

struct Halving<'k> {
    kernel: &'k Kernel,
    /// Types of the new values.
    types: Vec<Ty>,
    /// For each old value the low and the high half; the same value twice for scalars and for halves that are equal.
    map: Vec<Option<[Value; 2]>>,
}

impl Halving<'_> {
    fn block(&mut self, block: &Block) -> Block {
        let mut out = Block::new();
        for inst in block {
            match inst {
                Inst::Let { dst, op } => self.operation(*dst, op, &mut out),
                Inst::Store { addr, bytes, value } => {
                    let halves = self.get(*value);
                    for (addr, value) in self.addresses(*addr).into_iter().zip(halves) {
                        out.push(Inst::Store { addr, bytes: *bytes, value });
                    }
                }
                Inst::Loop(l) => {
                    let l = self.loop_(l);
                    out.push(Inst::Loop(l));
                }
                Inst::If { value, bound, then, otherwise } => {
                    let value = self.get(*value)[0];
                    let (then, otherwise) = (self.block(then), self.block(otherwise));
                    out.push(Inst::If { value, bound: *bound, then, otherwise });
                }
            }
        }
        out
    }

    fn loop_(&mut self, l: &Loop) -> Loop {
        let trip = match l.trip {
            Trip::Const(n) => Trip::Const(n),
            Trip::Value(v) => Trip::Value(self.get(v)[0]),
        };
        let index = self.scalar(l.index);
        let inits: Vec<[Value; 2]> = l.carried.iter().map(|c| self.get(c.init)).collect();
        let params: Vec<[Value; 2]> = l.carried.iter().map(|c| self.fresh(c.param)).collect();
        let body = self.block(&l.body);
        let mut carried = Vec::new();
        for ((c, init), param) in l.carried.iter().zip(inits).zip(params) {
            let (next, result) = (self.get(c.next), self.fresh(c.result));
            let halves = if matches!(self.ty(c.param), Ty::Index) { 1 } else { 2 };
            carried.extend((0..halves).map(|h| Carried {
                init: init[h],
                param: param[h],
                next: next[h],
                result: result[h],
            }));
        }
        Loop { trip, step: l.step, index, carried, body }
    }

    fn operation(&mut self, dst: Value, op: &Op, out: &mut Block) {
        if let Op::Unary { op: UnOp::SwapHalves, a } = op {
            let [low, high] = self.get(*a);
            self.map[dst.0 as usize] = Some([high, low]);
            return;
        }
        let [low, high] = [0, 1].map(|half| self.half(op, half));
        let first = self.fresh_half(dst);
        // Halves that are computed alike are one value.
        let second = if low == high { first } else { self.fresh_half(dst) };
        self.map[dst.0 as usize] = Some([first, second]);
        if second != first {
            out.push(Inst::Let { dst: first, op: low });
            out.push(Inst::Let { dst: second, op: high });
        } else {
            out.push(Inst::Let { dst: first, op: low });
        }
    }

    /// The operation on one half.
    fn half(&self, op: &Op, half: usize) -> Op {
        let get = |v: Value| self.get(v)[half];
        let at = |addr: Addr| {
            let addresses = self.addresses(addr);
            addresses[half.min(addresses.len() - 1)]
        };
        match op.clone() {
            op @ (Op::IndexConst(_) | Op::Splat { .. } | Op::Constant { .. }) => op,
            Op::Index { op, a, b } => Op::Index { op, a: get(a), b: get(b) },
            Op::IndexImm { op, a, imm } => Op::IndexImm { op, a: get(a), imm },
            Op::IndexLoad { addr, bytes, lo, hi } => Op::IndexLoad { addr: at(addr), bytes, lo, hi },
            Op::Load { lane, bytes, addr } => Op::Load { lane, bytes, addr: at(addr) },
            Op::LoadWiden { from, signed, addr } => Op::LoadWiden { from, signed, addr: at(addr) },
            Op::Broadcast32 { lane, addr } => Op::Broadcast32 { lane, addr: at(addr) },
            Op::SplatIndex { a } => Op::SplatIndex { a: get(a) },
            Op::Unary { op, a } => Op::Unary { op, a: get(a) },
            Op::Binary { op, a, b } => Op::Binary { op, a: get(a), b: get(b) },
            Op::Shift { op, a, bits } => Op::Shift { op, a: get(a), bits },
            Op::Select { mask, a, b } => Op::Select { mask: get(mask), a: get(a), b: get(b) },
            Op::Dot4 { acc, a, b } => Op::Dot4 { acc: get(acc), a: get(a), b: get(b) },
            Op::MulAdd { acc, a, b } => Op::MulAdd { acc: get(acc), a: get(a), b: get(b) },
            Op::BroadcastLane { a, lane } => Op::BroadcastLane { a: get(a), lane },
            Op::Shuffle { a, b, bytes } => Op::Shuffle { a: get(a), b: get(b), bytes },
            Op::Lookup8 { table, a } => Op::Lookup8 { table: at(table), a: get(a) },
            Op::Lookup32 { lane, table, limit, a } => Op::Lookup32 { lane, table: at(table), limit, a: get(a) },
        }
    }

    /// The address of each half; one if the high half is none of its own.
    fn addresses(&self, addr: Addr) -> Vec<Addr> {
        let low = Addr { index: addr.index.map(|v| self.get(v)[0]), ..addr.low() };
        [low].into_iter().chain(addr.high.map(|by| low.plus(by))).collect()
    }

    fn get(&self, v: Value) -> [Value; 2] {
        match self.map[v.0 as usize] {
            Some(halves) => halves,
            None => panic!("this is a bug in qcc: kernel {} uses {v} before its definition", self.kernel.name),
        }
    }

    fn ty(&self, v: Value) -> Ty {
        self.kernel.types[v.0 as usize]
    }

    fn scalar(&mut self, v: Value) -> Value {
        let new = self.fresh_half(v);
        self.map[v.0 as usize] = Some([new; 2]);
        new
    }

    fn fresh(&mut self, v: Value) -> [Value; 2] {
        if self.ty(v) == Ty::Index {
            return [self.scalar(v); 2];
        }
        let halves = [self.fresh_half(v), self.fresh_half(v)];
        self.map[v.0 as usize] = Some(halves);
        halves
    }

    fn fresh_half(&mut self, v: Value) -> Value {
        self.types.push(self.ty(v));
        Value(self.types.len() as u32 - 1)
    }
}
