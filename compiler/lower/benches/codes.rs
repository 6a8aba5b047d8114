//! Products with weights that stay codes against those with weights that are floats: `cargo bench -p qcc-lower --bench codes`.
//!
//! Codes of 8 bits have a scale for every column, codes of 4 bits one for every 32 rows of it. Kernels are called in turn.
#![allow(unsafe_code, reason = "compiled kernels are called")]

#[allow(dead_code, reason = "other benches use the rest")]
mod ready;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use qcc_lower::kernels::Generated;
use qcc_lower::kernels::body::Body;
use qcc_lower::kernels::layout::{Elem, TensorLayout};
use qcc_lower::kernels::product_codes::{self, ProductCodesSpec};
use qcc_lower::kernels::product_f32::{self, ProductF32Spec};
use ready::{Ready, filled, random, rate};

/// Rows and columns of the weights.
const SIZES: [usize; 2] = [1024, 4096];

/// Rows that are multiplied.
const ROWS: [usize; 5] = [1, 2, 4, 16, 128];

fn ready(generated: &Generated, m: usize, size: usize) -> Ready {
    // Zeros: no number that bytes draw may be denormal.
    filled(generated, (m * size * size) as u64, &mut || 0)
}

fn layout(m: usize, size: usize) -> TensorLayout {
    TensorLayout::dense(1, 1, m, size, Elem::F32)
}

fn float(m: usize, size: usize) -> Ready {
    let spec = ProductF32Spec {
        input: layout(m, size),
        output: layout(m, size),
        weights: vec![1.0; size * size],
        kernel: [1; 2],
        strides: [1; 2],
        dilations: [1; 2],
        pads: [0; 4],
        group: 1,
        body: Body::identity(),
    };
    ready(&product_f32::generate(&spec).expect("the kernel exists"), m, size)
}

fn codes(m: usize, size: usize, bits: usize, block: usize) -> Ready {
    let mut code = random(1 << bits);
    let count = size.div_ceil(block) * size;
    let spec = ProductCodesSpec {
        input: layout(m, size),
        output: layout(m, size),
        codes: (0..size * size).map(|_| code() as i16 - (1 << (bits - 1))).collect(),
        bits,
        block,
        scales: vec![0.01; count],
        zeros: vec![0; count],
        body: Body::identity(),
    };
    ready(&product_codes::generate(&spec).expect("the kernel exists"), m, size)
}

fn all(m: usize, size: usize) -> [(&'static str, Ready); 3] {
    [("float", float(m, size)), ("8 bits", codes(m, size, 8, size)), ("4 bits", codes(m, size, 4, 32))]
}

fn kernels(c: &mut Criterion) {
    let mut group = c.benchmark_group("codes");
    for (name, mut ready) in all(1, SIZES[0]) {
        group.throughput(Throughput::Elements(ready.macs));
        group.bench_function(BenchmarkId::from_parameter(name), |b| b.iter(|| ready.run()));
    }
    group.finish();
}

/// Multiply-accumulates a nanosecond, best of alternating rounds, and how much faster than floats codes are.
fn table() {
    const ROUNDS: usize = 12;
    println!("{:>6} {:>5} {:>8} {:>8} {:>8}  GMAC/s, then ratios", "size", "rows", "float", "8 bits", "4 bits");
    for size in SIZES {
        for m in ROWS {
            let mut kernels = all(m, size);
            let mut best = [0.0f64; 3];
            for _ in 0..ROUNDS {
                for ((_, ready), best) in kernels.iter_mut().zip(&mut best) {
                    *best = best.max(rate(ready));
                }
            }
            let [float, eight, four] = best;
            let ratios = format!("{:>6.2} {:>6.2}", eight / float, four / float);
            println!("{size:>6} {m:>5} {float:>8.2} {eight:>8.2} {four:>8.2}  {ratios}");
        }
    }
}

criterion_group!(benches, kernels);

fn main() {
    benches();
    table();
    Criterion::default().configure_from_args().final_summary();
}
