//! Random small graphs compute the same after the standard rules as before.

#[path = "../../compiler/lower/tests/random/generate.rs"]
mod generate;

use generate::{inputs_of, random_graph};
use qcc::pipeline;
use qcc::standard_rules::{self, Selection};
use qcc_ir::{Bindings, TypedGraph};
use qcc_lower::Target;
use qcc_tensor::{DType, Tensor};

/// Graphs that are compiled.
const GRAPHS: u64 = 2000;

/// Why two values differ by more than rules may change them: floats by the tolerance, codes by one step.
fn same(got: &Tensor, expected: &Tensor, tolerance: f64) -> Result<(), String> {
    if got.ty() != expected.ty() {
        return Err(format!("{} for {}", got.ty(), expected.ty()));
    }
    let tolerance = if expected.dtype() == DType::F32 { tolerance } else { 1.0 };
    let pairs = got.to_f64_vec().into_iter().zip(expected.to_f64_vec());
    for (i, (a, b)) in pairs.enumerate() {
        // A window that sees padding alone has no maximum; rules may give it the lowest code.
        let empty = b == f64::NEG_INFINITY;
        // A code one step off at the end of its type comes back at the other end when integers wrap.
        let wraps = matches!(expected.dtype(), DType::U8 | DType::I8) && (a - b).abs() == 255.0;
        if !(a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance || wraps || empty) {
            return Err(format!("{a} for {b} at {i}"));
        }
    }
    Ok(())
}

fn differences(graph: &TypedGraph, tolerances: &[f64], rules: &qcc_dsl::RuleSet) -> Result<(), String> {
    let inputs = inputs_of(graph);
    let expected = qcc_ir::evaluate(graph, &inputs).map_err(|e| format!("no reference: {e}"))?;
    let compiled = pipeline::compile(graph.graph(), &Bindings::default(), rules, Target::default(), &mut |_| ());
    let chosen = compiled.map_err(|e| format!("{e:?}"))?.chosen.graph;
    let got = qcc_ir::evaluate(&chosen, &inputs).map_err(|e| format!("the chosen graph: {e}"))?;
    for (i, ((g, e), t)) in got.iter().zip(&expected).zip(tolerances).enumerate() {
        same(g, e, *t).map_err(|why| format!("output {i}: {why}\n{}", qcc_ir::print(&chosen)))?;
    }
    Ok(())
}

#[test]
fn the_standard_rules_change_no_random_graph() {
    let (rules, _) = standard_rules::compile(&Selection::default()).unwrap_or_else(|e| panic!("{e:?}"));
    let mut failures = Vec::new();
    for seed in 0..GRAPHS {
        let Some((graph, tolerances)) = random_graph(seed) else { continue };
        if let Err(why) = differences(&graph, &tolerances, &rules) {
            failures.push(format!("{why}\n{}", qcc_ir::print(&graph)));
        }
    }
    assert!(failures.is_empty(), "{} of {GRAPHS} graphs\n{}", failures.len(), failures.join("\n"));
}
