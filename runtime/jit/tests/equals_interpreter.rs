//! Compiled code equals the interpreter bit for bit: every operation, control flow, and partial accesses.
#![allow(unsafe_code, reason = "compiled kernels are called")]

use qcc_jit::{CpuFeatures, compile};
use qcc_kernel::{BinOp, IndexOp, Kernel, KernelBuilder, Lane, Op, ShiftOp, UnOp, Value, interpret, verify};

const INT: [Lane; 3] = [Lane::I8, Lane::I16, Lane::I32];
const ALL: [Lane; 4] = [Lane::I8, Lane::I16, Lane::I32, Lane::F32];

/// Runs the kernel both ways on the same buffers and compares every buffer.
fn check(kernel: &Kernel, seed: u64) {
    verify(kernel).unwrap();
    for features in [CpuFeatures::detect(), CpuFeatures::baseline()] {
        let module = compile(std::slice::from_ref(kernel), &features, 1).unwrap();
        let mut random = Random(seed);
        let mut compiled: Vec<Vec<u8>> =
            kernel.buffers.iter().map(|b| (0..b.bytes).map(|_| random.byte()).collect()).collect();
        let mut interpreted = compiled.clone();
        let mut slices: Vec<&mut [u8]> = interpreted.iter_mut().map(Vec::as_mut_slice).collect();
        interpret(kernel, &mut slices, 0, u64::from(kernel.tasks)).unwrap();
        let pointers: Vec<*mut u8> = compiled.iter_mut().map(|b| b.as_mut_ptr()).collect();
        // SAFETY: one buffer of the declared size per declaration.
        unsafe { module.entry(0).call(&pointers, 0, u64::from(kernel.tasks)) };
        assert_eq!(compiled, interpreted, "{kernel}");
    }
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

/// `y = f(a, b, c)` over a few registers of random bits; floats are made finite first.
fn ternary(name: &str, lanes: [Lane; 3], f: impl Fn(&mut KernelBuilder, [Value; 3]) -> Value) -> Kernel {
    let mut b = KernelBuilder::new(name, 8);
    let ins = [b.input("a", 128), b.input("b", 128), b.input("c", 128)];
    let y = b.output("y", 128);
    let at = b.mul(b.task(), 16);
    let args = std::array::from_fn(|i| {
        let v = b.load(Lane::I32, 16, ins[i].at(at, 0));
        let v = if lanes[i] == Lane::F32 { b.unary(UnOp::ToF32, v) } else { v };
        b.unary(UnOp::Bitcast(lanes[i]), v)
    });
    let v = f(&mut b, args);
    b.store(y.at(at, 0), 16, v);
    b.finish()
}

#[test]
fn unary_operations() {
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
            check(
                &ternary(&format!("{op:?} {lane}"), [lane; 3], |b, [x, ..]| {
                    let x = match op {
                        Sqrt => b.unary(Abs, x),
                        Floor | Ceil | Nearest | RoundToI32 | TruncToI32 => {
                            let scale = b.splat_f32(1.0 / 1024.0 / 1024.0 / 3.0);
                            b.binary(BinOp::Mul, x, scale)
                        }
                        _ => x,
                    };
                    b.unary(op, x)
                }),
                7,
            );
        }
    }
    assert!(tried > 25, "{tried}");
}

#[test]
fn binary_operations() {
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
                check(
                    &ternary(&format!("{op:?} {lane}"), [lane; 3], |b, [x, y, _]| {
                        // Quotients of zero by zero are NaN with an unspecified payload.
                        let y = if op == Div {
                            let one = b.splat_f32(0.5);
                            b.binary(Max, y, one)
                        } else {
                            y
                        };
                        b.binary(op, x, y)
                    }),
                    11,
                );
            }
        }
    }
}

#[test]
fn conversions_of_what_does_not_fit() {
    for op in [UnOp::RoundToI32, UnOp::TruncToI32] {
        for x in [f32::NAN, f32::INFINITY, -f32::INFINITY, 3e9, -3e9, 2147483648.0, -2147483648.0, 0.5, 1.5, -2.5, 0.0]
        {
            let k = ternary("convert", [Lane::F32; 3], |b, _| {
                let x = b.splat_f32(x);
                b.unary(op, x)
            });
            check(&k, 1);
        }
    }
}

#[test]
fn shifts_selects_shuffles_and_dots() {
    for lane in [Lane::I16, Lane::I32] {
        for op in [ShiftOp::Left, ShiftOp::RightU, ShiftOp::RightS] {
            for bits in [0, 1, 7, 8, 15] {
                check(&ternary("shift", [lane; 3], |b, [a, ..]| b.op(Op::Shift { op, a, bits })), 3);
            }
        }
    }
    for lane in INT {
        check(
            &ternary("select", [lane; 3], |b, [x, y, z]| {
                let mask = b.binary(BinOp::Gt, x, y);
                b.select(mask, y, z)
            }),
            5,
        );
    }
    check(
        &ternary("select f32", [Lane::F32; 3], |b, [x, y, z]| {
            let mask = b.binary(BinOp::Ge, x, y);
            b.select(mask, y, z)
        }),
        5,
    );
    check(&ternary("dot4", [Lane::I32, Lane::I8, Lane::I8], |b, [acc, a, w]| b.op(Op::Dot4 { acc, a, b: w })), 9);
    for n in 0..16 {
        check(&ternary("up", [Lane::I8; 3], |b, [a, ..]| b.shift_bytes_up(a, n)), 2);
        check(&ternary("down", [Lane::I16; 3], |b, [a, ..]| b.shift_bytes_down(a, n)), 2);
        let bytes = std::array::from_fn(|i| ((i * 7 + n * 5) % 32) as u8);
        check(&ternary("shuffle", [Lane::I32; 3], |b, [x, y, _]| b.shuffle(x, y, bytes)), 2);
    }
    for lane in 0..4 {
        check(&ternary("broadcast", [Lane::F32; 3], |b, [x, ..]| b.broadcast_lane(x, lane)), 4);
    }
}

#[test]
fn memory_of_every_width() {
    for n in 0..=16 {
        let mut b = KernelBuilder::new("widths", 5);
        let (x, y) = (b.input("x", 5 * 17), b.output("y", 5 * 17));
        let at = b.mul(b.task(), 17);
        let v = b.load_partial(Lane::I8, n, x.at(at, 1));
        b.store_partial(y.at(at, 0), n, v);
        check(&b.finish(), n as u64);
    }
    for lane in [Lane::I8, Lane::I16] {
        for signed in [false, true] {
            let mut b = KernelBuilder::new("widen", 1);
            let (x, y) = (b.input("x", 11), b.output("y", 32));
            let v = b.op(Op::LoadWiden { from: lane, signed, addr: x.fixed(3) });
            let w = b.broadcast32(Lane::I16, x.fixed(5));
            b.store(y.fixed(0), 16, v);
            b.store(y.fixed(16), 16, w);
            check(&b.finish(), 21);
        }
    }
}

#[test]
fn tables_and_indices() {
    let mut b = KernelBuilder::new("tables", 4);
    let (x, t8, t32, y) = (b.input("x", 64), b.constants("t8", 256), b.constants("t32", 1024), b.output("y", 144));
    let at = b.mul(b.task(), 16);
    let v = b.load(Lane::I8, 16, x.at(at, 0));
    let v = b.lookup8(t8.fixed(0), v);
    b.store(y.at(at, 0), 16, v);
    let low = b.load_widen_u(Lane::I8, x.at(at, 0));
    let low = b.unary(UnOp::WidenLowU, low);
    let words = b.lookup32(Lane::I32, t32.fixed(0), 256, low);
    b.store(y.at(at, 64), 16, words);
    // A byte of the table moves the last store.
    let moved = b.index_load(t8.at(at, 3), 1, -128, 127);
    let moved = b.op(Op::IndexImm { op: IndexOp::Rem, a: moved, imm: 1 });
    let splat = b.op(Op::SplatIndex { a: moved });
    b.store(y.at(moved, 128), 16, splat);
    check(&b.finish(), 77);
}

#[test]
fn loops_and_branches() {
    for trip in [0, 1, 2, 7] {
        for dynamic in [false, true] {
            let mut b = KernelBuilder::new("loops", 5);
            let (x, y) = (b.input("x", 16 * 8), b.output("y", 5 * 16));
            let zero = b.splat_i32(0);
            let start = b.index(0);
            let body = |b: &mut KernelBuilder, at: Value, c: &[Value]| {
                let v = b.load(Lane::I32, 16, x.at(at, 0));
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
            let at = b.mul(b.task(), 16);
            b.if_less(
                b.task(),
                3,
                |b| b.store(y.at(at, 0), 16, sum[0]),
                |b| {
                    let v = b.unary(UnOp::Neg, sum[0]);
                    b.store(y.at(at, 0), 8, v);
                },
            );
            check(&b.finish(), 5);
        }
    }
}

#[test]
fn equal_kernels_share_their_code_and_threads_do_not_matter() {
    let kernels: Vec<Kernel> =
        (0..9).map(|i| ternary("k", [Lane::I32; 3], |b, [x, ..]| b.shl(x, (i % 3) as u8))).collect();
    for threads in [1, 2, 16] {
        let module = compile(&kernels, &CpuFeatures::detect(), threads).unwrap();
        assert_eq!(module.len(), 9);
        let mut buffers = vec![vec![1u8; 128]; 4];
        let pointers: Vec<*mut u8> = buffers.iter_mut().map(|b| b.as_mut_ptr()).collect();
        for i in 0..9 {
            // SAFETY: four buffers of 128 bytes, as declared.
            unsafe { module.entry(i).call(&pointers, 0, 8) };
            assert_eq!(buffers[3][0], 1 << (i % 3));
        }
    }
}
