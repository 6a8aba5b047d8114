//! Random small graphs compute the same on kernels as on the reference evaluation.

#[path = "random/generate.rs"]
mod generate;

use generate::{inputs_of, random_graph};
use qcc_ir::TypedGraph;
use qcc_kernel::Width;
use qcc_lower::{Fast, Options, Target, lower};
use qcc_session::{Engine, Session};
use qcc_tensor::{DType, Tensor};
use std::sync::Arc;

/// Graphs whose programs are run.
const GRAPHS: u64 = 1500;

fn same(got: &Tensor, expected: &Tensor, tolerance: f64) -> Result<(), String> {
    if got.ty() != expected.ty() {
        return Err(format!("{} for {}", got.ty(), expected.ty()));
    }
    if got.dtype() != DType::F32 {
        return if got == expected {
            Ok(())
        } else {
            Err(format!("{:?} for {:?}", got.to_i64_vec(), expected.to_i64_vec()))
        };
    }
    for (i, (a, b)) in got.slice::<f32>().iter().zip(expected.slice::<f32>()).enumerate() {
        let close = a == b || (a.is_nan() && b.is_nan()) || (f64::from(*a) - f64::from(*b)).abs() <= tolerance;
        if !close {
            return Err(format!("{a} for {b} at {i}"));
        }
    }
    Ok(())
}

/// Runs a graph on every engine for every target; what differs from the reference evaluation.
fn differences(graph: &TypedGraph, tolerances: &[f64]) -> Result<usize, String> {
    let inputs = inputs_of(graph);
    let expected = qcc_ir::evaluate(graph, &inputs).map_err(|e| format!("no reference: {e}"))?;
    let mut kernels = 0;
    for (dot4, width) in [(false, Width::V128), (true, Width::V128), (false, Width::V256)] {
        let options = Options { fast: Fast::All, target: Target { dot4, width }, ..Options::default() };
        let mut program = lower(graph, &options).map_err(|e| e[0].message.clone())?;
        kernels += program.steps.iter().filter(|s| s.remark.is_none()).count();
        // Steps that look expensive are split among threads.
        program.steps.iter_mut().for_each(|s| s.predicted_ns = 1e9);
        let program = Arc::new(program);
        for (engine, threads) in [(Engine::Interpreter, 1), (Engine::Jit, 1), (Engine::Jit, 2)] {
            let what = format!("{engine:?}, {threads} threads, dot4 {dot4}, {width:?}");
            let options = qcc_session::Options { threads, engine, ..Default::default() };
            let mut session = Session::new(Arc::clone(&program), &options).map_err(|e| format!("{what}: {e}"))?;
            for run in 0..2 {
                let got = session.run(&inputs).map_err(|e| format!("{what}: {e}"))?;
                for (i, ((g, e), t)) in got.iter().zip(&expected).zip(tolerances).enumerate() {
                    same(g, e, *t).map_err(|why| format!("{what}, run {run}, output {i}: {why}"))?;
                }
            }
        }
    }
    Ok(kernels)
}

#[test]
fn random_graphs_run_as_the_reference_evaluation() {
    let mut kernels = 0;
    let mut failures = Vec::new();
    for seed in 0..GRAPHS {
        let Some((graph, tolerances)) = random_graph(seed) else { continue };
        let result = std::panic::catch_unwind(|| differences(&graph, &tolerances));
        match result.unwrap_or_else(|_| Err("a panic".into())) {
            Ok(count) => kernels += count,
            Err(why) => failures.push(format!("{why}\n{}", qcc_ir::print(&graph))),
        }
    }
    assert!(failures.is_empty(), "{} of {GRAPHS} graphs\n{}", failures.len(), failures.join("\n"));
    assert!(kernels > 1000, "only {kernels} steps were kernels");
}
