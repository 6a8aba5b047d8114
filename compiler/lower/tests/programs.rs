//! Lowered programs compute what the graph's reference evaluation computes.

use qcc_ir::{Bindings, TypedGraph};
use qcc_lower::{Fast, Interval, Options, lower, plan};
use qcc_session::{Engine, Session};
use qcc_tensor::{DType, Tensor, TensorType};
use std::path::PathBuf;
use std::sync::Arc;

fn example(name: &str, dims: &[(&str, usize)]) -> TypedGraph {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models")).join(name);
    let graph = qcc_onnx::import_file(&path).expect("the example imports");
    let dims = dims.iter().map(|(n, d)| (n.to_string(), *d)).collect();
    let bound = qcc_ir::bind(&graph, &Bindings { dims, shapes: Vec::new() }).expect("it binds");
    qcc_ir::infer(&bound.pruned()).expect("it types")
}

/// Deterministic numbers of the type.
fn values(ty: &TensorType, seed: u64) -> Tensor {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as u32
    };
    let n = ty.elements();
    match ty.dtype {
        DType::F32 => Tensor::new(ty.shape.iter().copied(), (0..n).map(|_| next() as f32 / (1 << 24) as f32).collect()),
        DType::U8 | DType::I8 => {
            let bytes: Vec<u8> = (0..n).map(|_| next() as u8).collect();
            Tensor::from_bytes(ty.clone(), bytes.into()).expect("as many bytes as elements")
        }
        other => panic!("no test values of {other}"),
    }
}

fn check(graph: &TypedGraph, fast: Fast) {
    let program = Arc::new(lower(graph, &Options { fast }).expect("it lowers"));
    let g = graph.graph();
    let inputs: Vec<Tensor> = g.inputs().iter().map(|id| values(graph.ty(id.output(0)), u64::from(id.0) + 1)).collect();
    let expected = qcc_ir::evaluate(graph, &inputs).expect("it evaluates");
    for (engine, threads) in [(Engine::Interpreter, 1), (Engine::Jit, 1), (Engine::Jit, 2)] {
        let options = qcc_session::Options { threads, engine };
        let mut session = Session::new(Arc::clone(&program), &options).expect("the program is sound");
        let got = session.run(&inputs).expect("it runs");
        assert_eq!(got, expected, "{engine:?}, {threads} threads");
    }
}

#[test]
fn examples_run_on_reference_steps_alone() {
    for name in ["fashion_resnet.onnx", "fashion_resnet_qat.onnx", "fashion_resnet_early_exit.onnx"] {
        check(&example(name, &[]), Fast::None);
    }
    check(&example("fashion_resnet_dynamic.onnx", &[("N", 3)]), Fast::None);
}

#[test]
fn outputs_may_be_inputs_constants_and_named_twice() {
    let text = r#"graph "twice" {
  %x = input : f32[2,3]
  %0 = const f32[2] [1.0, 2.0]
  %1 = const i64[1] [6]
  %2 = Reshape(%x, %1) {allowzero: 0}
  output "a" = %x
  output "b" = %0
  output "c" = %2
  output "d" = %2
}
"#;
    let graph = qcc_ir::parse(text).expect("it parses");
    check(&qcc_ir::infer(&graph).expect("it types"), Fast::None);
}

#[test]
fn no_two_buffers_that_hold_something_at_once_overlap() {
    let mut state = 1u64;
    let mut next = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for _ in 0..300 {
        let count = 1 + next(40);
        let buffers: Vec<Interval> = (0..count)
            .map(|_| {
                let first = next(30);
                Interval { bytes: next(5000), first, last: first + next(8) }
            })
            .collect();
        let plan = plan(&buffers);
        assert!(plan.bytes >= plan.lower_bound);
        for (i, a) in buffers.iter().enumerate() {
            assert!(plan.offsets[i].is_multiple_of(64) && plan.offsets[i] + a.bytes <= plan.bytes);
            for (j, b) in buffers.iter().enumerate().take(i) {
                let at_once = a.first <= b.last && b.first <= a.last;
                let apart =
                    plan.offsets[i] + a.bytes <= plan.offsets[j] || plan.offsets[j] + b.bytes <= plan.offsets[i];
                assert!(!at_once || apart, "{a:?} and {b:?} at {} and {}", plan.offsets[i], plan.offsets[j]);
            }
        }
    }
}
