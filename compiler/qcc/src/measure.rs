//! Times of repeated runs.

use crate::failure::Failure;
use qcc_session::Session;
use qcc_tensor::Tensor;
use std::time::{Duration, Instant};

/// Runs before measuring: caches are warm and memory is mapped after the first, branch predictors after the second.
const WARM_UP: usize = 2;

/// Times of one run, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Times {
    /// Middle of all runs.
    pub median_ms: f64,
    /// Fastest run.
    pub min_ms: f64,
    /// 95 of 100 runs are faster.
    pub p95_ms: f64,
    /// How many runs.
    pub runs: usize,
}

/// Runs for at least `budget` and at least three times.
///
/// # Errors
/// As the session.
pub fn times(session: &mut Session, inputs: &[Tensor], budget: Duration) -> Result<Times, Failure> {
    let bytes: Vec<&[u8]> = inputs.iter().map(Tensor::bytes).collect();
    let mut outputs: Vec<Vec<u8>> = session.outputs().iter().map(|port| vec![0; port.ty.bytes()]).collect();
    let mut slots: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    let mut run = || -> Result<(), Failure> {
        if session.tail().is_some() {
            session.run(inputs)?;
        } else {
            session.run_into(&bytes, &mut slots)?;
        }
        Ok(())
    };
    for _ in 0..WARM_UP {
        run()?;
    }
    let mut all = Vec::new();
    let start = Instant::now();
    while all.len() < 3 || start.elapsed() < budget {
        let begin = Instant::now();
        run()?;
        all.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    all.sort_by(f64::total_cmp);
    let at = |share: f64| all[((all.len() - 1) as f64 * share).round() as usize];
    Ok(Times { median_ms: at(0.5), min_ms: all[0], p95_ms: at(0.95), runs: all.len() })
}

/// Largest resident memory of this process so far, in MiB, where the system tells.
pub fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kb| kb / 1024.0)
}
