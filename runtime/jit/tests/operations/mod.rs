//! Kernels that use every operation, control flow and partial accesses, each handed to a function that checks it.
//!
//! The emulated tests (`tests/emulate`) read this file too.

use qcc_kernel::{Addr, BinOp, Buf, IndexOp, Kernel, KernelBuilder, Lane, Op, ShiftOp, UnOp, Value, Width};

/// What the buffers of a kernel hold, in order of declaration.
pub type Buffers = Vec<Vec<u8>>;

/// What is done with a kernel; the number is the seed of its buffers.
pub type Check<'c> = &'c mut dyn FnMut(&Kernel, u64);

const INT: [Lane; 3] = [Lane::I8, Lane::I16, Lane::I32];
const ALL: [Lane; 4] = [Lane::I8, Lane::I16, Lane::I32, Lane::F32];
/// Both widths of registers.
pub const WIDTHS: [Width; 2] = [Width::V128, Width::V256];

/// Bytes for the buffers of a kernel, the same ones for the same seed.
pub fn buffers(kernel: &Kernel, seed: u64) -> Buffers {
    let mut random = Random(seed);
    kernel.buffers.iter().map(|b| (0..b.bytes).map(|_| random.byte()).collect()).collect()
}

/// Deterministic bytes with many extremes.
struct Random(u64);

impl Random {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        match self.0 >> 61 {
            0 => 0,
            1 => 255,
            2 => 128,
            _ => (self.0 >> 40) as u8,
        }
    }
}

/// Sixteen bytes of each half at `index + offset`, the high half behind the low one.
pub fn whole(b: &KernelBuilder, buf: Buf, index: Value, offset: i64) -> Addr {
    let addr = buf.at(index, offset);
    if b.width() == Width::V256 { addr.with_high(16) } else { addr }
}

/// `y = f(a, b, c)` over a few registers of random bits; floats are made finite first.
pub fn ternary(
    width: Width,
    name: &str,
    lanes: [Lane; 3],
    f: impl Fn(&mut KernelBuilder, [Value; 3]) -> Value,
) -> Kernel {
    let mut b = KernelBuilder::with_width(name, 8, width);
    let bytes = 8 * width.bytes();
    let ins = [b.input("a", bytes), b.input("b", bytes), b.input("c", bytes)];
    let y = b.output("y", bytes);
    let at = b.mul(b.task(), width.bytes() as i64);
    let args = std::array::from_fn(|i| {
        let addr = whole(&b, ins[i], at, 0);
        let v = b.load(Lane::I32, 16, addr);
        let v = if lanes[i] == Lane::F32 { b.unary(UnOp::ToF32, v) } else { v };
        b.unary(UnOp::Bitcast(lanes[i]), v)
    });
    let v = f(&mut b, args);
    let addr = whole(&b, y, at, 0);
    b.store(addr, 16, v);
    b.finish()
}

/// Checks the same program with registers of both widths.
fn check_ternary(
    check: Check<'_>,
    name: &str,
    lanes: [Lane; 3],
    seed: u64,
    f: impl Fn(&mut KernelBuilder, [Value; 3]) -> Value + Copy,
) {
    for width in WIDTHS {
        check(&ternary(width, name, lanes, f), seed);
    }
}

/// Every operation on one register, for every lane it has.
pub fn unary_operations(check: Check<'_>) {
    use UnOp::*;
    let all = [
        WidenLowS,
        WidenLowU,
        WidenHighS,
        WidenHighU,
        PairSum,
        ToF32,
        RoundToI32,
        TruncToI32,
        Neg,
        Abs,
        Sqrt,
        Floor,
        Ceil,
        Nearest,
        Not,
        Bitcast(Lane::I8),
    ];
    let mut tried = 0;
    for op in all {
        for lane in ALL {
            let fits = Op::Unary { op, a: Value(0) }.result(|_| qcc_kernel::Ty::Vec(lane)).is_ok();
            if !fits {
                continue;
            }
            tried += 1;
            check_ternary(check, &format!("{op:?} {lane}"), [lane; 3], 7, |b, [x, ..]| {
                let x = match op {
                    Sqrt => b.unary(Abs, x),
                    Floor | Ceil | Nearest | RoundToI32 | TruncToI32 => {
                        let scale = b.splat_f32(1.0 / 1024.0 / 1024.0 / 3.0);
                        b.binary(BinOp::Mul, x, scale)
                    }
                    _ => x,
                };
                b.unary(op, x)
            });
        }
    }
    assert!(tried > 25, "{tried}");
}

/// Every operation on two registers, for every lane it has.
pub fn binary_operations(check: Check<'_>) {
    use BinOp::*;
    let all = [
        Add,
        Sub,
        Mul,
        Div,
        Min,
        Max,
        MinU,
        MaxU,
        And,
        Or,
        Xor,
        Madd16,
        MaddUbs,
        NarrowS,
        NarrowU,
        Eq,
        Gt,
        Ge,
        InterleaveLow,
        InterleaveHigh,
    ];
    for op in all {
        for lane in ALL {
            let fits = Op::Binary { op, a: Value(0), b: Value(1) }.result(|_| qcc_kernel::Ty::Vec(lane)).is_ok();
            if fits {
                check_ternary(check, &format!("{op:?} {lane}"), [lane; 3], 11, |b, [x, y, _]| {
                    // Quotients of zero by zero are NaN with an unspecified payload.
                    let y = if op == Div {
                        let one = b.splat_f32(0.5);
                        b.binary(Max, y, one)
                    } else {
                        y
                    };
                    b.binary(op, x, y)
                });
            }
        }
    }
}

/// Floats beyond the range of integers, and those that are none.
pub fn conversions_of_what_does_not_fit(check: Check<'_>) {
    for op in [UnOp::RoundToI32, UnOp::TruncToI32] {
        for x in [f32::NAN, f32::INFINITY, -f32::INFINITY, 3e9, -3e9, 2147483648.0, -2147483648.0, 0.5, 1.5, -2.5, 0.0]
        {
            check_ternary(check, "convert", [Lane::F32; 3], 1, |b, _| {
                let x = b.splat_f32(x);
                b.unary(op, x)
            });
        }
    }
}

/// Operations with constants in the instruction, and those on three registers.
pub fn shifts_selects_shuffles_and_dots(check: Check<'_>) {
    for lane in [Lane::I16, Lane::I32] {
        for op in [ShiftOp::Left, ShiftOp::RightU, ShiftOp::RightS] {
            for bits in [0, 1, 7, 8, 15] {
                check_ternary(check, "shift", [lane; 3], 3, |b, [a, ..]| b.op(Op::Shift { op, a, bits }));
            }
        }
    }
    for lane in INT {
        check_ternary(check, "select", [lane; 3], 5, |b, [x, y, z]| {
            let mask = b.binary(BinOp::Gt, x, y);
            b.select(mask, y, z)
        });
        check_ternary(check, "select bits", [lane; 3], 5, |b, [x, y, z]| b.select(x, y, z));
    }
    check_ternary(check, "select f32", [Lane::F32; 3], 5, |b, [x, y, z]| {
        let mask = b.binary(BinOp::Ge, x, y);
        b.select(mask, y, z)
    });
    check_ternary(check, "mul_add", [Lane::F32; 3], 9, |b, [acc, x, y]| b.mul_add(acc, x, y));
    check_ternary(check, "dot4", [Lane::I32, Lane::I8, Lane::I8], 9, |b, [acc, a, w]| b.op(Op::Dot4 { acc, a, b: w }));
    for n in 0..16 {
        check_ternary(check, "up", [Lane::I8; 3], 2, |b, [a, ..]| b.shift_bytes_up(a, n));
        check_ternary(check, "down", [Lane::I16; 3], 2, |b, [a, ..]| b.shift_bytes_down(a, n));
        let bytes = std::array::from_fn(|i| ((i * 7 + n * 5) % 32) as u8);
        check_ternary(check, "shuffle", [Lane::I32; 3], 2, |b, [x, y, _]| b.shuffle(x, y, bytes));
        let bytes = std::array::from_fn(|i| (16 + (i * 7 + n * 5) % 16) as u8);
        check_ternary(check, "shuffle", [Lane::I32; 3], 2, |b, [x, y, _]| b.shuffle(x, y, bytes));
    }
    for lane in 0..4 {
        check_ternary(check, "broadcast", [Lane::F32; 3], 4, |b, [x, ..]| b.broadcast_lane(x, lane));
    }
    check(&ternary(Width::V256, "swap", [Lane::F32; 3], |b, [x, ..]| b.swap_halves(x)), 4);
}

/// Where the high half may lie, for both widths.
const HIGHS: [(Width, Option<i64>); 7] = [
    (Width::V128, None),
    (Width::V256, None),
    (Width::V256, Some(0)),
    (Width::V256, Some(8)),
    (Width::V256, Some(16)),
    (Width::V256, Some(-3)),
    (Width::V256, Some(41)),
];

/// Loads and stores of every number of bytes, with the high half anywhere.
pub fn memory_of_every_width(check: Check<'_>) {
    for (width, high) in HIGHS {
        for n in 0..=16 {
            let mut b = KernelBuilder::with_width("widths", 5, width);
            let (x, y) = (b.input("x", 5 * 17 + 50), b.output("y", 5 * 60));
            let at = b.mul(b.task(), 17);
            let v = b.load_partial(Lane::I8, n, Addr { high, ..x.at(at, 4) });
            let to = b.mul(b.task(), 60);
            // Halves that overlap in memory would be written in an order of the backend's choice.
            let high = high.map(|h| if h.abs() < 16 { 20 } else { h });
            b.store_partial(Addr { high, ..y.at(to, 0) }, n, v);
            check(&b.finish(), n as u64);
        }
        for lane in [Lane::I8, Lane::I16] {
            for signed in [false, true] {
                let mut b = KernelBuilder::with_width("widen", 1, width);
                let (x, y) = (b.input("x", 64), b.output("y", 64));
                let v = b.op(Op::LoadWiden { from: lane, signed, addr: Addr { high, ..x.fixed(3) } });
                let w = b.broadcast32(Lane::I16, Addr { high, ..x.fixed(5) });
                let zero = b.index(0);
                let (first, second) = (whole(&b, y, zero, 0), whole(&b, y, zero, 32));
                b.store(first, 16, v);
                b.store(second, 16, w);
                check(&b.finish(), 21);
            }
        }
    }
}

/// Tables of bytes and of words, and scalars read from memory.
pub fn tables_and_indices(check: Check<'_>) {
    for width in WIDTHS {
        let n = width.bytes();
        let mut b = KernelBuilder::with_width("tables", 4, width);
        let (x, t8) = (b.input("x", 4 * n), b.constants("t8", 256));
        let (t32, y) = (b.constants("t32", 1024), b.output("y", 9 * n));
        let at = b.mul(b.task(), n as i64);
        let from = whole(&b, x, at, 0);
        let v = b.load(Lane::I8, 16, from);
        let v = b.lookup8(t8.fixed(0), v);
        let to = whole(&b, y, at, 0);
        b.store(to, 16, v);
        let low = b.load_widen_u(Lane::I8, from);
        let low = b.unary(UnOp::WidenLowU, low);
        let words = b.lookup32(Lane::I32, t32.fixed(0), 256, low);
        b.store(to.plus(4 * n as i64), 16, words);
        // A byte of the table moves the last store.
        let moved = b.index_load(t8.at(at, 3), 1, -128, 127);
        let moved = b.max(moved, 0);
        let moved = b.op(Op::IndexImm { op: IndexOp::Rem, a: moved, imm: 1 });
        let splat = b.op(Op::SplatIndex { a: moved });
        b.store(y.at(moved, 8 * n as i64), 16, splat);
        check(&b.finish(), 77);
    }
}

/// Loops of constant and of variable length, and what follows them.
pub fn loops_and_branches(check: Check<'_>) {
    for (trip, width) in [0, 1, 2, 7].into_iter().flat_map(|trip| WIDTHS.map(|width| (trip, width))) {
        for dynamic in [false, true] {
            let mut b = KernelBuilder::with_width("loops", 5, width);
            let (x, y) = (b.input("x", 16 * 9), b.output("y", 5 * 32));
            let zero = b.splat_i32(0);
            let start = b.index(0);
            let body = |b: &mut KernelBuilder, at: Value, c: &[Value]| {
                let v = {
                    let addr = whole(b, x, at, 0);
                    b.load(Lane::I32, 16, addr)
                };
                let w = b.load(Lane::I32, 16, x.at(c[1], 8));
                let sum = b.binary(BinOp::Add, c[0], v);
                let sum = b.binary(BinOp::Xor, sum, w);
                vec![sum, b.add(c[1], 8)]
            };
            let sum = if dynamic {
                let n = b.min(b.task(), trip);
                b.loop_carried(n, 16, &[zero, start], body)
            } else {
                b.loop_carried(trip as u32, 16, &[zero, start], body)
            };
            let at = b.mul(b.task(), 32);
            let to = whole(&b, y, at, 0);
            b.if_less(
                b.task(),
                3,
                |b| b.store(to, 16, sum[0]),
                |b| {
                    let v = b.unary(UnOp::Neg, sum[0]);
                    b.store(to, 8, v);
                },
            );
            check(&b.finish(), 5);
        }
    }
}

/// Loops in loops, of which values change places.
pub fn carried_values_change_places_and_stay(check: Check<'_>) {
    for width in WIDTHS {
        let mut b = KernelBuilder::with_width("circle", 3, width);
        let (x, y) = (b.input("x", 256), b.output("y", 3 * 160));
        let zero = b.index(0);
        let three: Vec<Value> = (0..3)
            .map(|i| {
                let addr = whole(&b, x, zero, 32 * i);
                b.load(Lane::I32, 16, addr)
            })
            .collect();
        let (one, two) = (b.index(5), b.index(7));
        let inits = [three[0], three[1], three[2], three[0], one, two];
        let n = b.add(b.task(), 1);
        let out = b.loop_carried(n, 3, &inits, |b, i, c| {
            let sum = b.binary(BinOp::Add, c[0], three[1]);
            let splat = b.op(Op::SplatIndex { a: i });
            let sum = b.binary(BinOp::Xor, sum, splat);
            let inner = b.loop_carried(2, 1, &[c[1], sum], |b, _, d| {
                let next = b.binary(BinOp::Sub, d[0], d[1]);
                vec![d[1], next]
            });
            vec![c[1], inner[0], c[0], c[3], c[5], c[4]]
        });
        let at = b.mul(b.task(), 160);
        for (i, &v) in out[..4].iter().enumerate() {
            let to = whole(&b, y, at, 32 * i as i64);
            b.store(to, 16, v);
        }
        let sum = b.mul(out[4], 16);
        let sum = b.index_add(sum, out[5]);
        let sum = b.op(Op::SplatIndex { a: sum });
        b.store(y.at(at, 128), 16, sum);
        check(&b.finish(), 6);
    }
}

/// More values at once than there are registers.
pub fn more_values_than_registers(check: Check<'_>) {
    for width in WIDTHS {
        for many in [10usize, 16, 17, 30] {
            let mut b = KernelBuilder::with_width("many", 2, width);
            let bytes = 32 * many + 64;
            let (x, y) = (b.input("x", bytes), b.output("y", 2 * bytes));
            let scalars: Vec<Value> = (0..many as i64).map(|i| b.add(b.task(), 3 * i)).collect();
            let vectors: Vec<Value> = (0..many)
                .map(|i| {
                    let addr = whole(&b, x, scalars[i % 3], 16 * i as i64);
                    b.load(Lane::I16, 16, addr)
                })
                .collect();
            let four = b.splat_i16(4);
            let all = [vectors.clone(), scalars.clone()].concat();
            let out = b.loop_carried(3, 2, &all, |b, i, c| {
                let (v, s) = c.split_at(many);
                let mut next: Vec<Value> = Vec::new();
                for j in 0..many {
                    let mask = b.binary(BinOp::Gt, v[j], v[(j + 1) % many]);
                    let one = b.select(mask, v[(j + 2) % many], four);
                    let sum = b.binary(BinOp::Sub, one, vectors[j]);
                    next.push(b.shuffle(sum, v[j], std::array::from_fn(|k| (3 * k % 32) as u8)));
                }
                for j in 0..many {
                    let sum = b.index_add(s[j], s[(j + 1) % many]);
                    let sum = b.index_add(sum, i);
                    next.push(b.op(Op::Index { op: IndexOp::Min, a: sum, b: scalars[many - 1 - j] }));
                }
                next
            });
            let at = b.mul(b.task(), bytes as i64);
            for (i, &v) in out[..many].iter().enumerate() {
                let to = whole(&b, y, at, 32 * i as i64);
                b.store(to, 16, v);
            }
            let sum = out[many..].iter().copied().reduce(|s, v| b.index_add(s, v)).unwrap();
            let sum = b.op(Op::SplatIndex { a: sum });
            b.store(y.at(at, 32 * many as i64), 16, sum);
            check(&b.finish(), 8);
        }
    }
}

/// Kernels whose memory does not hold what was promised, with what is in their buffers before and afterwards: the last
/// number that was promised stands for every other one.
pub fn broken_promises() -> Vec<(Kernel, Buffers, Buffers)> {
    let places = [(0, 48), (16, 48), (-32, -16)];
    let broken = |width, (lo, hi)| {
        let mut b = KernelBuilder::with_width("promises", 4, width);
        let (x, words, y) = (b.input("x", 16), b.input("words", 32), b.output("y", 4 * 32));
        let from = b.mul(b.task(), 4);
        let loaded = b.index_load(x.at(from, 0), 4, lo, hi);
        let splat = b.op(Op::SplatIndex { a: loaded });
        let to = b.mul(b.task(), 32);
        b.store(y.at(to, 0), 16, splat);
        let index = b.load(Lane::I32, 16, x.fixed(0));
        let found = b.lookup32(Lane::I32, words.fixed(0), 8, index);
        b.store(y.at(to, 16), 16, found);
        let numbers = [i32::MIN, -17, 20, i32::MAX];
        let bytes = |numbers: &[i32]| -> Vec<u8> { numbers.iter().flat_map(|n| n.to_le_bytes()).collect() };
        let ins = [bytes(&numbers), bytes(&std::array::from_fn::<i32, 8, _>(|i| 100 + i as i32))];
        let kept = numbers.map(|n| if (lo..=hi).contains(&i64::from(n)) { n } else { hi as i32 });
        // No lane is in the table.
        let out = kept.map(|kept| [bytes(&[kept; 4]), bytes(&[107; 4])].concat()).concat();
        (b.finish(), [&ins[..], &[vec![0; 4 * 32]]].concat(), [&ins[..], &[out]].concat())
    };
    WIDTHS.into_iter().flat_map(|width| places.map(|place| broken(width, place))).collect()
}

/// All of them.
#[allow(dead_code, reason = "tests go through them one by one")]
pub fn all(check: Check<'_>) {
    unary_operations(check);
    binary_operations(check);
    conversions_of_what_does_not_fit(check);
    shifts_selects_shuffles_and_dots(check);
    memory_of_every_width(check);
    tables_and_indices(check);
    loops_and_branches(check);
    carried_values_change_places_and_stay(check);
    more_values_than_registers(check);
}
