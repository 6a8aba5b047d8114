//! Products whose weights alone are codes, from a float model or from a file, down to the kernels and the bytes of the artifact.

mod onnx;

use onnx::{domain, node_with, number, tensor};
use qcc::quantize::{self, Options, Products};
use qcc::{pipeline, standard_rules};
use qcc_dsl::RuleSet;
use qcc_ir::{Bindings, Graph, Node, TypedGraph};
use qcc_kernel::Width;
use qcc_lower::Target;
use qcc_session::Engine;
use qcc_tensor::Tensor;
use std::fmt::Write;
use std::sync::LazyLock;

static RULES: LazyLock<RuleSet> =
    LazyLock::new(|| standard_rules::compile(&standard_rules::Selection::default()).expect("the rules are sound").0);

const WIDE: Target = Target { dot4: false, width: Width::V256 };

/// Two layers whose weights lie one way and the other.
fn layers(rows: usize) -> Graph {
    let text = format!(
        r#"graph "layers" {{
  %x = input : f32[{rows},128]
  %w0 = rand f32[128,96] seed=1
  %w1 = rand f32[64,96] seed=2
  %b1 = rand f32[64] seed=3
  %a = MatMul(%x, %w0)
  %r = Relu(%a)
  %y = Gemm(%r, %w1, %b1) {{transB: 1}}
  output "y" = %y
}}
"#
    );
    qcc_ir::parse(&text).expect("the text is a graph")
}

/// A product of `f32[2,8]` with eight columns of codes of 4 bits in one block.
fn from_a_file() -> Graph {
    let codes: Vec<u8> = (0..64).map(|i| (i * 37 % 251) as u8).collect();
    let scales: Vec<u8> = (1..=8).flat_map(|i| (0.01 * i as f32).to_le_bytes()).collect();
    let fields = [domain("com.microsoft"), number("K", 8), number("N", 8), number("bits", 4), number("block_size", 16)];
    let bytes = onnx::model(&[
        tensor("codes", 2, &[8, 1, 8], &codes),
        tensor("scales", 1, &[8], &scales),
        node_with("MatMulNBits", &["x", "codes", "scales"], "y", &fields),
    ]);
    qcc_onnx::import_bytes(bytes.into(), None).expect("the file can be read")
}

fn typed(graph: &Graph) -> TypedGraph {
    pipeline::typed(graph, &Bindings::default()).expect("the graph has types")
}

/// The graph with all products quantized in their weights, as another program reads it from a file.
fn weight_only(graph: &Graph, bits: u8) -> Graph {
    let options =
        Options { weight_only: Products::All, weight_only_bits: Some(bits), target: WIDE, ..Options::default() };
    let result = quantize::without_samples(graph, &Bindings::default(), &RULES, &options).expect("it is quantized");
    let bytes = qcc_onnx::export(&typed(&result.graph)).expect("it is standard");
    let again = qcc_onnx::import_bytes(bytes.into(), None).expect("what was written can be read");
    let sample = sample(&typed(graph));
    let evaluated = |graph: &Graph| qcc_ir::evaluate(&typed(graph), std::slice::from_ref(&sample)).expect("it runs");
    assert_eq!(evaluated(&again), evaluated(&result.graph));
    again
}

fn sample(graph: &TypedGraph) -> Tensor {
    let ty = graph.ty(graph.graph().inputs()[0].output(0));
    let values = (0..ty.elements()).map(|i| (i * 131 % 257) as f32 / 128.0 - 1.0).collect();
    Tensor::new(ty.shape.iter().copied(), values)
}

/// What products are computed by, the bytes of constants, and how near the outputs are to the reference.
fn compiled(graph: &Graph, target: Target) -> String {
    let compiled = pipeline::compile(graph, &Bindings::default(), &RULES, target, &mut |_| ()).expect("it compiles");
    let chosen = compiled.chosen.graph.graph();
    let core = |id| match chosen.node(id) {
        Node::Fused(node) => node.core.as_ref().map(|core| core.op.name),
        Node::Op(node) => Some(node.op.name),
        _ => None,
    };
    let cores: Vec<&str> = chosen.node_ids().filter_map(core).collect();
    let sample = sample(&typed(graph));
    let expected = qcc_ir::evaluate(&typed(graph), std::slice::from_ref(&sample)).expect("it runs");
    let run = |engine, threads| {
        let mut session = pipeline::session(&compiled.program, threads, engine).expect("a session starts");
        session.run(std::slice::from_ref(&sample)).expect("it runs")
    };
    let got = run(Engine::Jit, 1);
    assert!(got == run(Engine::Interpreter, 1) && got == run(Engine::Jit, 2), "engines and threads agree bit for bit");
    let (got, expected) = (got[0].to_f64_vec(), expected[0].to_f64_vec());
    let largest = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let off = got.iter().zip(&expected).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
    assert!(off < 1e-5 * largest, "{off} of {largest}");
    format!("{}; {} bytes of constants", cores.join(", "), compiled.program.constants.len())
}

#[test]
fn weights_stay_codes_where_few_rows_are_multiplied() {
    let narrow = Target::default();
    let mut out = String::new();
    for (case, graph, target) in [
        ("one row of floats", layers(1), WIDE),
        ("one row, weights of 8 bits", weight_only(&layers(1), 8), WIDE),
        ("one row, weights of 4 bits", weight_only(&layers(1), 4), WIDE),
        ("one row, weights of 4 bits, narrow registers", weight_only(&layers(1), 4), narrow),
        ("200 rows of floats", layers(200), WIDE),
        ("200 rows, weights of 8 bits", weight_only(&layers(200), 8), WIDE),
        ("codes of 4 bits from a file", from_a_file(), WIDE),
    ] {
        writeln!(out, "{case}: {}", compiled(&graph, target)).expect("a text grows");
    }
    insta::assert_snapshot!(out, @r"
    one row of floats: MatMul, MatMul; 74752 bytes of constants
    one row, weights of 8 bits: CodedMatMul, CodedMatMul; 20096 bytes of constants
    one row, weights of 4 bits: CodedMatMul, CodedMatMul; 12544 bytes of constants
    one row, weights of 4 bits, narrow registers: CodedMatMul, CodedMatMul; 12544 bytes of constants
    200 rows of floats: MatMul, MatMul; 74752 bytes of constants
    200 rows, weights of 8 bits: MatMul, MatMul; 74752 bytes of constants
    codes of 4 bits from a file: CodedMatMul; 192 bytes of constants
    ");
}

#[test]
fn products_of_nothing_have_a_result() {
    for [rows, terms, columns] in [[2, 0, 4], [2, 8, 0], [0, 8, 4]] {
        let text = format!(
            r#"graph "nothing" {{
  %x = input : f32[{rows},{terms}]
  %w = zeros i8[{terms},{columns}]
  %s = rand f32[{columns}] seed=1
  %d = DequantizeLinear(%w, %s) {{axis: 1}}
  %y = MatMul(%x, %d)
  output "y" = %y
}}
"#
        );
        let graph = qcc_ir::parse(&text).expect("the text is a graph");
        let compiled = pipeline::compile(&graph, &Bindings::default(), &RULES, WIDE, &mut |_| ()).expect("it compiles");
        let mut session = pipeline::session(&compiled.program, 1, Engine::Jit).expect("a session starts");
        let sample = sample(&typed(&graph));
        let got = session.run(std::slice::from_ref(&sample)).expect("it runs");
        assert_eq!(got[0], Tensor::new([rows, columns], vec![0.0f32; rows * columns]), "{rows} {terms} {columns}");
    }
}
