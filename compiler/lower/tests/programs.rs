//! Lowered programs compute what the graph's reference evaluation computes.

use qcc_ir::{Bindings, TypedGraph};
use qcc_kernel::Width;
use qcc_lower::{Fast, Interval, Options, Target, lower, plan};
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
    for (dot4, width) in [(false, Width::V128), (true, Width::V128), (false, Width::V256)] {
        let target = Target { dot4, width };
        check_for(graph, &Options { fast, target, ..Options::default() });
    }
}

fn check_for(graph: &TypedGraph, options: &Options) {
    let program = Arc::new(lower(graph, options).expect("it lowers"));
    let g = graph.graph();
    let inputs: Vec<Tensor> = g.inputs().iter().map(|id| values(graph.ty(id.output(0)), u64::from(id.0) + 1)).collect();
    let expected = qcc_ir::evaluate(graph, &inputs).expect("it evaluates");
    for (engine, threads) in [(Engine::Interpreter, 1), (Engine::Jit, 1), (Engine::Jit, 2)] {
        let options = qcc_session::Options { threads, engine, ..Default::default() };
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
fn examples_run_on_kernels() {
    for name in ["fashion_resnet_qat.onnx", "fashion_resnet_early_exit.onnx"] {
        check(&example(name, &[]), Fast::All);
    }
}

/// A quantized residual block as the rules leave it: two padded convolutions, the second adds the first's input in its
/// kernel; a grouped and a depthwise one; a fully connected layer.
const BLOCK: &str = r#"graph "block" {
  %x = input : u8[1,6,7,4]
  %0 = rand i8[4,4,3,3] seed=144
  %1 = const u8[] 7
  %2 = const i32[4] [100, -200, 0, 3000]
  %3 = fused IConv(%x, %0, %1, _, %2) {auto_pad: "NOTSET", dilations: [1, 1], group: 1, kernel_shape: [3, 3], layout: "NHWC", pads: [1, 1, 1, 1], strides: [1, 1]} with ()
    region "" {
      %acc = input : i32[...]
      %0 = const f32[4] [0.002, 0.001, 0.003, 0.0015]
      %1 = const u8[] 11
      %2 = Requantize(%acc, %0, %1) {axis: 3, dtype: u8}
      output "y" = %2
    }
  %4 = const u8[] 11
  %5 = fused IConv(%3, %0, %4) {auto_pad: "NOTSET", dilations: [1, 1], group: 1, kernel_shape: [3, 3], layout: "NHWC", pads: [1, 1, 1, 1], strides: [1, 1]} with (%x)
    region "" {
      %acc = input : i32[...]
      %r = input : u8[...]
      %0 = const f32[4] [0.002, 0.001, 0.003, 0.0015]
      %1 = DequantizeLinear(%acc, %0) {axis: 3}
      %2 = const f32[] 0.5
      %3 = const u8[] 7
      %4 = DequantizeLinear(%r, %2, %3)
      %5 = Add(%1, %4)
      %6 = Relu(%5)
      %7 = const f32[] 0.9
      %8 = const u8[] 3
      %9 = QuantizeLinear(%6, %7, %8)
      output "y" = %9
    }
  %6 = rand i8[8,2,1,3] seed=48
  %7 = const u8[] 3
  %8 = IConv(%5, %6, %7) {dilations: [1, 2], group: 2, layout: "NHWC", pads: [0, 2, 0, 1], strides: [2, 1]}
  %9 = rand i8[4,1,3,3] seed=36
  %10 = IConv(%5, %9, %7) {group: 4, layout: "NHWC", pads: [1, 1, 1, 1], strides: [2, 2]}
  %11 = const i64[2] [7, 24]
  %12 = Reshape(%5, %11)
  %13 = rand i8[24,5] seed=120
  %14 = IMatMul(%12, %13, %7)
  output "grouped" = %8
  output "depthwise" = %10
  output "logits" = %14
  output "codes" = %3
}
"#;

#[test]
fn a_quantized_block_runs_on_integer_kernels() {
    let graph = qcc_ir::parse(BLOCK).unwrap_or_else(|e| panic!("{}", e.message));
    let typed = qcc_ir::infer(&graph).unwrap_or_else(|e| panic!("{}", e[0].message));
    check(&typed, Fast::All);
    let program = lower(&typed, &Options::default()).expect("it lowers");
    insta::assert_snapshot!(qcc_lower::dump(&program));
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

#[test]
fn reductions_over_the_last_axis_are_kernels() {
    let text = r#"graph "rows" {
  %x = input : f32[2,3,37]
  %0 = const i64[1] [-1]
  %1 = ReduceSum(%x, %0) {keepdims: 0}
  %2 = ReduceMean(%x, %0) {keepdims: 1}
  %3 = ReduceMax(%x, %0) {keepdims: 1}
  %4 = ReduceMin(%x, %0) {keepdims: 0}
  output "sum" = %1
  output "mean" = %2
  output "max" = %3
  output "min" = %4
}
"#;
    let graph = qcc_ir::infer(&qcc_ir::parse(text).expect("it parses")).expect("it types");
    let program = Arc::new(lower(&graph, &Options::default()).expect("it lowers"));
    assert!(program.steps.iter().all(|s| s.remark.is_none()), "{}", qcc_lower::dump(&program));
    let x = values(graph.ty(graph.graph().inputs()[0].output(0)), 3);
    let expected = qcc_ir::evaluate(&graph, std::slice::from_ref(&x)).expect("it evaluates");
    let mut session = Session::new(program, &qcc_session::Options::default()).expect("the program is sound");
    let got = session.run(&[x]).expect("it runs");
    for (g, e) in got.iter().zip(&expected) {
        assert_eq!(g.ty(), e.ty());
        for (a, b) in g.slice::<f32>().iter().zip(e.slice::<f32>()) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} for {b}");
        }
    }
}

#[test]
fn enlargements_are_kernels() {
    let text = r#"graph "larger" {
  %x = input : f32[2,3,4,5]
  %q = input : u8[1,3,2,4]
  %0 = const f32[4] [1.0, 1.0, 2.0, 3.0]
  %1 = Resize(%x, _, %0) {coordinate_transformation_mode: "asymmetric", nearest_mode: "floor"}
  %2 = Resize(%q, _, %0)
  output "floor" = %1
  output "half" = %2
}
"#;
    let graph = qcc_ir::infer(&qcc_ir::parse(text).expect("it parses")).expect("it types");
    for width in [Width::V128, Width::V256] {
        let options = Options { target: Target { dot4: false, width }, ..Options::default() };
        let program = Arc::new(lower(&graph, &options).expect("it lowers"));
        assert!(program.steps.iter().all(|s| s.remark.is_none()), "{}", qcc_lower::dump(&program));
        let inputs: Vec<Tensor> =
            graph.graph().inputs().iter().map(|id| values(graph.ty(id.output(0)), u64::from(id.0) + 1)).collect();
        let expected = qcc_ir::evaluate(&graph, &inputs).expect("it evaluates");
        let mut session = Session::new(program, &qcc_session::Options::default()).expect("the program is sound");
        let got = session.run(&inputs).expect("it runs");
        assert_eq!(got, expected);
    }
}

/// Graphs that kernels once computed wrongly or refused to compute.
const CASES: &[(&str, &str)] = &[
    (
        "a pad with one value whose consumer's border has another",
        r#"  %x = input : u8[1,3,3,2]
  %0 = const i64[8] [0, 1, 0, 0, 0, 0, 1, 0]
  %1 = const u8[] 110
  %2 = Pad(%x, %0, %1)
  %3 = rand i8[3,2,3,3] seed=5
  %4 = const u8[] 133
  %5 = IConv(%2, %3, %4) {layout: "NHWC", pads: [1, 1, 1, 1]}
  output "y" = %5
"#,
    ),
    (
        "a backward slice of an empty axis",
        r#"  %x = input : f32[0,3]
  %0 = const i64[1] [2]
  %1 = const i64[1] [-5]
  %2 = const i64[1] [0]
  %3 = const i64[1] [-1]
  %4 = Slice(%x, %0, %1, %2, %3)
  output "y" = %4
"#,
    ),
    (
        "steps that leave the axis at once",
        r#"  %x = input : u8[5,3]
  %0 = const i64[2] [1, 2]
  %1 = const i64[2] [5, -9223372036854775807]
  %2 = const i64[2] [0, 1]
  %3 = const i64[2] [9223372036854775807, -9223372036854775807]
  %4 = Slice(%x, %0, %1, %2, %3)
  output "y" = %4
"#,
    ),
    (
        "a convolution over no channels",
        r#"  %x = input : f32[1,2,2,0]
  %0 = zeros f32[3,0,2,2]
  %1 = Conv(%x, %0) {layout: "NHWC", pads: [0, 0, 1, 1]}
  output "y" = %1
"#,
    ),
    (
        "a product without columns",
        r#"  %x = input : f32[2,8]
  %0 = zeros f32[8,0]
  %1 = MatMul(%x, %0)
  output "y" = %1
"#,
    ),
];

#[test]
fn odd_graphs_run_on_kernels() {
    for (what, lines) in CASES {
        let text = format!("graph \"odd\" {{\n{lines}}}\n");
        let graph = qcc_ir::parse(&text).unwrap_or_else(|e| panic!("{what}: {}", e.message));
        check(&qcc_ir::infer(&graph).unwrap_or_else(|e| panic!("{what}: {}", e[0].message)), Fast::All);
    }
}

#[test]
fn a_minimum_or_maximum_with_nan_is_nan() {
    let text = r#"graph "nan" {
  %x = input : f32[6]
  %y = input : f32[6]
  %0 = Min(%x, %y)
  %1 = Max(%x, %y)
  output "min" = %0
  output "max" = %1
}
"#;
    let graph = qcc_ir::infer(&qcc_ir::parse(text).expect("it parses")).expect("it types");
    let inputs = [
        Tensor::new([6], vec![f32::NAN, 1.0, f32::NAN, 2.0, f32::INFINITY, -3.0]),
        Tensor::new([6], vec![1.0, f32::NAN, f32::NAN, 3.0, 0.0, f32::NEG_INFINITY]),
    ];
    let expected = qcc_ir::evaluate(&graph, &inputs).expect("it evaluates");
    let program = Arc::new(lower(&graph, &Options::default()).expect("it lowers"));
    assert!(program.steps.iter().all(|s| s.remark.is_none()), "{}", qcc_lower::dump(&program));
    for engine in [Engine::Interpreter, Engine::Jit] {
        let options = qcc_session::Options { engine, ..Default::default() };
        let mut session = Session::new(Arc::clone(&program), &options).expect("the program is sound");
        for (got, expected) in session.run(&inputs).expect("it runs").iter().zip(&expected) {
            let pairs = got.slice::<f32>().iter().zip(expected.slice::<f32>());
            for (a, b) in pairs {
                assert!(a == b || (a.is_nan() && b.is_nan()), "{a} for {b}");
            }
        }
    }
}

#[test]
fn a_kernel_whose_code_would_be_too_long_runs_on_reference_evaluation() {
    let text = r#"graph "pool" {
  %x = input : f32[1,9,64,16]
  %0 = MaxPool(%x) {ceil_mode: 0, dilations: [1, 1], kernel_shape: [9, 33], layout: "NHWC", pads: [4, 16, 4, 16], strides: [1, 1]}
  output "y" = %0
}
"#;
    let graph = qcc_ir::infer(&qcc_ir::parse(text).expect("it parses")).expect("it types");
    let program = Arc::new(lower(&graph, &Options::default()).expect("it lowers"));
    let remarks: Vec<&str> = program.steps.iter().filter_map(|s| s.remark.as_deref()).collect();
    assert!(remarks.iter().any(|r| r.contains("values, more than 16384")), "{remarks:?}");
    let x = values(graph.ty(graph.graph().inputs()[0].output(0)), 3);
    let expected = qcc_ir::evaluate(&graph, std::slice::from_ref(&x)).expect("it evaluates");
    let mut session = Session::new(program, &qcc_session::Options::default()).expect("the program is sound");
    assert_eq!(session.run(&[x]).expect("it runs"), expected);
}

#[test]
fn grids_are_found_at_run_time() {
    // Around a register, four of them, and the part of a task.
    for n in [0, 1, 3, 4, 7, 8, 31, 32, 33, 8191, 8192, 8193, 8232, 20_003] {
        let text = format!(
            r#"graph "grid" {{
  %x = input : f32[{n}]
  %0 = const f32[] 0.4
  %1 = Sub(%x, %0)
  %2, %3 = DynamicGrid(%1)
  %4, %5 = DynamicGrid(%x)
  output "scale" = %2
  output "zero_point" = %3
  output "scale of positives" = %4
  output "zero_point of positives" = %5
}}
"#
        );
        let graph = qcc_ir::parse(&text).unwrap_or_else(|e| panic!("{}", e.message));
        let typed = qcc_ir::infer(&graph).unwrap_or_else(|e| panic!("{}", e[0].message));
        check(&typed, Fast::All);
        let program = lower(&typed, &Options::default()).expect("it lowers");
        assert!(program.steps.iter().all(|s| s.remark.is_none()), "{n}: a step has no kernel");
    }
}

#[test]
fn ranges_leave_nan_out_and_may_be_empty() {
    let text = r#"graph "grid" {
  %x = input : f32[5]
  %0, %1 = DynamicGrid(%x)
  output "scale" = %0
  output "zero_point" = %1
}
"#;
    let typed = qcc_ir::infer(&qcc_ir::parse(text).expect("it parses")).expect("it types");
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    for width in [Width::V128, Width::V256] {
        let options = Options { target: Target { dot4: false, width }, ..Options::default() };
        let program = Arc::new(lower(&typed, &options).expect("it lowers"));
        for (values, scale, zero) in [
            // Half a step off, and the scale is rounded up.
            ([nan, 1.0, nan, -1.0, nan], 2.0 / 255.0, 127u8),
            ([nan; 5], 1.0, 0),
            ([0.0, -0.0, 0.0, -0.0, 0.0], 1.0, 0),
            ([-2.0, -1.0, -3.0, -255.0, -1.0], 1.0, 255),
            ([inf, 0.0, 1.0, -1.0, 0.0], inf, 0),
        ] {
            let x = Tensor::new([5], values.to_vec());
            let expected = vec![Tensor::scalar(scale), Tensor::scalar(zero)];
            assert_eq!(qcc_ir::evaluate(&typed, std::slice::from_ref(&x)).expect("it evaluates"), expected, "{x:?}");
            for engine in [Engine::Interpreter, Engine::Jit] {
                let options = qcc_session::Options { engine, ..Default::default() };
                let mut session = Session::new(Arc::clone(&program), &options).expect("the program is sound");
                assert_eq!(session.run(std::slice::from_ref(&x)).expect("it runs"), expected, "{engine:?}, {x:?}");
            }
        }
    }
}

#[test]
fn the_steps_of_an_lstm_are_one_kernel() {
    // Sizes that fill one and two registers of both widths, and more terms than one block of a sum.
    let cases = [
        (1, 1, 4, "forward", true),
        (3, 2, 8, "reverse", false),
        (4, 1, 12, "bidirectional", true),
        (2, 3, 16, "bidirectional", false),
        (3, 1, 40, "forward", true),
        (2, 1, 160, "reverse", true),
        (0, 2, 8, "forward", true),
    ];
    for (steps, batch, hidden, direction, states) in cases {
        let d = if direction == "bidirectional" { 2 } else { 1 };
        let state = if states { "%h, %c" } else { "_, _" };
        let text = format!(
            r#"graph "lstm" {{
  %x = input : f32[{steps},{batch},{rows}]
  %h = input : f32[{d},{batch},{hidden}]
  %c = input : f32[{d},{batch},{hidden}]
  %r = rand f32[{d},{own},{hidden}] seed=7
  %b = rand f32[{d},{biases}] seed=8
  %0, %1, %2 = LstmSteps(%x, %r, %b, {state}) {{direction: "{direction}"}}
  output "y" = %0
  output "y_h" = %1
  output "y_c" = %2
}}
"#,
            rows = d * 4 * hidden,
            own = 4 * hidden,
            biases = 8 * hidden,
        );
        let typed = qcc_ir::infer(&qcc_ir::parse(&text).expect("it parses")).expect("it types");
        let inputs: Vec<Tensor> =
            typed.graph().inputs().iter().map(|id| values(typed.ty(id.output(0)), u64::from(id.0) + 1)).collect();
        let expected = qcc_ir::evaluate(&typed, &inputs).expect("it evaluates");
        for width in [Width::V128, Width::V256] {
            let options = Options { target: Target { dot4: false, width }, ..Options::default() };
            let program = Arc::new(lower(&typed, &options).expect("it lowers"));
            assert!(program.steps.iter().all(|s| s.remark.is_none()), "{hidden}: a step has no kernel");
            let mut engines = Vec::new();
            for (engine, threads) in [(Engine::Interpreter, 1), (Engine::Jit, 1), (Engine::Jit, 2)] {
                let options = qcc_session::Options { threads, engine, ..Default::default() };
                let mut session = Session::new(Arc::clone(&program), &options).expect("the program is sound");
                engines.push(session.run(&inputs).expect("it runs"));
            }
            assert_eq!(engines[0], engines[1], "{hidden}: machine code and interpreter");
            assert_eq!(engines[1], engines[2], "{hidden}: one and two threads");
            for (got, want) in engines[0].iter().zip(&expected) {
                let pairs = got.slice::<f32>().iter().zip(want.slice::<f32>());
                assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-5), "{steps} {batch} {hidden} {direction}");
            }
        }
    }
}

#[test]
fn steps_of_an_lstm_without_a_kernel_run_on_the_reference() {
    let calls = [
        ("%0, %1, %2 = LstmSteps(%x, %r)", 5),
        ("%0, %1, %2 = LstmSteps(%x, %r) {clip: 1.5}", 8),
        ("%0, %1, %2 = LstmSteps(%x, %r) {input_forget: 1}", 8),
        (r#"%0, %1, %2 = LstmSteps(%x, %r) {activations: ["Relu", "Tanh", "Tanh"]}"#, 8),
    ];
    for (call, hidden) in calls {
        let text = format!(
            "graph \"lstm\" {{\n  %x = input : f32[2,1,{rows}]\n  %r = rand f32[1,{rows},{hidden}] seed=7\n  {call}\n  output \"y\" = %0\n}}\n",
            rows = 4 * hidden,
        );
        let typed = qcc_ir::infer(&qcc_ir::parse(&text).expect("it parses")).expect("it types");
        check(&typed, Fast::All);
        let program = lower(&typed, &Options::default()).expect("it lowers");
        assert!(program.steps.iter().any(|s| s.remark.is_some()), "{call}");
    }
}
