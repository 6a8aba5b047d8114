//! Integer kernels against the limit of the multipliers: `cargo bench -p qcc-lower --bench kernels`.
//!
//! The limit is what a loop of independent `madd16` and additions reaches, measured beside the kernels: 8 multiply-
//! accumulates an instruction and half a register. Ratios to it say how good a kernel is on any machine; times do not.
#![allow(unsafe_code, reason = "compiled kernels are called")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use qcc_jit::{CodeModule, CpuFeatures, compile};
use qcc_kernel::{BinOp, Kernel, KernelBuilder, Lane, VL, Width};
use qcc_lower::kernels::body::{Body, Node, Operand};
use qcc_lower::kernels::conv::{ConvSpec, Target, conv_for};
use qcc_lower::kernels::layout::{Elem, Halo, TensorLayout};
use qcc_lower::kernels::{Arg, winograd};
use std::time::{Duration, Instant};

/// A convolution to measure.
struct Case {
    name: &'static str,
    /// Rows and columns of the image, input and output channels.
    size: [usize; 4],
    kernel: usize,
    stride: usize,
    depthwise: bool,
    /// In tiles of 2x2 outputs.
    tiled: bool,
    /// Largest magnitude of a weight: the smaller, the more products may be summed in 16 bits.
    largest: i64,
}

const fn dense(name: &'static str, size: [usize; 4], kernel: usize, largest: i64) -> Case {
    Case { name, size, kernel, stride: 1, depthwise: false, tiled: false, largest }
}

/// In tiles of 2x2 outputs, with 16 products where others have 36.
const fn tiled(name: &'static str, size: [usize; 4]) -> Case {
    Case { tiled: true, ..dense(name, size, 3, 127) }
}

/// Every channel on its own; the size is that of the input.
const fn depthwise(name: &'static str, size: [usize; 3], kernel: usize, stride: usize, largest: i64) -> Case {
    let [h, w, channels] = size;
    Case { name, size: [h, w, channels, channels], kernel, stride, depthwise: true, tiled: false, largest }
}

const CASES: [Case; 20] = [
    dense("exact, K 16", [56, 56, 16, 96], 1, 127),
    dense("exact, K 64", [28, 28, 64, 64], 1, 127),
    dense("exact, K 256", [14, 14, 256, 256], 1, 127),
    dense("exact, K 1152", [7, 7, 1152, 192], 1, 127),
    dense("exact, 3x3", [16, 16, 32, 32], 3, 127),
    dense("7-bit weights, K 16", [56, 56, 16, 96], 1, 63),
    dense("7-bit weights, K 144, N 24", [28, 28, 144, 24], 1, 63),
    dense("7-bit weights, K 256", [14, 14, 256, 256], 1, 63),
    dense("groups of four, K 256", [14, 14, 256, 256], 1, 15),
    tiled("tiles, 16 channels", [32, 32, 16, 16]),
    tiled("tiles, 32 channels", [16, 16, 32, 32]),
    tiled("tiles, 64 channels, 8x8", [8, 8, 64, 64]),
    tiled("tiles, 64 channels", [56, 56, 64, 64]),
    tiled("tiles, 256 channels", [14, 14, 256, 256]),
    depthwise("depthwise 3x3", [56, 56, 96], 3, 1, 127),
    depthwise("depthwise 3x3, stride 2", [56, 56, 96], 3, 2, 127),
    depthwise("depthwise 5x5", [28, 28, 240], 5, 1, 127),
    depthwise("depthwise 5x5, stride 2", [28, 28, 240], 5, 2, 127),
    depthwise("depthwise 3x3, 7 bits", [56, 56, 96], 3, 1, 63),
    depthwise("depthwise 5x5, 7 bits", [28, 28, 240], 5, 1, 63),
];

/// Alignment of every buffer, as in a session.
const ALIGN: usize = 64;

/// Code with the memory it works on.
struct Ready {
    code: CodeModule,
    buffers: Vec<Vec<u8>>,
    tasks: u64,
    macs: u64,
}

impl Ready {
    fn of(kernel: &Kernel, contents: Vec<Vec<u8>>, macs: u64) -> Ready {
        let buffers = contents.iter().map(|bytes| aligned(bytes)).collect();
        let code = compile(std::slice::from_ref(kernel), &CpuFeatures::detect()).expect("kernels compile");
        Ready { code, buffers, tasks: kernel.tasks.into(), macs }
    }

    fn run(&mut self) {
        let aligned = |b: &mut Vec<u8>| {
            let start = b.as_mut_ptr();
            start.wrapping_add(start.align_offset(ALIGN))
        };
        let pointers: Vec<*mut u8> = self.buffers.iter_mut().map(aligned).collect();
        // SAFETY: one buffer for each declaration, longer than declared by the alignment, and no other thread.
        unsafe { self.code.entry(0).call(&pointers, 0, self.tasks) };
    }
}

/// Memory that has the bytes where it is aligned first, and is long enough wherever that is.
fn aligned(bytes: &[u8]) -> Vec<u8> {
    let mut memory = vec![0; bytes.len() + ALIGN];
    let start = memory.as_ptr().align_offset(ALIGN);
    memory[start..start + bytes.len()].copy_from_slice(bytes);
    memory
}

/// Repeatable numbers from 0 to `n`, excluded.
fn random(n: u64) -> impl FnMut() -> i64 {
    let mut state = 1u64;
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 33) % n) as i64
    }
}

fn kernel(case: &Case) -> Ready {
    let [h, w, inputs, outputs] = case.size;
    let (group, pad) = (if case.depthwise { inputs } else { 1 }, case.kernel / 2);
    let halo = Halo { top: pad, left: pad, bottom: pad, right: pad };
    let taps = inputs / group * case.kernel * case.kernel;
    let mut weight = random(2 * case.largest as u64 + 1);
    let mut body = Body::new();
    let acc = body.push(Node::Core);
    let multiplier = body.operand(Operand::ChannelF32(vec![0.001; outputs]));
    body.push(Node::Requantize { acc, multiplier, zero_point: 3, to: Elem::U8 });
    let spec = ConvSpec {
        input: TensorLayout::dense(1, h, w, inputs, Elem::U8).with_halo(halo),
        output: TensorLayout::dense(1, h / case.stride, w / case.stride, outputs, Elem::U8),
        kernel: [case.kernel; 2],
        strides: [case.stride; 2],
        dilations: [1; 2],
        pads: [pad; 4],
        group,
        weights: (0..outputs * taps).map(|_| (weight() - case.largest) as i16).collect(),
        input_zero: 0,
        weight_zero: vec![0],
        bias: vec![0; outputs],
        input_range: (0, 255),
        body,
    };
    let generate = if case.tiled { winograd::generate } else { conv_for };
    let generated = generate(&spec, Target::host()).expect("the kernel exists");
    let mut code = random(256);
    let buffers = generated.args.iter().zip(&generated.kernel.buffers).map(|(arg, declared)| match arg {
        Arg::Input(_) => (0..declared.bytes).map(|_| code() as u8).collect(),
        Arg::Constants => generated.constants.clone(),
        _ => vec![0; declared.bytes],
    });
    Ready::of(&generated.kernel, buffers.collect(), spec.macs())
}

/// Independent products and additions in registers, as wide as the kernels'.
fn limit() -> Ready {
    const ACCUMULATORS: usize = 12;
    const ROUNDS: u32 = 20_000;
    let width = Target::host().width;
    let mut b = KernelBuilder::with_width("limit", 1, width);
    let (x, y) = (b.input("x", 256), b.output("y", 32 * ACCUMULATORS));
    let high = (width == Width::V256).then_some(VL as i64);
    let at = |addr: qcc_kernel::Addr| qcc_kernel::Addr { high, ..addr };
    let one = b.load(Lane::I16, VL, at(x.fixed(0)));
    let two = b.load(Lane::I16, VL, at(x.fixed(64)));
    let zeros = vec![b.splat_i32(0); ACCUMULATORS];
    let sums = b.loop_carried(ROUNDS, 1, &zeros, |b, _, sums| {
        sums.iter()
            .map(|&sum| {
                let products = b.binary(BinOp::Madd16, one, two);
                b.binary(BinOp::Add, sum, products)
            })
            .collect()
    });
    for (i, sum) in sums.into_iter().enumerate() {
        b.store(at(y.fixed(32 * i as i64)), VL, sum);
    }
    let macs = u64::from(ROUNDS) * (8 * ACCUMULATORS * width.halves()) as u64;
    Ready::of(&b.finish(), vec![vec![1; 256], vec![0; 32 * ACCUMULATORS]], macs)
}

fn kernels(c: &mut Criterion) {
    let mut group = c.benchmark_group("kernels");
    let named = std::iter::once(("limit", limit())).chain(CASES.iter().map(|case| (case.name, kernel(case))));
    for (name, mut ready) in named {
        group.throughput(Throughput::Elements(ready.macs));
        group.bench_function(BenchmarkId::from_parameter(name), |b| b.iter(|| ready.run()));
    }
    group.finish();
}

/// The share of the limit that each kernel reaches, best of alternating rounds.
fn shares() {
    const ROUNDS: usize = 40;
    let mut limit = limit();
    println!("\n{:28} {:>8} {:>10}", "share of the limit", "GMAC/s", "share");
    for case in &CASES {
        let mut ready = kernel(case);
        let mut best = [0.0f64; 2];
        for _ in 0..ROUNDS {
            for (ready, best) in [&mut limit, &mut ready].into_iter().zip(&mut best) {
                *best = best.max(rate(ready));
            }
        }
        println!("{:28} {:8.1} {:9.0} %", case.name, best[1], 100.0 * best[1] / best[0]);
    }
}

/// Multiply-accumulates a nanosecond over a few milliseconds.
fn rate(ready: &mut Ready) -> f64 {
    const LEAST: Duration = Duration::from_millis(3);
    let (start, mut runs) = (Instant::now(), 0u64);
    while start.elapsed() < LEAST {
        ready.run();
        runs += 1;
    }
    (runs * ready.macs) as f64 / start.elapsed().as_nanos() as f64
}

criterion_group!(benches, kernels);

fn main() {
    benches();
    shares();
    Criterion::default().configure_from_args().final_summary();
}
