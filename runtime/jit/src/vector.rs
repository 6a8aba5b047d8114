//! Vector operations to the CLIF trees that Cranelift selects single instructions for.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, ConstantData, Endianness, InstBuilder, MemFlagsData, types};
use qcc_kernel::{BinOp, Lane, Op, ShiftOp, UnOp, VL};

use crate::cpu::DotInstruction;
use crate::translate::{Translator, clif_lane};

impl Translator<'_, '_> {
    /// An operation without memory access.
    pub fn vector_op(&mut self, op: &Op) -> ir::Value {
        match op {
            Op::Splat { lane, bits } => {
                let word = bits.to_le_bytes();
                self.vconst(clif_lane(*lane), std::array::from_fn(|i| word[i % 4]))
            }
            Op::Constant { lane, bytes } => self.vconst(clif_lane(*lane), *bytes),
            Op::SplatIndex { a } => {
                let low = self.get(*a);
                let low = self.b.ins().ireduce(types::I32, low);
                self.b.ins().splat(types::I32X4, low)
            }
            Op::Unary { op, a } => {
                let (lane, a) = (self.lane(*a), self.get(*a));
                self.unary(*op, lane, a)
            }
            Op::Binary { op, a, b } => {
                let (lane, a, b) = (self.lane(*a), self.get(*a), self.get(*b));
                self.binary(*op, lane, a, b)
            }
            Op::Shift { op, a, bits } => {
                let (a, bits) = (self.get(*a), i64::from(*bits));
                match op {
                    ShiftOp::Left => self.b.ins().ishl_imm_s(a, bits),
                    ShiftOp::RightU => self.b.ins().ushr_imm_s(a, bits),
                    ShiftOp::RightS => self.b.ins().sshr_imm_s(a, bits),
                }
            }
            Op::Select { mask, a, b } => {
                let ty = clif_lane(self.lane(*a));
                let (mask, a, b) = (self.get(*mask), self.get(*a), self.get(*b));
                let mask = self.cast_to(ty, mask);
                self.b.ins().bitselect(mask, a, b)
            }
            Op::Dot4 { acc, a, b } => {
                let (acc, a, b) = (self.get(*acc), self.get(*a), self.get(*b));
                self.dot4(acc, a, b)
            }
            Op::MulAdd { acc, a, b } => {
                let (acc, a, b) = (self.get(*acc), self.get(*a), self.get(*b));
                self.b.ins().fma(a, b, acc)
            }
            Op::BroadcastLane { a, lane } => {
                let (l, a) = (self.lane(*a), self.get(*a));
                let bytes = std::array::from_fn(|i| 4 * lane + (i % 4) as u8);
                self.shuffle(l, a, a, bytes)
            }
            Op::Shuffle { a, b, bytes } => {
                let (l, a, b) = (self.lane(*a), self.get(*a), self.get(*b));
                self.shuffle(l, a, b, *bytes)
            }
            other => unreachable!("this is a bug in qcc: {other:?} is translated elsewhere"),
        }
    }

    /// The same bits with other lanes.
    pub fn cast(&mut self, lane: Lane, v: ir::Value) -> ir::Value {
        self.cast_to(clif_lane(lane), v)
    }

    /// The same bits as another vector type.
    pub fn cast_to(&mut self, ty: ir::Type, v: ir::Value) -> ir::Value {
        if self.b.func.dfg.value_type(v) == ty {
            return v;
        }
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        self.b.ins().bitcast(ty, flags, v)
    }

    /// A constant register.
    pub fn vconst(&mut self, ty: ir::Type, bytes: [u8; VL]) -> ir::Value {
        let pool = self.b.func.dfg.constants.insert(ConstantData::from(&bytes[..]));
        self.b.ins().vconst(ty, pool)
    }

    fn unary(&mut self, op: UnOp, lane: Lane, a: ir::Value) -> ir::Value {
        match op {
            UnOp::WidenLowS => self.b.ins().swiden_low(a),
            UnOp::WidenLowU => self.b.ins().uwiden_low(a),
            UnOp::WidenHighS => self.b.ins().swiden_high(a),
            UnOp::WidenHighU => self.b.ins().uwiden_high(a),
            UnOp::PairSum => {
                let (low, high) = (self.b.ins().swiden_low(a), self.b.ins().swiden_high(a));
                self.b.ins().iadd_pairwise(low, high)
            }
            UnOp::ToF32 => self.b.ins().fcvt_from_sint(types::F32X4, a),
            UnOp::RoundToI32 => {
                let rounded = self.b.ins().nearest(a);
                self.truncate(rounded)
            }
            UnOp::TruncToI32 => self.truncate(a),
            UnOp::Neg if lane == Lane::F32 => self.b.ins().fneg(a),
            UnOp::Neg => self.b.ins().ineg(a),
            UnOp::Abs if lane == Lane::F32 => self.b.ins().fabs(a),
            UnOp::Abs => self.b.ins().iabs(a),
            UnOp::Sqrt => self.b.ins().sqrt(a),
            UnOp::Floor => self.b.ins().floor(a),
            UnOp::Ceil => self.b.ins().ceil(a),
            UnOp::Nearest => self.b.ins().nearest(a),
            UnOp::Not => self.b.ins().bnot(a),
            UnOp::SwapHalves => unreachable!("this is a bug in qcc: a narrow register has no halves"),
            UnOp::Bitcast(to) => self.cast(to, a),
        }
    }

    fn binary(&mut self, op: BinOp, lane: Lane, a: ir::Value, b: ir::Value) -> ir::Value {
        let float = lane == Lane::F32;
        match op {
            BinOp::Add if float => self.b.ins().fadd(a, b),
            BinOp::Sub if float => self.b.ins().fsub(a, b),
            BinOp::Mul if float => self.b.ins().fmul(a, b),
            BinOp::Add => self.b.ins().iadd(a, b),
            BinOp::Sub => self.b.ins().isub(a, b),
            BinOp::Mul => self.b.ins().imul(a, b),
            BinOp::Div => self.b.ins().fdiv(a, b),
            BinOp::Min if float => self.pick(a, b, a, b),
            BinOp::Max if float => self.pick(b, a, a, b),
            BinOp::Min => self.b.ins().smin(a, b),
            BinOp::Max => self.b.ins().smax(a, b),
            BinOp::MinU => self.b.ins().umin(a, b),
            BinOp::MaxU => self.b.ins().umax(a, b),
            BinOp::And => self.b.ins().band(a, b),
            BinOp::Or => self.b.ins().bor(a, b),
            BinOp::Xor => self.b.ins().bxor(a, b),
            BinOp::Madd16 => self.madd16(a, b),
            BinOp::MaddUbs => self.madd_ubs(a, b),
            BinOp::NarrowS => self.b.ins().snarrow(a, b),
            BinOp::NarrowU => self.b.ins().unarrow(a, b),
            BinOp::Eq if float => self.b.ins().fcmp(FloatCC::Equal, a, b),
            BinOp::Gt if float => self.b.ins().fcmp(FloatCC::GreaterThan, a, b),
            BinOp::Ge if float => self.b.ins().fcmp(FloatCC::GreaterThanOrEqual, a, b),
            BinOp::Eq => self.b.ins().icmp(IntCC::Equal, a, b),
            BinOp::Gt => self.b.ins().icmp(IntCC::SignedGreaterThan, a, b),
            BinOp::Ge => self.b.ins().icmp(IntCC::SignedGreaterThanOrEqual, a, b),
            BinOp::InterleaveLow => self.interleave(lane, a, b, 0),
            BinOp::InterleaveHigh => self.interleave(lane, a, b, VL / 2),
        }
    }

    /// `less < than ? x : y`: one `minps` or `maxps`.
    fn pick(&mut self, less: ir::Value, than: ir::Value, x: ir::Value, y: ir::Value) -> ir::Value {
        let mask = self.b.ins().fcmp(FloatCC::LessThan, less, than);
        let mask = self.cast_to(types::F32X4, mask);
        self.b.ins().bitselect(mask, x, y)
    }

    /// Toward zero; what does not fit gives `i32::MIN`, as `cvttps2dq` does.
    fn truncate(&mut self, a: ir::Value) -> ir::Value {
        if self.x86 {
            return self.b.ins().x86_cvtt2dq(types::I32X4, a);
        }
        let limit = f32::to_le_bytes(2147483648.0);
        let limit = self.vconst(types::F32X4, std::array::from_fn(|i| limit[i % 4]));
        let converted = self.b.ins().fcvt_to_sint_sat(types::I32X4, a);
        let magnitude = self.b.ins().fabs(a);
        let fits = self.b.ins().fcmp(FloatCC::LessThan, magnitude, limit);
        let lowest = self.vconst(types::I32X4, std::array::from_fn(|i| if i % 4 == 3 { 0x80 } else { 0 }));
        self.b.ins().bitselect(fits, converted, lowest)
    }

    fn madd16(&mut self, a: ir::Value, b: ir::Value) -> ir::Value {
        let (al, bl) = (self.b.ins().swiden_low(a), self.b.ins().swiden_low(b));
        let (ah, bh) = (self.b.ins().swiden_high(a), self.b.ins().swiden_high(b));
        let (low, high) = (self.b.ins().imul(al, bl), self.b.ins().imul(ah, bh));
        self.b.ins().iadd_pairwise(low, high)
    }

    fn madd_ubs(&mut self, a: ir::Value, b: ir::Value) -> ir::Value {
        if self.x86 {
            return self.b.ins().x86_pmaddubsw(b, a);
        }
        let (al, bl) = (self.b.ins().uwiden_low(a), self.b.ins().swiden_low(b));
        let (ah, bh) = (self.b.ins().uwiden_high(a), self.b.ins().swiden_high(b));
        let (low, high) = (self.b.ins().imul(al, bl), self.b.ins().imul(ah, bh));
        let even = std::array::from_fn(|i| (4 * (i / 2) + i % 2) as u8);
        let odd = std::array::from_fn(|i| (4 * (i / 2) + 2 + i % 2) as u8);
        let (even, odd) = (self.shuffle(Lane::I16, low, high, even), self.shuffle(Lane::I16, low, high, odd));
        self.b.ins().sadd_sat(even, odd)
    }

    fn dot4(&mut self, acc: ir::Value, a: ir::Value, b: ir::Value) -> ir::Value {
        match self.dot4 {
            Some(DotInstruction::Vpdpbusd) => {
                let low = (self.b.ins().swiden_low(b), self.b.ins().uwiden_low(a));
                let high = (self.b.ins().swiden_high(b), self.b.ins().uwiden_high(a));
                self.dot_tree(acc, low, high)
            }
            Some(DotInstruction::Usdot) => {
                let low = (self.b.ins().uwiden_low(a), self.b.ins().swiden_low(b));
                let high = (self.b.ins().uwiden_high(a), self.b.ins().swiden_high(b));
                self.dot_tree(acc, low, high)
            }
            Some(DotInstruction::Sdot) => {
                // An unsigned code is the signed one of its bits, the highest inverted, plus twice 64.
                let (flip, half) = (self.vconst(types::I8X16, [0x80; VL]), self.vconst(types::I8X16, [64; VL]));
                let signed = self.b.ins().bxor(a, flip);
                [signed, half, half].into_iter().fold(acc, |acc, a| {
                    let low = (self.b.ins().swiden_low(a), self.b.ins().swiden_low(b));
                    let high = (self.b.ins().swiden_high(a), self.b.ins().swiden_high(b));
                    self.dot_tree(acc, low, high)
                })
            }
            None => {
                let (al, bl) = (self.b.ins().uwiden_low(a), self.b.ins().swiden_low(b));
                let (ah, bh) = (self.b.ins().uwiden_high(a), self.b.ins().swiden_high(b));
                let (low, high) = (self.madd16(al, bl), self.madd16(ah, bh));
                let dots = self.b.ins().iadd_pairwise(low, high);
                self.b.ins().iadd(acc, dots)
            }
        }
    }

    /// The sum that dot products of bytes are selected from, given the two halves of both factors in 16 bits, which hold
    /// the products of bytes. Which of the factors is widened how, and which one comes first, selects the instruction.
    fn dot_tree(&mut self, acc: ir::Value, low: (ir::Value, ir::Value), high: (ir::Value, ir::Value)) -> ir::Value {
        let sums = [low, high].map(|(a, b)| {
            let products = self.b.ins().imul(a, b);
            let (first, second) = (self.b.ins().swiden_low(products), self.b.ins().swiden_high(products));
            self.b.ins().iadd_pairwise(first, second)
        });
        let dots = self.b.ins().iadd_pairwise(sums[0], sums[1]);
        self.b.ins().iadd(dots, acc)
    }

    fn interleave(&mut self, lane: Lane, a: ir::Value, b: ir::Value, first: usize) -> ir::Value {
        let n = lane.bytes();
        let bytes = std::array::from_fn(|i| {
            let (at, byte) = (i / n, i % n);
            (first + at / 2 * n + byte + if at % 2 == 0 { 0 } else { VL }) as u8
        });
        self.shuffle(lane, a, b, bytes)
    }

    fn shuffle(&mut self, lane: Lane, a: ir::Value, b: ir::Value, bytes: [u8; VL]) -> ir::Value {
        let (a, b) = (self.cast_to(types::I8X16, a), self.cast_to(types::I8X16, b));
        let lanes = self.b.func.dfg.immediates.push(ConstantData::from(&bytes[..]));
        let out = self.b.ins().shuffle(a, b, lanes);
        self.cast(lane, out)
    }
}
