//! Vector operations: the instructions of each, and of loads and stores.

use iced_x86::{Code, MemoryOperand, Register};
use qcc_kernel::{Addr, BinOp, Lane, Op, ShiftOp, Ty, UnOp, VL, Value, Width};

use super::code::Operand;
use super::codes::{self, Pair};
use super::emit::{Emitter, low};
use super::linear::commutes;

/// Compares floats, false for NaN: equal, greater or equal, greater.
const COMPARISONS: [i32; 3] = [0x00, 0x1d, 0x1e];

/// Rounds to nearest even, down and up; without exceptions.
const ROUNDINGS: [i32; 3] = [0x8, 0x9, 0xa];

/// Puts the high half in front of the low one.
const SWAPPED: i32 = 0b01_00_11_10;

/// Takes the high half of the second operand.
const HIGH_WORDS: i32 = 0xf0;

/// A table of bytes that is looked up in.
struct Slices {
    table: MemoryOperand,
    /// The codes, and their low four bits.
    a: Register,
    low: Register,
    /// Has one of the high bits of each code as its highest: that which chooses among `2^bit` slices.
    mask: Register,
    bit: usize,
}

impl Emitter<'_, '_> {
    /// An operation.
    pub fn operation(&mut self, dst: Value, op: &Op) {
        if !self.line.is_vector(dst) {
            return self.scalar_operation(dst, op);
        }
        if super::pool::is_constant(op) {
            if let super::emit::Location::Register(r) = self.location(dst) {
                self.load_constant(dst, r);
            }
            return;
        }
        match op {
            Op::Load { bytes, addr, .. } => self.load(dst, *addr, *bytes),
            Op::LoadWiden { from, signed, addr } => self.load_widen(dst, *from, *signed, *addr),
            Op::Broadcast32 { addr, .. } => self.broadcast(dst, *addr),
            Op::SplatIndex { a } => {
                let (a, to) = (self.scalar(*a, Register::RAX), self.vector_result(dst));
                let word = Register::EAX + (a as u32 - Register::RAX as u32);
                self.code.two(Code::VEX_Vmovd_xmm_rm32, low(to), Operand::Reg(word));
                self.code.two(codes::REPEAT32.of(self.width), to, Operand::Reg(low(to)));
                self.finish_vector(dst, to);
            }
            Op::Unary { op, a } => self.unary(dst, *op, *a),
            Op::Binary { op, a, b } => self.binary(dst, *op, *a, *b),
            Op::Shift { op, a, bits } => {
                let pair = match (op, self.lane(*a)) {
                    (ShiftOp::Left, Lane::I16) => codes::SHL16,
                    (ShiftOp::Left, _) => codes::SHL32,
                    (ShiftOp::RightU, Lane::I16) => codes::SHR16,
                    (ShiftOp::RightU, _) => codes::SHR32,
                    (ShiftOp::RightS, Lane::I16) => codes::SAR16,
                    (ShiftOp::RightS, _) => codes::SAR32,
                };
                let (a, to) = (self.vector(*a, 0), self.vector_result(dst));
                self.code.two_imm(pair.of(self.width), to, Operand::Reg(a), i32::from(*bits));
                self.finish_vector(dst, to);
            }
            Op::Select { mask, a, b } => {
                let (mask, t) = (self.vector(*mask, 0), self.temporaries[0]);
                let a = self.operand(*a);
                self.three(codes::AND, t, mask, a);
                let b = self.operand(*b);
                let to = self.vector_result(dst);
                self.three(codes::ANDN, to, mask, b);
                self.three(codes::OR, to, to, Operand::Reg(t));
                self.finish_vector(dst, to);
            }
            Op::Dot4 { acc, a, b } => self.dot4(dst, *acc, *a, *b),
            Op::MulAdd { acc, a, b } => self.mul_add(dst, *acc, *a, *b),
            Op::BroadcastLane { a, lane } => {
                let a = self.operand(*a);
                let to = self.vector_result(dst);
                self.code.two_imm(codes::PICK32.of(self.width), to, a, i32::from(*lane) * 0x55);
                self.finish_vector(dst, to);
            }
            Op::Shuffle { a, b, bytes } => self.shuffle(dst, *a, *b, *bytes),
            Op::Lookup8 { table, a } => self.lookup8(dst, *table, *a),
            Op::Lookup32 { table, limit, a, .. } => self.lookup32(dst, *table, *limit, *a),
            other => unreachable!("this is a bug in qcc: {other:?} gives no vector"),
        }
    }

    /// Stores the low bytes of each half that has an address.
    pub fn store(&mut self, addr: Addr, bytes: u8, value: Value) {
        let value = self.vector(value, 0);
        let at = self.memory(addr);
        match (addr.high, self.width) {
            (Some(high), Width::V256) if high == VL as i64 && bytes as usize == VL => {
                self.code.store(Code::VEX_Vmovdqu_ymmm256_ymm, at, value);
            }
            (Some(high), Width::V256) => {
                self.store_half(at, bytes, low(value));
                let at = plus(at, high);
                if bytes as usize == VL {
                    return self.code.store_imm(Code::VEX_Vextracti128_xmmm128_ymm_imm8, at, value, 1);
                }
                let t = low(self.temporaries[0]);
                self.code.two_imm_to(Code::VEX_Vextracti128_xmmm128_ymm_imm8, t, value, 1);
                self.store_half(at, bytes, t);
            }
            _ => self.store_half(at, bytes, low(value)),
        }
    }

    fn store_half(&mut self, at: MemoryOperand, bytes: u8, value: Register) {
        match bytes {
            16 => self.code.store(Code::VEX_Vmovdqu_xmmm128_xmm, at, value),
            8 => self.code.store(Code::VEX_Vmovq_xmmm64_xmm, at, value),
            4 => self.code.store(Code::VEX_Vmovd_rm32_xmm, at, value),
            2 => self.code.store_imm(Code::VEX_Vpextrw_r32m16_xmm_imm8, at, value, 0),
            _ => self.code.store_imm(Code::VEX_Vpextrb_r32m8_xmm_imm8, at, value, 0),
        }
    }

    fn load(&mut self, dst: Value, addr: Addr, bytes: u8) {
        let at = self.memory(addr);
        let to = self.vector_result(dst);
        if self.width == Width::V128 {
            self.load_half(to, at, bytes);
        } else if bytes as usize == VL {
            match addr.high {
                None | Some(0) => self.code.two(Code::VEX_Vbroadcasti128_ymm_m128, to, Operand::Mem(at)),
                Some(16) => self.code.two(Code::VEX_Vmovdqu_ymm_ymmm256, to, Operand::Mem(at)),
                Some(high) => {
                    self.code.two(Code::VEX_Vmovdqu_xmm_xmmm128, low(to), Operand::Mem(at));
                    self.insert_high(to, to, Operand::Mem(plus(at, high)));
                }
            }
        } else {
            match addr.high {
                None => {
                    self.load_half(low(to), at, bytes);
                    self.insert_high(to, to, Operand::Reg(low(to)));
                }
                Some(high) => {
                    let t = low(self.temporaries[0]);
                    self.load_half(t, plus(at, high), bytes);
                    self.load_half(low(to), at, bytes);
                    self.insert_high(to, to, Operand::Reg(t));
                }
            }
        }
        self.finish_vector(dst, to);
    }

    fn insert_high(&mut self, to: Register, low: Register, high: Operand) {
        self.code.three_imm(Code::VEX_Vinserti128_ymm_ymm_xmmm128_imm8, to, low, high, 1);
    }

    /// Loads bytes into a register of one half, the rest zero. May change RAX: addresses are dead behind it.
    fn load_half(&mut self, to: Register, at: MemoryOperand, bytes: u8) {
        match bytes {
            16 => self.code.two(Code::VEX_Vmovdqu_xmm_xmmm128, to, Operand::Mem(at)),
            8 => self.code.two(Code::VEX_Vmovq_xmm_xmmm64, to, Operand::Mem(at)),
            4 => self.code.two(Code::VEX_Vmovd_xmm_rm32, to, Operand::Mem(at)),
            2 => {
                self.code.three(Code::VEX_Vpxor_xmm_xmm_xmmm128, to, to, Operand::Reg(to));
                self.code.three_imm(Code::VEX_Vpinsrw_xmm_xmm_r32m16_imm8, to, to, Operand::Mem(at), 0);
            }
            _ => {
                self.code.three(Code::VEX_Vpxor_xmm_xmm_xmmm128, to, to, Operand::Reg(to));
                self.code.three_imm(Code::VEX_Vpinsrb_xmm_xmm_r32m8_imm8, to, to, Operand::Mem(at), 0);
            }
        }
    }

    fn load_widen(&mut self, dst: Value, from: Lane, signed: bool, addr: Addr) {
        let pair = match (from, signed) {
            (Lane::I8, false) => codes::SPREAD8,
            (Lane::I8, true) => codes::SPREADS8,
            (_, false) => codes::SPREAD16,
            (_, true) => codes::SPREADS16,
        };
        let at = self.memory(addr);
        let to = self.vector_result(dst);
        let code = pair.of(self.width);
        match (self.width, addr.high) {
            (Width::V128, _) | (_, Some(8)) => self.code.two(code, to, Operand::Mem(at)),
            (_, None | Some(0)) => {
                self.code.two(Code::VEX_Vpbroadcastq_xmm_xmmm64, low(to), Operand::Mem(at));
                self.code.two(code, to, Operand::Reg(low(to)));
            }
            (_, Some(high)) => {
                self.code.two(Code::VEX_Vmovq_xmm_xmmm64, low(to), Operand::Mem(at));
                self.code.three(Code::VEX_Vmovhps_xmm_xmm_m64, low(to), low(to), Operand::Mem(plus(at, high)));
                self.code.two(code, to, Operand::Reg(low(to)));
            }
        }
        self.finish_vector(dst, to);
    }

    fn broadcast(&mut self, dst: Value, addr: Addr) {
        let at = self.memory(addr);
        let to = self.vector_result(dst);
        match addr.high {
            Some(high) if high != 0 && self.width == Width::V256 => {
                let t = self.temporaries[0];
                self.code.two(Code::VEX_Vbroadcastss_ymm_m32, t, Operand::Mem(plus(at, high)));
                self.code.two(Code::VEX_Vbroadcastss_ymm_m32, to, Operand::Mem(at));
                let high = Operand::Reg(t);
                self.code.three_imm(Code::VEX_Vpblendd_ymm_ymm_ymmm256_imm8, to, to, high, HIGH_WORDS);
            }
            _ => self.code.two(codes::REPEAT32.of(self.width), to, Operand::Mem(at)),
        }
        self.finish_vector(dst, to);
    }

    fn unary(&mut self, dst: Value, op: UnOp, a: Value) {
        use Lane::*;
        let lane = self.lane(a);
        let float = lane == F32;
        let ones = [0xff; VL];
        match op {
            UnOp::WidenLowU if lane == I8 => self.with_constant(dst, codes::LOW8, a, [0; VL]),
            UnOp::WidenLowU => self.with_constant(dst, codes::LOW16, a, [0; VL]),
            UnOp::WidenHighU if lane == I8 => self.with_constant(dst, codes::HIGH8, a, [0; VL]),
            UnOp::WidenHighU => self.with_constant(dst, codes::HIGH16, a, [0; VL]),
            UnOp::WidenLowS | UnOp::WidenHighS => {
                let (pair, shift, bits) = match (op, lane) {
                    (UnOp::WidenLowS, I8) => (codes::LOW8, codes::SAR16, 8),
                    (UnOp::WidenLowS, _) => (codes::LOW16, codes::SAR32, 16),
                    (_, I8) => (codes::HIGH8, codes::SAR16, 8),
                    _ => (codes::HIGH16, codes::SAR32, 16),
                };
                let (a, to) = (self.vector(a, 0), self.vector_result(dst));
                self.three(pair, to, a, Operand::Reg(a));
                self.code.two_imm(shift.of(self.width), to, Operand::Reg(to), bits);
                self.finish_vector(dst, to);
            }
            UnOp::PairSum => self.with_constant(dst, codes::MADD16, a, std::array::from_fn(|i| (i % 2 == 0).into())),
            UnOp::ToF32 => self.one(dst, codes::TO_F, a),
            UnOp::RoundToI32 => self.one(dst, codes::ROUND, a),
            UnOp::TruncToI32 => self.one(dst, codes::TRUNC, a),
            UnOp::Neg if float => self.with_constant(dst, codes::XOR, a, sign_bits()),
            UnOp::Neg => self.with_constant(dst, sized(lane, codes::SIGN8, codes::SIGN16, codes::SIGN32), a, ones),
            UnOp::Abs if float => self.with_constant(dst, codes::AND, a, sign_bits().map(|b| !b)),
            UnOp::Abs => self.one(dst, sized(lane, codes::ABS8, codes::ABS16, codes::ABS32), a),
            UnOp::Sqrt => self.one(dst, codes::SQRT_F, a),
            UnOp::Nearest => self.rounding(dst, a, ROUNDINGS[0]),
            UnOp::Floor => self.rounding(dst, a, ROUNDINGS[1]),
            UnOp::Ceil => self.rounding(dst, a, ROUNDINGS[2]),
            UnOp::Not => self.with_constant(dst, codes::XOR, a, ones),
            UnOp::SwapHalves => {
                let a = self.operand(a);
                let to = self.vector_result(dst);
                self.code.two_imm(Code::VEX_Vpermq_ymm_ymmm256_imm8, to, a, SWAPPED);
                self.finish_vector(dst, to);
            }
            UnOp::Bitcast(_) => unreachable!("this is a bug in qcc: a bitcast is a name"),
        }
    }

    fn one(&mut self, dst: Value, pair: Pair, a: Value) {
        let a = self.operand(a);
        let to = self.vector_result(dst);
        self.code.two(pair.of(self.width), to, a);
        self.finish_vector(dst, to);
    }

    fn rounding(&mut self, dst: Value, a: Value, mode: i32) {
        let a = self.operand(a);
        let to = self.vector_result(dst);
        self.code.two_imm(codes::ROUNDING.of(self.width), to, a, mode);
        self.finish_vector(dst, to);
    }

    fn with_constant(&mut self, dst: Value, pair: Pair, a: Value, half: [u8; VL]) {
        let (a, at) = (self.vector(a, 0), self.code.pool.register(half));
        let to = self.vector_result(dst);
        self.three(pair, to, a, Operand::Mem(constant(at)));
        self.finish_vector(dst, to);
    }

    fn binary(&mut self, dst: Value, op: BinOp, a: Value, b: Value) {
        let lane = self.lane(a);
        let float = lane == Lane::F32;
        let (a, b) = if commutes(op) && self.is_in_memory(a) && !self.is_in_memory(b) { (b, a) } else { (a, b) };
        let of = |x, y, z| sized(lane, x, y, z);
        let pair = match op {
            BinOp::Add if float => codes::ADD_F,
            BinOp::Sub if float => codes::SUB_F,
            BinOp::Mul if float => codes::MUL_F,
            BinOp::Min if float => codes::MIN_F,
            BinOp::Max if float => codes::MAX_F,
            BinOp::Eq if float => return self.compare_floats(dst, a, b, COMPARISONS[0]),
            BinOp::Ge if float => return self.compare_floats(dst, a, b, COMPARISONS[1]),
            BinOp::Gt if float => return self.compare_floats(dst, a, b, COMPARISONS[2]),
            BinOp::Add => of(codes::ADD8, codes::ADD16, codes::ADD32),
            BinOp::Sub => of(codes::SUB8, codes::SUB16, codes::SUB32),
            BinOp::Mul => of(codes::MUL16, codes::MUL16, codes::MUL32),
            BinOp::Div => codes::DIV_F,
            BinOp::Min => of(codes::MIN8, codes::MIN16, codes::MIN32),
            BinOp::Max => of(codes::MAX8, codes::MAX16, codes::MAX32),
            BinOp::MinU => of(codes::MINU8, codes::MINU16, codes::MINU32),
            BinOp::MaxU => of(codes::MAXU8, codes::MAXU16, codes::MAXU32),
            BinOp::And => codes::AND,
            BinOp::Or => codes::OR,
            BinOp::Xor => codes::XOR,
            BinOp::Madd16 => codes::MADD16,
            BinOp::MaddUbs => codes::MADD_UBS,
            BinOp::NarrowS if lane == Lane::I16 => codes::PACKS16,
            BinOp::NarrowS => codes::PACKS32,
            BinOp::NarrowU if lane == Lane::I16 => codes::PACKU16,
            BinOp::NarrowU => codes::PACKU32,
            BinOp::Eq => of(codes::EQ8, codes::EQ16, codes::EQ32),
            BinOp::Gt => of(codes::GT8, codes::GT16, codes::GT32),
            BinOp::Ge => {
                // Greater or equal is what equals the larger one.
                let (a, t) = (self.vector(a, 0), self.temporaries[0]);
                let b = self.operand(b);
                self.three(of(codes::MAX8, codes::MAX16, codes::MAX32), t, a, b);
                let to = self.vector_result(dst);
                self.three(of(codes::EQ8, codes::EQ16, codes::EQ32), to, t, Operand::Reg(a));
                return self.finish_vector(dst, to);
            }
            BinOp::InterleaveLow => of(codes::LOW8, codes::LOW16, codes::LOW32),
            BinOp::InterleaveHigh => of(codes::HIGH8, codes::HIGH16, codes::HIGH32),
        };
        let a = self.vector(a, 0);
        let b = self.operand(b);
        let to = self.vector_result(dst);
        self.three(pair, to, a, b);
        self.finish_vector(dst, to);
    }

    fn compare_floats(&mut self, dst: Value, a: Value, b: Value, mode: i32) {
        let a = self.vector(a, 0);
        let b = self.operand(b);
        let to = self.vector_result(dst);
        self.code.three_imm(codes::COMPARE_F.of(self.width), to, a, b, mode);
        self.finish_vector(dst, to);
    }

    /// The result takes the place of what is added, or of a factor whose register it has.
    fn mul_add(&mut self, dst: Value, acc: Value, a: Value, b: Value) {
        let (a, b) = (self.vector(a, 0), self.vector(b, 1));
        let sum = self.operand(acc);
        let to = self.vector_result(dst);
        if to == a || to == b {
            self.three(codes::MULADD213_F, to, if to == a { b } else { a }, sum);
        } else {
            match sum {
                Operand::Reg(sum) if sum == to => {}
                Operand::Reg(_) => self.code.two(codes::MOVE.of(self.width), to, sum),
                Operand::Mem(_) => self.code.two(codes::LOAD.of(self.width), to, sum),
            }
            self.three(codes::MULADD231_F, to, a, Operand::Reg(b));
        }
        self.finish_vector(dst, to);
    }

    /// Products of words of each half, which are sums of two, added once more across.
    fn dot4(&mut self, dst: Value, acc: Value, a: Value, b: Value) {
        let (a, b) = (self.vector(a, 0), self.vector(b, 1));
        let [t, u, v] = [self.temporaries[0], self.temporaries[1], self.temporaries[2]];
        let zero = Operand::Mem(constant(self.code.pool.register([0; VL])));
        for (pair, sum) in [(codes::LOW8, t), (codes::HIGH8, u)] {
            self.three(pair, v, b, Operand::Reg(b));
            self.code.two_imm(codes::SAR16.of(self.width), v, Operand::Reg(v), 8);
            self.three(pair, sum, a, zero);
            self.three(codes::MADD16, sum, sum, Operand::Reg(v));
        }
        self.three(codes::HADD32, t, t, Operand::Reg(u));
        let acc = self.operand(acc);
        let to = self.vector_result(dst);
        self.three(codes::ADD32, to, t, acc);
        self.finish_vector(dst, to);
    }

    fn shuffle(&mut self, dst: Value, a: Value, b: Value, bytes: [u8; VL]) {
        let zero = |v| self.line.op(v).and_then(super::pool::half) == Some([0; VL]);
        let (from_a, from_b) = (zero(b) || bytes.iter().all(|&i| i < 16), zero(a) || bytes.iter().all(|&i| i >= 16));
        // A byte that is not picked is zero.
        let pick = |first: u8| bytes.map(|i| if (first..first + 16).contains(&i) { i - first } else { 0x80 });
        if from_a || from_b {
            let (v, bytes) = if from_a { (a, pick(0)) } else { (b, pick(16)) };
            if let Some(words) = words(&bytes) {
                let v = self.operand(v);
                let to = self.vector_result(dst);
                self.code.two_imm(codes::PICK32.of(self.width), to, v, words);
                return self.finish_vector(dst, to);
            }
            let (v, at) = (self.vector(v, 0), self.code.pool.register(bytes));
            let to = self.vector_result(dst);
            self.three(codes::SHUFFLE, to, v, Operand::Mem(constant(at)));
            return self.finish_vector(dst, to);
        }
        let (a, b, t) = (self.vector(a, 0), self.vector(b, 1), self.temporaries[0]);
        let (first, second) = (self.code.pool.register(pick(0)), self.code.pool.register(pick(16)));
        self.three(codes::SHUFFLE, t, a, Operand::Mem(constant(first)));
        let to = self.vector_result(dst);
        self.three(codes::SHUFFLE, to, b, Operand::Mem(constant(second)));
        self.three(codes::OR, to, to, Operand::Reg(t));
        self.finish_vector(dst, to);
    }

    /// Each slice of sixteen bytes of the table is looked up in by the low four bits of the codes; which slice counts is
    /// chosen by one high bit after the other.
    fn lookup8(&mut self, dst: Value, table: Addr, a: Value) {
        let (a, table) = (self.vector(a, 0), self.memory(table));
        let (low, mask) = (self.temporaries[0], self.temporaries[1]);
        let to = self.vector_result(dst);
        // A byte whose highest bit is set would pick zero.
        let bits = Operand::Mem(constant(self.code.pool.splat(0x0f0f_0f0f)));
        self.three(codes::AND, low, a, bits);
        let mut slices = Slices { table, a, low, mask, bit: 0 };
        let registers = [&[to], &self.temporaries[2..]].concat();
        self.slice(&mut slices, 4, 0, &registers);
        self.finish_vector(dst, to);
    }

    /// What the low `bits + 4` bits of the codes pick from `2^bits` slices from slice `at` on, in the first of `registers`.
    fn slice(&mut self, slices: &mut Slices, bits: usize, at: usize, registers: &[Register]) {
        let to = registers[0];
        if bits == 0 {
            let part = Operand::Mem(plus(slices.table, (at * VL) as i64));
            self.code.two(codes::REPEAT128.of(self.width), to, part);
            return self.three(codes::SHUFFLE, to, to, Operand::Reg(slices.low));
        }
        self.slice(slices, bits - 1, at, registers);
        self.slice(slices, bits - 1, at + (1 << (bits - 1)), &registers[1..]);
        let mask = if bits == 4 { slices.a } else { slices.mask };
        if bits < 4 && slices.bit != bits {
            self.code.two_imm(codes::SHL16.of(self.width), mask, Operand::Reg(slices.a), 4 - bits as i32);
            slices.bit = bits;
        }
        self.code.blend(codes::BLEND8.of(self.width), to, to, registers[1], mask);
    }

    fn lookup32(&mut self, dst: Value, table: Addr, limit: u32, a: Value) {
        let (a, at) = (self.vector(a, 0), self.memory(table));
        let (to, mask, index) = (self.vector_result(dst), self.temporaries[0], self.temporaries[1]);
        self.code.two(Code::Lea_r64_m, Register::RAX, Operand::Mem(at));
        // Memory may hold anything: what is outside of the table reads its last word.
        let last = Operand::Mem(constant(self.code.pool.splat(limit - 1)));
        self.three(codes::MINU32, index, a, last);
        self.three(codes::EQ32, mask, mask, Operand::Reg(mask));
        let from = MemoryOperand::with_base_index_scale(Register::RAX, index, 4);
        self.code.gather(codes::GATHER.of(self.width), to, from, mask);
        self.finish_vector(dst, to);
    }

    fn three(&mut self, pair: Pair, to: Register, a: Register, b: Operand) {
        self.code.three(pair.of(self.width), to, a, b);
    }

    /// Lanes of a vector, as its user sees them.
    fn lane(&self, v: Value) -> Lane {
        match self.line.kernel.types[v.0 as usize] {
            Ty::Vec(lane) => lane,
            Ty::Index => panic!("this is a bug in qcc: kernel {} uses scalar {v} as a vector", self.line.kernel.name),
        }
    }
}

fn sized(lane: Lane, bytes: Pair, halves: Pair, words: Pair) -> Pair {
    match lane {
        Lane::I8 => bytes,
        Lane::I16 => halves,
        Lane::I32 | Lane::F32 => words,
    }
}

fn sign_bits() -> [u8; VL] {
    std::array::from_fn(|i| if i % 4 == 3 { 0x80 } else { 0 })
}

/// The immediate that picks whole words, if that is what these bytes do.
fn words(bytes: &[u8; VL]) -> Option<i32> {
    let whole = bytes.chunks(4).all(|w| w[0].is_multiple_of(4) && w[0] < 16 && (1..4).all(|i| w[i] == w[0] + i as u8));
    whole.then(|| bytes.iter().step_by(4).enumerate().map(|(i, b)| i32::from(b / 4) << (2 * i)).sum())
}

fn constant(at: i64) -> MemoryOperand {
    MemoryOperand::with_base_displ(Register::RIP, at)
}

fn plus(at: MemoryOperand, bytes: i64) -> MemoryOperand {
    MemoryOperand { displacement: at.displacement + bytes, displ_size: 1, ..at }
}
