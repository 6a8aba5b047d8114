//! Integer kernels against the limit of the multipliers: `cargo bench -p qcc-lower --bench kernels`.
//!
//! The limit is what a loop of independent `madd16` and additions reaches, measured beside the kernels: 8 multiply-
//! accumulates an instruction and half a register. Ratios to it say how good a kernel is on any machine; times do not.
#![allow(unsafe_code, reason = "compiled kernels are called")]

mod ready;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use qcc_kernel::{BinOp, KernelBuilder, Lane, VL, Width};
use qcc_lower::kernels::conv::Target;
use ready::{Case, Ready, convolution, random, rate};

/// A convolution, and the largest magnitude of a weight: the smaller, the more products may be summed in 16 bits.
type Measured = (Case, i64);

const fn dense(name: &'static str, size: [usize; 4], kernel: usize, largest: i64) -> Measured {
    (Case { name, size, kernel, stride: 1, depthwise: false, tiled: false }, largest)
}

/// In tiles of 2x2 outputs, with 16 products where others have 36.
const fn tiled(name: &'static str, size: [usize; 4]) -> Measured {
    (Case { name, size, kernel: 3, stride: 1, depthwise: false, tiled: true }, 127)
}

/// Every channel on its own; the size is that of the input.
const fn depthwise(name: &'static str, size: [usize; 3], kernel: usize, stride: usize, largest: i64) -> Measured {
    let [h, w, channels] = size;
    (Case { name, size: [h, w, channels, channels], kernel, stride, depthwise: true, tiled: false }, largest)
}

const CASES: [Measured; 20] = [
    dense("exact, K 16", [56, 56, 16, 96], 1, 127),
    dense("exact, K 64", [28, 28, 64, 64], 1, 127),
    dense("exact, K 256", [14, 14, 256, 256], 1, 127),
    dense("exact, K 1152", [7, 7, 1152, 192], 1, 127),
    dense("exact, 3x3", [16, 16, 32, 32], 3, 127),
    dense("7-bit weights, K 16", [56, 56, 16, 96], 1, 63),
    dense("7-bit weights, K 144, N 24", [28, 28, 144, 24], 1, 63),
    dense("7-bit weights, K 256", [14, 14, 256, 256], 1, 63),
    dense("largest groups, K 256", [14, 14, 256, 256], 1, 15),
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

fn kernel(case: &Case, largest: i64) -> Ready {
    let mut weight = random(2 * largest as u64 + 1);
    convolution(case, &mut |_| weight() - largest)
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
    let named = std::iter::once(("limit", limit()))
        .chain(CASES.iter().map(|(case, largest)| (case.name, kernel(case, *largest))));
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
    for (case, largest) in &CASES {
        let mut ready = kernel(case, *largest);
        let mut best = [0.0f64; 2];
        for _ in 0..ROUNDS {
            for (ready, best) in [&mut limit, &mut ready].into_iter().zip(&mut best) {
                *best = best.max(rate(ready));
            }
        }
        println!("{:28} {:8.1} {:9.0} %", case.name, best[1], 100.0 * best[1] / best[0]);
    }
}

criterion_group!(benches, kernels);

fn main() {
    benches();
    shares();
    Criterion::default().configure_from_args().final_summary();
}
