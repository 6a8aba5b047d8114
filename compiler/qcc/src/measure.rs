//! Times of repeated runs, and inputs to run on.

use crate::failure::Failure;
use qcc_session::Session;
use qcc_tensor::{DType, Tensor, TensorType};
use std::time::{Duration, Instant};

/// Seed of random inputs: every run of every program sees the same ones.
const SEED: u64 = 0x05EE_D0F0_C0DE;

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

/// Random inputs of the session's types: floats in [-1, 1), integer codes over their whole range, other integers 0 or 1.
pub fn random_inputs(session: &Session) -> Vec<Tensor> {
    let mut state = SEED;
    session.inputs().iter().map(|port| random(&port.ty, &mut state)).collect()
}

fn random(ty: &TensorType, state: &mut u64) -> Tensor {
    let mut next = || {
        // xorshift64*: S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled" (2016).
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as u32
    };
    let n = ty.elements();
    let shape = ty.shape.iter().copied();
    match ty.dtype {
        DType::U8 | DType::I8 => {
            let bytes: Vec<u8> = (0..n).map(|_| next() as u8).collect();
            Tensor::from_bytes(ty.clone(), bytes.into()).expect("as many bytes as elements")
        }
        DType::I64 => Tensor::new(shape, (0..n).map(|_| i64::from(next() & 1)).collect()),
        DType::I32 => Tensor::new(shape, (0..n).map(|_| (next() & 1) as i32).collect()),
        DType::F32 => Tensor::new(shape, (0..n).map(|_| next() as f32 / (1 << 23) as f32 - 1.0).collect()),
        _ => Tensor::from_bytes(ty.clone(), vec![0; ty.bytes()].into()).expect("as many bytes as the type says"),
    }
}

/// Runs for at least `budget` and at least three times.
///
/// # Errors
/// As the session.
pub fn times(session: &mut Session, inputs: &[Tensor], budget: Duration) -> Result<Times, Failure> {
    let fail = |e: qcc_session::SessionError| Failure::Bug(e.to_string());
    let bytes: Vec<&[u8]> = inputs.iter().map(Tensor::bytes).collect();
    let mut outputs: Vec<Vec<u8>> = session.outputs().iter().map(|port| vec![0; port.ty.bytes()]).collect();
    let mut slots: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    for _ in 0..WARM_UP {
        session.run_into(&bytes, &mut slots).map_err(fail)?;
    }
    let mut all = Vec::new();
    let start = Instant::now();
    while all.len() < 3 || start.elapsed() < budget {
        let begin = Instant::now();
        session.run_into(&bytes, &mut slots).map_err(fail)?;
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
