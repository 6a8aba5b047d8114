//! The trained example models: compiled, run over the test set, compared with their recorded accuracy.

use qcc::model::Model;
use qcc::standard_rules::Selection;
use qcc::{arrays, batch, pipeline};
use qcc_ir::Bindings;
use qcc_session::Engine;
use qcc_tensor::Tensor;
use std::path::PathBuf;

fn model(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/models")).join(name)
}

/// Images of the test set as the models take them (grey value / 255), every `step`th, and their labels.
fn test_set(step: usize) -> (Tensor, Vec<i64>) {
    let arrays = arrays::read_npz(&model("fashion_test.npz")).expect("the test set can be read");
    let array = |name: &str| &arrays.iter().find(|(n, _)| n == name).expect("the array is there").1;
    let (images, labels) = (array("image"), array("label"));
    let picked: Vec<usize> = (0..labels.elements()).step_by(step).collect();
    let pixels = picked.iter().flat_map(|&i| &images.bytes()[i * 784..(i + 1) * 784]);
    let values: Vec<f32> = pixels.map(|&p| f32::from(p) / 255.0).collect();
    (Tensor::new([picked.len(), 1, 28, 28], values), picked.iter().map(|&i| labels.slice::<i64>()[i]).collect())
}

/// All outputs of the compiled model, run sample by sample.
fn one_by_one(name: &str, images: &Tensor) -> Vec<(String, Tensor)> {
    let model = Model::open(&model(name)).expect("the model imports");
    let samples = batch::Samples::new(vec![images.clone()], model.input_ranks()).expect("images are samples");
    let bindings = model.bindings(Bindings::default(), &samples.inputs(0).expect("there is an image"));
    let program = model.program(&bindings, &Selection::default()).expect("the model compiles");
    batch::run(&samples, || pipeline::session(&program, 1, Engine::Jit), || {}).expect("the model runs")
}

/// Class of the largest logit per sample.
fn classes(name: &str, images: &Tensor) -> Vec<i64> {
    let outputs = one_by_one(name, images);
    let (_, logits) = outputs.iter().find(|(n, _)| n == "logits").expect("the model has logits");
    let best = |row: &[f32]| (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).expect("ten classes") as i64;
    logits.slice::<f32>().chunks(10).map(best).collect()
}

fn correct(classes: &[i64], labels: &[i64]) -> usize {
    classes.iter().zip(labels).filter(|(a, b)| a == b).count()
}

#[test]
fn every_example_has_its_recorded_accuracy_on_the_test_set() {
    let (images, labels) = test_set(1);
    // Correct answers of 2,000, as `examples/models/README.md` records them. Q/DQ models may differ by rounding ties.
    let recorded = [
        ("fashion_resnet.onnx", 1858, 0),
        ("fashion_resnet_qat.onnx", 1856, 2),
        ("fashion_resnet_pruned.onnx", 1848, 0),
        ("fashion_resnet_early_exit.onnx", 1858, 0),
    ];
    for (name, expected, slack) in recorded {
        let got = correct(&classes(name, &images), &labels);
        assert!(got.abs_diff(expected) <= slack, "{name}: {got} of 2000 correct, recorded {expected}");
    }
}

#[test]
fn the_two_exports_of_one_quantized_network_agree() {
    let (images, _) = test_set(10);
    assert_eq!(classes("fashion_resnet_qat.onnx", &images), classes("fashion_resnet_qat_bn.onnx", &images));
}

#[test]
fn a_symbolic_batch_is_bound_by_the_data() {
    let (images, _) = test_set(40);
    assert_eq!(classes("fashion_resnet_dynamic.onnx", &images), classes("fashion_resnet.onnx", &images));
}

#[test]
fn a_batch_of_samples_equals_the_samples_one_by_one() {
    let (images, _) = test_set(100);
    let graph = pipeline::import(&model("fashion_resnet_dynamic.onnx")).expect("the model imports");
    let n = images.shape()[0];
    let bindings = Bindings { dims: vec![("N".into(), n)], shapes: Vec::new() };
    let typed = pipeline::typed(&graph, &bindings).expect("the model types");
    let together = qcc_ir::evaluate(&typed, std::slice::from_ref(&images)).expect("the model runs");
    let single = one_by_one("fashion_resnet_dynamic.onnx", &images);
    let pairs = together[0].slice::<f32>().iter().zip(single[0].1.slice::<f32>());
    for (a, b) in pairs {
        assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{a} for {b}");
    }
}

#[test]
fn an_unbound_dimension_is_named_with_what_to_do() {
    let graph = pipeline::import(&model("fashion_resnet_dynamic.onnx")).expect("the model imports");
    let failure = pipeline::typed(&graph, &Bindings::default()).expect_err("N is unknown");
    insta::assert_snapshot!(failure, @r"
    error[unbound-dimension]: axis 0 of input `image` is the symbolic dimension `N`
     |
     = help: bind it: --bind N=1, or give the input a shape: --shape image=...
    ");
    assert_eq!(failure.exit_code(), 2);
}
