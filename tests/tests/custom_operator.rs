//! A model with nodes of another domain: refused without a definition, compiled and run with one, and no line of Rust about it.

use qcc::model::Model;
use qcc::standard_rules::{self, Selection};
use qcc::{arrays, batch, pipeline};
use qcc_ir::Bindings;
use qcc_lower::Target;
use qcc_session::Engine;
use qcc_tensor::Tensor;
use std::path::PathBuf;

/// Correct answers of 2,000, as onnxruntime gives them for the twin in which the operator is spelled out
/// (`examples/models/train/custom_activation.py`), and how many rounding ties may change.
const RECORDED: usize = 1855;
const SLACK: usize = 2;

fn examples(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples")).join(path)
}

fn with_definition() -> Selection {
    Selection { files: vec![examples("rules/soft_relu.rules")], ..Selection::default() }
}

fn test_set() -> (Tensor, Vec<i64>) {
    let arrays = arrays::read_npz(&examples("models/fashion_test.npz")).expect("the test set can be read");
    let array = |name: &str| &arrays.iter().find(|(n, _)| n == name).expect("the array is there").1;
    (qcc::example::grey_values(array("image")), array("label").to_i64_vec().expect("labels are integers"))
}

#[test]
fn without_a_definition_the_node_the_op_and_the_domain_are_named() {
    let Err(failure) = Model::open(&examples("models/fashion_soft_relu.onnx")) else { panic!("it is refused") };
    assert_eq!(failure.exit_code(), 3);
    let message = failure.to_string();
    for part in
        ["/layer2/relu1/soft/SoftRelu", "`SoftRelu`", "`acme.vision`", "def acme.vision::SoftRelu(x)", "--rules"]
    {
        assert!(message.contains(part), "{part} is not in\n{message}");
    }
}

#[test]
fn with_a_definition_it_is_compiled_without_a_trace_of_the_operator() {
    let (rules, _) = standard_rules::compile(&with_definition()).expect("the rules are right");
    let graph = pipeline::import_with(&examples("models/fashion_soft_relu.onnx"), &rules.defs).expect("it is imported");
    let compiled =
        pipeline::compile(&graph, &Bindings::default(), &rules, Target::host(), &mut |_| ()).expect("it compiles");
    let chosen = qcc_ir::print(&compiled.chosen.graph);
    assert!(!chosen.contains("= Sigmoid("), "{chosen}");
    assert!(chosen.matches("= Lookup(").count() >= 3, "every SoftRelu is a table\n{chosen}");
    // What is compiled computes what the definition says, code by code.
    let (images, _) = test_set();
    let mut session = pipeline::session(&compiled.program, 1, Engine::Jit).expect("it loads");
    for i in [0, 777, 1999] {
        let pixels = images.slice::<f32>()[i * 784..(i + 1) * 784].to_vec();
        let image = vec![Tensor::new([1, 1, 28, 28], pixels)];
        let expected = qcc_ir::evaluate(&compiled.chosen.graph, &image).expect("it can be evaluated");
        let found = session.run(&image).expect("it runs").to_vec();
        assert_eq!(found[0], expected[0], "image {i}: kernels and reference evaluation differ");
    }
}

#[test]
fn its_accuracy_is_that_of_the_spelled_out_twin() {
    let (images, labels) = test_set();
    let model = Model::open_with(&examples("models/fashion_soft_relu.onnx"), &with_definition(), &Default::default())
        .expect("it is imported");
    let samples = batch::Samples::new(vec![images], model.input_ranks()).expect("images are samples");
    let program = model.program(&Bindings::default(), &with_definition()).expect("it compiles");
    let outputs = batch::run(&samples, || pipeline::session(&program, 1, Engine::Jit), || {}).expect("it runs");
    let best = |row: &[f32]| (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).expect("ten classes") as i64;
    let rows = outputs[0].1.slice::<f32>().chunks(10).map(best);
    let correct = rows.zip(&labels).filter(|(a, b)| a == *b).count();
    assert!(correct.abs_diff(RECORDED) <= SLACK, "{correct} of 2000 correct, recorded {RECORDED}");
}
