//! Kernels of pruned weights against those of dense ones: `cargo bench -p qcc-lower --bench sparse`.
//!
//! Blocks of weights are zero, the others use all 8 bits. The baseline is the fastest kernel of the same shape with no zeros, in
//! tiles of 2x2 outputs if its taps are 3x3; the kernels are called in turn.
#![allow(unsafe_code, reason = "compiled kernels are called")]

mod ready;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use ready::{Case, Ready, convolution, random, rate};

const CASES: [Case; 2] = [
    Case { name: "1x1, K 256", size: [14, 14, 256, 256], kernel: 1, stride: 1, depthwise: false, tiled: false },
    Case { name: "3x3, K 576", size: [14, 14, 64, 64], kernel: 3, stride: 1, depthwise: false, tiled: false },
];

/// Output and input channels of a block that is zero or not.
const BLOCKS: [[usize; 2]; 6] = [[32, 4], [16, 4], [8, 4], [4, 4], [1, 4], [1, 1]];

/// Blocks with weights, of a hundred.
const DENSITIES: [u64; 12] = [100, 90, 80, 70, 60, 50, 40, 30, 20, 10, 5, 2];

/// The kernel with so many blocks of a hundred.
fn pruned(case: &Case, [outputs, inputs]: [usize; 2], density: u64) -> Ready {
    let (mut weight, mut blocks) = (random(255), std::collections::HashMap::new());
    let mut dice = random(100);
    convolution(case, &mut |[o, c, y, x]| {
        let kept = *blocks.entry([o / outputs, c / inputs, y, x]).or_insert_with(|| (dice() as u64) < density);
        let weight = weight() - 127;
        if kept { weight } else { 0 }
    })
}

fn kernels(c: &mut Criterion) {
    let mut group = c.benchmark_group("sparse");
    for density in [100, 50, 20] {
        let mut ready = pruned(&CASES[0], BLOCKS[1], density);
        group.throughput(Throughput::Elements(ready.macs));
        group.bench_function(BenchmarkId::from_parameter(density), |b| b.iter(|| ready.run()));
    }
    group.finish();
}

/// Time relative to the fastest kernel of dense weights, best of alternating rounds.
fn relative(case: &Case, block: [usize; 2], density: u64) -> f64 {
    const ROUNDS: usize = 6;
    let mut kernels = vec![pruned(case, block, density), pruned(case, block, 100)];
    if case.kernel == 3 {
        kernels.push(pruned(&Case { tiled: true, ..*case }, block, 100));
    }
    let mut best = vec![0.0f64; kernels.len()];
    for _ in 0..ROUNDS {
        for (ready, best) in kernels.iter_mut().zip(&mut best) {
            *best = best.max(rate(ready));
        }
    }
    best[1..].iter().fold(0.0, |a: f64, &b| a.max(b)) / best[0]
}

/// A table for each case with the density from which on zeros pay, and a plot of all.
fn crossovers() {
    let mut plot = Plot::default();
    for case in &CASES {
        let curves: Vec<Vec<f64>> =
            BLOCKS.iter().map(|&block| DENSITIES.iter().map(|&d| relative(case, block, d)).collect()).collect();
        println!("\n{}: time relative to dense weights\n{:>10} {}", case.name, "density", names());
        for (i, density) in DENSITIES.iter().enumerate() {
            let row: Vec<String> = curves.iter().map(|curve| format!("{:>6.2}", curve[i])).collect();
            println!("{density:>8} % {}", row.join(" "));
        }
        let row: Vec<String> = curves.iter().map(|curve| format!("{:>6}", crossover(curve))).collect();
        println!("{:>10} {}", "crossover", row.join(" "));
        plot.case(case, &curves);
    }
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("crossover.svg");
    match std::fs::write(&path, plot.finish()) {
        Ok(()) => println!("\nplot written to {}", path.display()),
        Err(e) => println!("\nno plot: {e}"),
    }
}

/// Times over densities, one field beside the other.
#[derive(Default)]
struct Plot {
    fields: String,
    count: usize,
}

/// Size of a field and of the margins around it, in pixels.
const FIELD: [f64; 2] = [300.0, 220.0];
const MARGIN: f64 = 40.0;

/// Longest time that is shown.
const TOP: f64 = 2.0;

const COLORS: [&str; BLOCKS.len()] = ["#1b6ca8", "#2a9d8f", "#8ab17d", "#e9a13b", "#d2691e", "#8d3b72"];

impl Plot {
    fn case(&mut self, case: &Case, curves: &[Vec<f64>]) {
        let left = MARGIN + self.count as f64 * (FIELD[0] + MARGIN);
        let x = |density: f64| left + density / 100.0 * FIELD[0];
        let y = |time: f64| MARGIN + (1.0 - time.min(TOP) / TOP) * FIELD[1];
        let text = |x: f64, y: f64, anchor: &str, what: &str| {
            format!("<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"{anchor}\">{what}</text>\n")
        };
        let line = |from: [f64; 2], to: [f64; 2], color: &str| {
            let ([x1, y1], [x2, y2]) = (from, to);
            format!("<path d=\"M{x1:.0},{y1:.0}L{x2:.0},{y2:.0}\" stroke=\"{color}\"/>\n")
        };
        self.fields += &text(x(50.0), MARGIN - 14.0, "middle", &format!("{}, time of dense weights = 1", case.name));
        for time in [0.0, 0.5, 1.0, 1.5, 2.0] {
            let color = if time == 1.0 { "#777" } else { "#ddd" };
            self.fields += &line([x(0.0), y(time)], [x(100.0), y(time)], color);
            self.fields += &text(x(0.0) - 5.0, y(time) + 4.0, "end", &time.to_string());
        }
        for density in [0, 25, 50, 75, 100] {
            self.fields += &text(x(f64::from(density)), y(0.0) + 16.0, "middle", &format!("{density} %"));
        }
        for (i, curve) in curves.iter().enumerate() {
            let points = DENSITIES.iter().zip(curve).map(|(&d, &t)| format!("{:.1},{:.1}", x(d as f64), y(t)));
            let points: Vec<String> = points.collect();
            self.fields += &format!("<polyline points=\"{}\" stroke=\"{}\"/>\n", points.join(" "), COLORS[i]);
        }
        self.count += 1;
    }

    fn finish(self) -> String {
        let (width, height) = (MARGIN + self.count as f64 * (FIELD[0] + MARGIN), FIELD[1] + 2.0 * MARGIN + 30.0);
        let names = BLOCKS.iter().zip(COLORS).enumerate().map(|(i, ([o, c], color))| {
            let x = MARGIN + 90.0 * i as f64;
            format!("<text x=\"{x:.0}\" y=\"{:.0}\" style=\"fill:{color}\">blocks of {o}x{c}</text>\n", height - 12.0)
        });
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"sans-serif\" \
             font-size=\"11\" fill=\"none\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <g style=\"fill:none;stroke-width:1.5\">\n<style>text{{fill:#333}}</style>\n{}{}</g>\n</svg>\n",
            self.fields,
            names.collect::<String>()
        )
    }
}

fn names() -> String {
    BLOCKS.map(|[o, c]| format!("{:>6}", format!("{o}x{c}"))).join(" ")
}

/// The density at which a kernel takes 0.95 of the time of the dense one, between two that were measured.
fn crossover(curve: &[f64]) -> String {
    const PAYS: f64 = 0.95;
    let Some(i) = curve.iter().position(|&t| t < PAYS) else { return "-".into() };
    let [d1, d0] = [i.saturating_sub(1), i].map(|i| DENSITIES[i] as f64);
    let [t1, t0] = [i.saturating_sub(1), i].map(|i| curve[i]);
    let at = if t1 > t0 { d0 + (d1 - d0) * (PAYS - t0) / (t1 - t0) } else { d0 };
    format!("{at:.0} %")
}

criterion_group!(benches, kernels);

fn main() {
    benches();
    crossovers();
    Criterion::default().configure_from_args().final_summary();
}
