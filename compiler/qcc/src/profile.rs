//! Where the time of a program goes, step by step, beside what was predicted.

use crate::failure::Failure;
use qcc_kernel::program::{Action, Program};
use qcc_kernel::{BinOp, Inst, Op};
use qcc_session::{Session, StepTime};
use qcc_tensor::Tensor;
use std::time::{Duration, Instant};

/// Steps below this share of the whole time do not count where predictions are compared with measurements: a clock read
/// before and after each step is a good part of theirs.
const COMPARED_SHARE: f64 = 0.002;

/// One step of a program over many runs.
#[derive(Debug, Clone, PartialEq)]
pub struct StepProfile {
    /// The step's name.
    pub name: String,
    /// What executes it.
    pub kind: String,
    /// Multiply-accumulates.
    pub macs: u64,
    /// What they multiply; `None` without any.
    pub products: Option<Products>,
    /// Bytes read and written, each once.
    pub bytes: usize,
    /// Median time in nanoseconds.
    pub measured_ns: f64,
    /// Predicted time in nanoseconds, on one thread.
    pub predicted_ns: f64,
}

/// What a step multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Products {
    /// Codes.
    Integer,
    /// Floats.
    Float,
}

/// A program over many runs.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Steps in the order they run.
    pub steps: Vec<StepProfile>,
    /// How many runs.
    pub runs: usize,
    /// The steps of the run whose whole time was the median.
    pub trace: Vec<StepTime>,
}

impl Profile {
    /// Sum of the steps' times in nanoseconds.
    pub fn total_ns(&self) -> f64 {
        self.steps.iter().map(|s| s.measured_ns).sum()
    }

    /// The share of the time in steps that multiply such numbers.
    pub fn share(&self, products: Products) -> f64 {
        let steps = self.steps.iter().filter(|s| s.products == Some(products));
        steps.fold(0.0, |sum, s| sum + s.measured_ns) / self.total_ns().max(1.0)
    }

    /// How well times are predicted; `None` with fewer than three steps that matter.
    pub fn agreement(&self) -> Option<Agreement> {
        let least = self.total_ns() * COMPARED_SHARE;
        let compared = self.steps.iter().filter(|s| s.measured_ns >= least && s.measured_ns > 0.0);
        let pairs: Vec<(f64, f64)> = compared.map(|s| (s.predicted_ns, s.measured_ns)).collect();
        if pairs.len() < 3 {
            return None;
        }
        let error = |slowness: f64| {
            median(pairs.iter().map(|(predicted, measured)| (slowness * predicted / measured - 1.0).abs()).collect())
        };
        let slowness = median(pairs.iter().map(|(predicted, measured)| measured / predicted).collect());
        Some(Agreement {
            steps: pairs.len(),
            rank_correlation: spearman(&pairs),
            median_error: error(1.0),
            slowness,
            median_error_beside: error(slowness),
        })
    }
}

/// Predicted against measured times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Steps compared.
    pub steps: usize,
    /// Spearman's correlation of the ranks: 1 if the order is the same.
    pub rank_correlation: f64,
    /// Median of |predicted / measured - 1|.
    pub median_error: f64,
    /// Median of measured / predicted: how much slower the machine was than the one that was predicted for.
    pub slowness: f64,
    /// The median error if the machine had been predicted to be that slow.
    pub median_error_beside: f64,
}

/// Runs a program for at least `budget` and at least five times.
///
/// # Errors
/// As the session.
pub fn profile(
    program: &Program,
    session: &mut Session,
    inputs: &[Tensor],
    budget: Duration,
) -> Result<Profile, Failure> {
    session.run(inputs)?;
    let mut runs: Vec<Vec<StepTime>> = Vec::new();
    let start = Instant::now();
    while runs.len() < 5 || start.elapsed() < budget {
        runs.push(session.run_profiled(inputs)?.1);
    }
    let steps = program.steps.iter().enumerate().map(|(i, step)| StepProfile {
        name: step.name.clone(),
        kind: kind(program, &step.action),
        macs: step.macs * program.samples as u64,
        products: (step.macs > 0).then(|| products(program, &step.action)),
        bytes: program.traffic(step) * program.samples,
        measured_ns: median(runs.iter().map(|run| run[i].nanoseconds as f64).collect()),
        predicted_ns: step.predicted_ns * program.samples as f64,
    });
    let steps = steps.collect();
    let count = runs.len();
    runs.sort_by_key(|run| run.last().map_or(0, |last| last.start_ns + last.nanoseconds));
    Ok(Profile { steps, runs: count, trace: runs.swap_remove(count / 2) })
}

/// What executes a step.
fn kind(program: &Program, action: &Action) -> String {
    match action {
        Action::Kernel { kernel, .. } => program.kernels[*kernel as usize].name.clone(),
        Action::Gemm(_) => "float product".into(),
        Action::Halo(_) => "border".into(),
        Action::Reference { op, .. } => format!("reference {}", op.name),
        Action::If { .. } => "branch".into(),
        Action::Copy { .. } => "copy".into(),
    }
}

/// What an action with multiply-accumulates multiplies.
fn products(program: &Program, action: &Action) -> Products {
    let of_codes = match action {
        Action::Kernel { kernel, .. } => multiplies_codes(&program.kernels[*kernel as usize].body),
        Action::Reference { op, .. } => matches!(op.name, "IConv" | "IMatMul" | "ConvInteger" | "MatMulInteger"),
        _ => false,
    };
    if of_codes { Products::Integer } else { Products::Float }
}

fn multiplies_codes(block: &[Inst]) -> bool {
    block.iter().any(|inst| match inst {
        Inst::Let { op: Op::Dot4 { .. }, .. } => true,
        Inst::Let { op: Op::Binary { op, .. }, .. } => matches!(op, BinOp::Madd16 | BinOp::MaddUbs),
        Inst::Let { .. } | Inst::Store { .. } => false,
        Inst::Loop(l) => multiplies_codes(&l.body),
        Inst::If { then, otherwise, .. } => multiplies_codes(then) || multiplies_codes(otherwise),
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// Spearman's rank correlation; equal values share the mean of their ranks. 1 if a side is constant on both, else 0.
fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let (x, y) = (ranks(pairs.iter().map(|p| p.0).collect()), ranks(pairs.iter().map(|p| p.1).collect()));
    let mean = (pairs.len() as f64 - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let (xx, yy) = (product(&x, &x), product(&y, &y));
    if xx == 0.0 || yy == 0.0 {
        return if xx == yy { 1.0 } else { 0.0 };
    }
    product(&x, &y) / (xx * yy).sqrt()
}

fn ranks(values: Vec<f64>) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut at = 0;
    while at < order.len() {
        let equal = order[at..].iter().take_while(|&&i| values[i] == values[order[at]]).count();
        for &i in &order[at..at + equal] {
            ranks[i] = at as f64 + (equal as f64 - 1.0) / 2.0;
        }
        at += equal;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_compared_and_not_values() {
        assert_eq!(spearman(&[(1.0, 10.0), (2.0, 1e6), (3.0, 1e9)]), 1.0);
        assert_eq!(spearman(&[(3.0, 10.0), (2.0, 1e6), (1.0, 1e9)]), -1.0);
        assert_eq!(ranks(vec![5.0, 1.0, 5.0, 2.0]), vec![2.5, 0.0, 2.5, 1.0]);
        assert_eq!(spearman(&[(1.0, 1.0), (1.0, 2.0)]), 0.0, "nothing predicted");
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn short_steps_are_not_compared() {
        let step = |measured_ns, predicted_ns| StepProfile {
            name: String::new(),
            kind: String::new(),
            macs: 0,
            products: None,
            bytes: 0,
            measured_ns,
            predicted_ns,
        };
        let steps = vec![step(1000.0, 1100.0), step(2000.0, 2200.0), step(4000.0, 5000.0), step(1.0, 1e9)];
        let profile = Profile { steps, runs: 1, trace: Vec::new() };
        let agreement = profile.agreement().expect("three steps matter");
        assert_eq!((agreement.steps, agreement.rank_correlation), (3, 1.0));
        assert!((agreement.median_error - 0.1).abs() < 1e-9);
        assert!((agreement.slowness - 1.0 / 1.1).abs() < 1e-9);
        assert!(agreement.median_error_beside < 1e-9);
    }
}
