//! Quantization from end to end, on the example of the repository.

use qcc::budget::{Budget, Search};
use qcc::compiler::Compiler;
use qcc::failure::Failure;
use qcc::precision::Chooser;
use qcc::quantize::{self, Options, Products, Quantized, Step, Watch};
use qcc::{arrays, batch, example, pipeline, standard_rules};
use qcc_dsl::RuleSet;
use qcc_ir::{Bindings, Graph, Node, OpNode, TypedGraph, ValueId};
use qcc_kernel::Width;
use qcc_lower::Target;
use qcc_ops::{AttrValue, Attrs};
use qcc_quantize::{
    Calibration, Choice, Expected, Grids, Judge, Loss, Method, Noise, Precision, QuantizeError, Runtime, Sessions,
};
use qcc_session::Engine;
use qcc_tensor::Tensor;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

static RULES: LazyLock<RuleSet> =
    LazyLock::new(|| standard_rules::compile(&standard_rules::Selection::default()).expect("the rules are sound").0);

/// The images of the calibration set as the networks take them.
static IMAGES: LazyLock<Tensor> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/fashion_calibration.npz");
    let arrays = arrays::read_npz(Path::new(path)).expect("the file is sound");
    example::grey_values(&arrays.iter().find(|(name, _)| name == "image").expect("it holds images").1)
});

fn quantized(graph: &Graph, arrays: Vec<(String, Tensor)>, options: &Options) -> Result<Quantized, Failure> {
    let watch = Watch { stage: &|_, _| (), sample: &|| () };
    quantize::quantize(graph, &Bindings::default(), &RULES, arrays, options, &watch)
}

/// The options of a CPU with wide registers and without a dot product of bytes.
fn wide() -> Options {
    Options { target: WIDE, ..Options::default() }
}

const WIDE: Target = Target { dot4: false, width: Width::V256 };

fn float() -> Graph {
    example::float().expect("the example imports")
}

fn first(images: &Tensor, count: usize) -> Tensor {
    let bytes = images.bytes().len() / images.shape()[0] * count;
    let shape = std::iter::once(count).chain(images.shape()[1..].iter().copied());
    Tensor::from_bytes(qcc_tensor::TensorType::new(images.dtype(), shape), images.to_shared().slice(..bytes))
        .expect("fits")
}

fn sized(images: &Tensor, edit: impl Fn(&mut Vec<f32>)) -> Tensor {
    let mut values = images.slice::<f32>().to_vec();
    edit(&mut values);
    Tensor::new(images.shape().iter().copied(), values)
}

fn input(tensor: Tensor) -> Vec<(String, Tensor)> {
    vec![("image".into(), tensor)]
}

fn correct(graph: &Graph, images: &Tensor, labels: &[i64]) -> usize {
    let compiled =
        pipeline::compile(graph, &Bindings::default(), &RULES, Target::host(), &mut |_| ()).expect("compiles");
    let samples = batch::Samples::new(vec![images.clone()], vec![Some(4)]).expect("samples");
    let outputs = batch::run(&samples, || pipeline::session(&compiled.program, 1, Engine::Jit), || ()).expect("runs");
    let logits = outputs[0].1.to_f64_vec();
    let best = |row: &[f64]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0) as i64;
    logits.chunks_exact(10).zip(labels).filter(|(row, label)| best(row) == **label).count()
}

fn typed(graph: &Graph) -> TypedGraph {
    pipeline::typed(graph, &Bindings::default()).expect("the graph is typed")
}

#[test]
fn the_example_loses_at_most_a_fifth_of_a_point() {
    let result = quantized(&float(), input(IMAGES.clone()), &wide()).expect("it is quantized");
    assert!(result.integer_share() > 0.95, "{} of the work on integers", result.integer_share());
    assert!(result.loss.sqnr_db() > 30.0, "{:?}", result.loss);
    let (images, labels) = example::test_set().expect("the test set is sound");
    let lost = correct(&float(), &images, &labels) as f64 - correct(&result.graph, &images, &labels) as f64;
    assert!(lost <= 0.002 * labels.len() as f64, "{lost} of {} images", labels.len());
}

#[test]
fn an_exported_model_is_the_model() {
    let options = Options { skip: Step::ALL.to_vec(), ..wide() };
    let result = quantized(&float(), input(first(&IMAGES, 16)), &options).expect("it is quantized");
    let graph = typed(&result.graph);
    let bytes = qcc_onnx::export(&graph).expect("it is standard");
    assert!(!bytes.windows(9).any(|w| w == b"dilations"), "other runtimes need not know attributes that say nothing");
    let again = qcc_onnx::import_bytes(bytes.into(), None).expect("what was written can be read");
    let again = typed(&again);
    let sample = first(&IMAGES, 1);
    let expected = qcc_ir::evaluate(&graph, std::slice::from_ref(&sample)).expect("it runs");
    assert_eq!(qcc_ir::evaluate(&again, &[sample]).expect("it runs"), expected);
    let quantizers = again
        .graph()
        .node_ids()
        .filter(|&id| matches!(again.graph().node(id), qcc_ir::Node::Op(n) if n.op.name == "QuantizeLinear"));
    assert_eq!(quantizers.count(), result.plan.flow.class_of.len());
}

#[test]
fn the_result_does_not_depend_on_the_order_of_threads() {
    let options = wide();
    let run = || {
        let result = quantized(&float(), input(first(&IMAGES, 24)), &options).expect("it is quantized");
        qcc_ir::print_graph(&result.graph)
    };
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool").install(run);
    assert_eq!(one, run());
}

#[test]
fn every_method_quantizes_the_example() {
    for method in Method::ALL {
        let grids = Grids { method: Some(method), ..Grids::default() };
        let options = Options { grids, skip: Step::ALL.to_vec(), ..wide() };
        let result = quantized(&float(), input(first(&IMAGES, 32)), &options).expect("it is quantized");
        // Divergence clips more than any other.
        assert!(result.loss.sqnr_db() > 10.0, "{method}: {:?}", result.loss);
        assert!(result.plan.grids.iter().all(|g| g.method == Some(method)), "{method}");
    }
}

#[test]
fn a_named_layer_stays_in_floats() {
    let options = Options { weight_bits: Some(8), ..wide() };
    let all = quantized(&float(), input(first(&IMAGES, 8)), &options).expect("it is quantized");
    assert_ne!(all.plan.choices[3], Choice::Float);
    let options = Options { keep_float: vec![all.plan.layers[3].name.clone()], ..options };
    let result = quantized(&float(), input(first(&IMAGES, 8)), &options).expect("it is quantized");
    assert_eq!(result.plan.choices[3], Choice::Float);
}

fn message(result: Result<Quantized, Failure>) -> String {
    match result {
        Ok(_) => panic!("it must fail"),
        Err(failure) => {
            assert_eq!(failure.exit_code(), 2, "{failure}");
            failure.to_string()
        }
    }
}

#[test]
fn what_is_wrong_with_samples_is_said() {
    let images = first(&IMAGES, 4);
    let failing = |arrays: Vec<(String, Tensor)>| message(quantized(&float(), arrays, &wide()));
    let two = vec![("a".to_string(), images.clone()), ("b".to_string(), images.clone())];
    assert_eq!(
        failing(two),
        "error: the model has 1 inputs, 2 were given\n |\n = help: give one array for each input: image, not a, b"
    );
    let wide = Tensor::full([4, 1, 28, 29], 0.5f32);
    let expected = "error: a sample of input `image` must be f32[1,1,28,28], the file holds f32[1,1,28,29]\n |\n = help: convert it, as with numpy's `astype` and `reshape`";
    assert_eq!(failing(input(wide)), expected);
    let bytes = Tensor::full([4, 1, 28, 28], 7u8);
    let expected = "error: a sample of input `image` must be f32[1,1,28,28], the file holds u8[1,1,28,28]\n |\n = help: convert it, as with numpy's `astype` and `reshape`";
    assert_eq!(failing(input(bytes)), expected);
    let broken = sized(&images, |v| v[784 * 2 + 5] = f32::NAN);
    assert_eq!(failing(input(broken)), "error: sample 2 of input `image` holds NaN");
    let broken = sized(&images, |v| v[784] = f32::NEG_INFINITY);
    assert_eq!(failing(input(broken)), "error: sample 1 of input `image` holds an infinite value");
    let none = Tensor::new([0, 1, 28, 28], Vec::<f32>::new());
    assert_eq!(
        failing(input(none)),
        "error: every array must hold the same number of samples along axis 0, at least one"
    );
}

#[test]
fn a_quantized_model_is_not_quantized_again() {
    let graph = example::quantized().expect("the example imports");
    let text = message(quantized(&graph, input(first(&IMAGES, 4)), &wide()));
    assert!(text.contains("quantized already"), "{text}");
}

#[test]
fn a_layer_that_does_not_exist_is_named() {
    let options = Options { keep_float: vec!["nothing".into()], ..wide() };
    let text = message(quantized(&float(), input(first(&IMAGES, 4)), &options));
    assert!(text.starts_with("error: no layer is called `nothing`; there are "), "{text}");
}

#[test]
fn one_sample_and_samples_of_zeros_give_a_model() {
    for images in [first(&IMAGES, 1), Tensor::full([3, 1, 28, 28], 0.0f32)] {
        let result = quantized(&float(), input(images.clone()), &wide()).expect("it is quantized");
        assert!(result.loss.sqnr_db() > 15.0, "{:?}", result.loss);
    }
}

#[test]
fn arrays_that_stay_in_their_file_are_those_that_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = folder.path().join("plain.npz");
    let written = [("a".to_string(), first(&IMAGES, 3)), ("b".to_string(), Tensor::new([3, 2], (0..6i64).collect()))];
    arrays::write_npz(&plain, &written).expect("it can be written");
    let packed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/fashion_calibration.npz");
    for path in [plain.as_path(), Path::new(packed)] {
        let read = arrays::read_npz(path).expect("it can be read");
        let stored = qcc::stored::open(path).expect("it can be opened");
        assert_eq!(stored.len(), read.len());
        for ((name, array), (expected_name, expected)) in stored.iter().zip(&read) {
            assert_eq!((name, &array.tensor().expect("it can be read")), (expected_name, expected));
        }
    }
}

#[test]
fn a_file_that_is_cut_short_or_no_archive_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.npz");
    arrays::write_npz(&path, &[("x".into(), first(&IMAGES, 3))]).expect("it can be written");
    let whole = std::fs::read(&path).expect("it can be read");
    for length in [0, 10, whole.len() / 2] {
        std::fs::write(&path, &whole[..length]).expect("it can be written");
        let text = qcc::stored::open(&path).err().expect("it must fail").to_string();
        assert!(text.starts_with("error: cannot read `"), "{text}");
    }
}

#[test]
fn a_budget_out_of_reach_leaves_everything_in_floats() {
    let options = Options { min_sqnr_db: Some(200.0), ..wide() };
    let result = quantized(&float(), input(first(&IMAGES, 8)), &options).expect("it is quantized");
    assert!(result.plan.choices.iter().all(|c| *c == Choice::Float));
    assert!(!qcc_quantize::is_quantized(&result.graph));
}

#[test]
fn a_budget_is_met_with_layers_on_integers() {
    let options = Options { min_sqnr_db: Some(40.0), ..wide() };
    let result = quantized(&float(), input(first(&IMAGES, 16)), &options).expect("it is quantized");
    let floats = result.plan.choices.iter().filter(|c| **c == Choice::Float).count();
    assert!(result.loss.sqnr_db() >= 40.0 && floats > 0 && floats < 11, "{floats} floats, {:?}", result.loss);
}

/// Signal over noise (dB) of a graph's outputs on images that were not calibrated with.
fn measured_db(graph: &Graph, images: &Tensor) -> f64 {
    let outputs = |graph: &Graph| {
        let compiled =
            pipeline::compile(graph, &Bindings::default(), &RULES, Target::host(), &mut |_| ()).expect("compiles");
        let samples = batch::Samples::new(vec![images.clone()], vec![Some(4)]).expect("samples");
        let run = batch::run(&samples, || pipeline::session(&compiled.program, 1, Engine::Jit), || ());
        run.expect("runs")[0].1.to_f64_vec()
    };
    let (expected, got) = (outputs(&float()), outputs(graph));
    let power = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let noise = power(&mut expected.iter().zip(&got).map(|(e, g)| e - g));
    10.0 * (power(&mut expected.iter().copied()) / noise).log10()
}

#[test]
fn a_larger_budget_is_never_slower_and_holds_on_other_images() {
    let images = first(&example::test_set().expect("the test set is sound").0, 400);
    let mut last = 0.0;
    for db in [20.0, 30.0, 40.0] {
        let options = Options { min_sqnr_db: Some(db), ..wide() };
        let result = quantized(&float(), input(first(&IMAGES, 96)), &options).expect("it is quantized");
        let typed = typed(&result.graph);
        let saturated = qcc_egraph::saturate(&typed, &RULES, &qcc_egraph::Options::default()).expect("it saturates");
        let costs = pipeline::costs(WIDE, &RULES).expect("costs");
        let cost = qcc_egraph::extract(&saturated, &costs).expect("it is chosen").cost_ns;
        assert!(cost >= 0.99 * last, "{db} dB: {cost} ns after {last} ns");
        last = cost;
        let measured = measured_db(&result.graph, &images);
        // Thirty-two samples tell the noise of others within a decibel.
        assert!(measured >= db - 1.0, "{db} dB: {measured} dB on other images");
    }
}

fn of_seven_bits(options: &Options) -> usize {
    let result = quantized(&float(), input(first(&IMAGES, 16)), options).expect("it is quantized");
    result.plan.precisions().iter().filter(|p| **p == Precision::Int7).count()
}

#[test]
fn weights_of_seven_bits_are_chosen_where_they_are_faster() {
    let options = Options { min_sqnr_db: Some(20.0), ..wide() };
    assert!(of_seven_bits(&options) > 0);
    let target = Target { dot4: true, ..WIDE };
    assert_eq!(of_seven_bits(&Options { target, ..options }), 0, "a dot product of bytes gains nothing by them");
    assert_eq!(of_seven_bits(&Options { weight_bits: Some(8), ..wide() }), 0);
    assert_eq!(of_seven_bits(&Options { weight_bits: Some(7), ..wide() }), 11);
}

#[test]
fn the_next_choice_of_a_layer_is_more_accurate_and_no_faster() {
    let options = Options { min_sqnr_db: Some(20.0), ..wide() };
    let result = quantized(&float(), input(first(&IMAGES, 32)), &options).expect("it is quantized");
    let mut seen = 0;
    for (precision, next) in result.plan.precisions().iter().zip(&result.next) {
        let Some(next) = next else {
            assert_eq!(*precision, Precision::Float, "only floats have nothing above them");
            continue;
        };
        let above: &[Precision] = match precision {
            Precision::Int7 => &[Precision::Int8],
            Precision::Int8 => &[Precision::Int16, Precision::Float],
            _ => &[Precision::Float],
        };
        assert!(above.contains(&next.precision), "{next} above {precision:?}");
        assert!(next.sqnr_db >= result.loss.sqnr_db() && next.cost_ns >= 0.0, "{next}");
        seen += usize::from(next.cost_ns > 0.0);
    }
    assert!(seen > 0, "weights of eight bits take longer than those of seven");
}

/// Starts sessions of a graph as it is compiled with all rules.
fn sessions(graph: &Graph) -> Result<Sessions, QuantizeError> {
    let compiled = pipeline::compile(graph, &Bindings::default(), &RULES, Target::host(), &mut |_| ());
    let program = compiled.expect("it compiles").program;
    Ok(Box::new(move || Ok(pipeline::session(&program, 1, Engine::Jit).expect("it starts"))))
}

const RUNTIME: Runtime<'_> = Runtime { compile: &sessions, progress: &|| () };

/// The example, calibrated with some images.
fn calibrated(samples: &batch::Samples) -> Calibration {
    let float = pipeline::canonical(&typed(&float()), &RULES).expect("it is canonical");
    Calibration::new(&float, samples, &RUNTIME, Grids::default()).expect("it is calibrated")
}

/// What the float model computes of some of them.
fn expected(calibration: &Calibration, samples: &batch::Samples, of: &[usize]) -> Expected {
    let sessions = sessions(&calibration.float_with_logits()).expect("it compiles");
    Expected::new(calibration, &sessions, samples, of, &|| ()).expect("it runs")
}

#[test]
fn a_graph_that_is_judged_again_is_not_compiled_again() {
    let samples = batch::Samples::new(vec![first(&IMAGES, 2)], vec![Some(4)]).expect("samples");
    let (compiler, mut calibration) = (Compiler::new(&RULES), calibrated(&samples));
    let program = |calibration: &Calibration| {
        let int8 = vec![Precision::Int8; calibration.layers.len()];
        compiler.program(&calibration.with_logits(&int8)).expect("it compiles")
    };
    let (first, again) = (program(&calibration), program(&calibration));
    assert!(Arc::ptr_eq(&first, &again));
    calibration.biases[3][0] += 1.0;
    assert!(!Arc::ptr_eq(&first, &program(&calibration)), "one number differs");
}

#[test]
fn biases_corrected_for_other_precisions_do_not_rule_out_what_is_chosen() {
    let samples = batch::Samples::new(vec![first(&IMAGES, 24)], vec![Some(4)]).expect("samples");
    let mut calibration = calibrated(&samples);
    let (judged, check) = (expected(&calibration, &samples, &[0, 1]), expected(&calibration, &samples, &[2, 3, 4, 5]));
    let all = vec![Precision::Int8; calibration.layers.len()];
    let allowed = vec![vec![Precision::Float, Precision::Int8]; all.len()];
    let sensitivities = qcc_quantize::sensitivities(&calibration, &allowed, &judged, &samples, &RUNTIME);
    let sensitivities = sensitivities.expect("they are measured");
    let chooser = Chooser::new(&calibration, &allowed, &sensitivities, &RULES, WIDE).expect("it saturates");
    let uncorrected = calibration.biases.clone();
    calibration.biases.iter_mut().flatten().for_each(|bias| *bias += 0.5);
    let judge = Judge { precisions: &all, expected: &check, data: &samples, runtime: &RUNTIME };
    let now = judge.loss(&calibration).expect("it runs");
    let budget = Budget::of(&Options { min_sqnr_db: Some(20.0), ..wide() }, now);
    assert!(!budget.holds(now), "such biases are far from the float model's");
    let search = Search {
        chooser,
        allowed: &allowed,
        sensitivities: &sensitivities,
        budget,
        correct: false,
        uncorrected: uncorrected.clone(),
        expected: &judged,
        check: &check,
        samples: &samples,
        others: &[],
        runtime: &RUNTIME,
    };
    let found = search.run(&mut calibration, &all, now).expect("it is chosen");
    assert!(budget.holds(found.loss) && found.precisions.contains(&Precision::Int8), "{:?}", found.precisions);
    assert_eq!(calibration.biases, uncorrected);
}

#[test]
fn biases_do_not_take_over_what_sets_some_samples_apart() {
    let samples = batch::Samples::new(vec![first(&IMAGES, 24)], vec![Some(4)]).expect("samples");
    let mut calibration = calibrated(&samples);
    let (expected, runtime) = (expected(&calibration, &samples, &[0]), RUNTIME);
    let precisions = vec![Precision::Int8; calibration.layers.len()];
    let judge = Judge { precisions: &precisions, expected: &expected, data: &samples, runtime: &runtime };
    let before = calibration.biases.clone();
    // Anything is better than this, so the correction is kept whole.
    let far = Noise { mean: f64::INFINITY, error: 0.0 };
    let mut loss = Loss { outputs: far, logits: far, agreement: 0.0, drop: 1.0 };
    qcc_quantize::correct_biases(&mut calibration, &judge, &[3, 7], &mut loss).expect("it runs");
    assert_ne!(calibration.biases, before);
    let outputs = calibration.layers.iter().map(|l| l.output).collect();
    let outputs = calibration.measured(outputs, &samples, &runtime).expect("they are measured");
    for ((layer, before), after) in calibration.layers.iter().zip(&before).zip(&calibration.biases) {
        let signal: f64 = outputs[&layer.output].variances().iter().sum();
        let change: f64 = after.iter().zip(before).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        // Means of two images are a fifth of a deviation and more away from those of all.
        assert!(change < 0.01 * signal, "{}: {} of the deviation", layer.name, (change / signal).sqrt());
    }
}

#[test]
fn a_matrix_product_finds_its_range_at_run_time_as_asked() {
    let options = Options { dynamic: Products::All, skip: Step::ALL.to_vec(), ..wide() };
    let result = quantized(&float(), input(first(&IMAGES, 16)), &options).expect("it is quantized");
    let dynamic = |p: &&Precision| **p == Precision::Dynamic;
    let precisions = result.plan.precisions();
    let products = result.plan.layers.iter().filter(|l| l.is_matrix_product()).count();
    assert_eq!(precisions.iter().filter(dynamic).count(), products);
    assert!(products > 0 && result.loss.sqnr_db() > 20.0, "{:?}", result.loss);

    let convolution = result.plan.layers.iter().find(|l| !l.is_matrix_product()).expect("there are some").name.clone();
    let options = Options { dynamic: Products::Named(vec![convolution]), ..wide() };
    let text = message(quantized(&float(), input(first(&IMAGES, 4)), &options));
    assert!(text.contains("is a convolution"), "{text}");
}

#[test]
fn weights_alone_are_quantized_as_asked() {
    for (bits, precision, least_db) in [(8, Precision::WeightOnly8, 30.0), (4, Precision::WeightOnly4, 15.0)] {
        let options =
            Options { weight_only: Products::All, weight_only_bits: Some(bits), skip: Step::ALL.to_vec(), ..wide() };
        let result = quantized(&float(), input(first(&IMAGES, 16)), &options).expect("it is quantized");
        let products = result.plan.layers.iter().filter(|l| l.is_matrix_product()).count();
        assert_eq!(result.plan.precisions().iter().filter(|p| **p == precision).count(), products);
        assert!(products > 0 && result.loss.sqnr_db() > least_db, "{bits} bits: {:?}", result.loss);
    }
    let options = Options { dynamic: Products::All, ..wide() };
    let result = quantize::without_samples(&float(), &Bindings::default(), &RULES, &options).expect("it is quantized");
    let convolution = result.plan.layers.iter().find(|l| !l.is_matrix_product()).expect("there are some").name.clone();
    let options = Options { weight_only: Products::Named(vec![convolution]), ..wide() };
    let refused = quantize::without_samples(&float(), &Bindings::default(), &RULES, &options);
    assert!(format!("{:?}", refused.err()).contains("is a convolution; only matrix products multiply floats"));
}

#[test]
fn codes_of_16_bits_are_nearly_floats_and_run_on_integer_kernels() {
    let options = |int16| Options { int16, weight_bits: Some(8), skip: Step::ALL.to_vec(), ..wide() };
    let eight = quantized(&float(), input(first(&IMAGES, 16)), &options(Vec::new())).expect("it is quantized");
    let is_float = |node: &qcc_ir::Node| match node {
        qcc_ir::Node::Op(n) => matches!(n.op.name, "Conv" | "MatMul"),
        qcc_ir::Node::Fused(n) => n.core.as_ref().is_some_and(|core| matches!(core.op.name, "Conv" | "MatMul")),
        _ => false,
    };
    let in_groups = |layer: &&qcc_quantize::Layer| layer.groups > 1;
    let (grouped, others): (Vec<_>, Vec<_>) = eight.plan.layers.iter().partition(in_groups);
    let refused = quantized(&float(), input(first(&IMAGES, 16)), &options(vec![grouped[0].name.clone()]));
    assert!(format!("{:?}", refused.err()).contains("has groups"));
    let names: Vec<String> = others.iter().map(|l| l.name.clone()).collect();
    let result = quantized(&float(), input(first(&IMAGES, 16)), &options(names.clone())).expect("it is quantized");
    let precisions = result.plan.precisions();
    assert_eq!(precisions.iter().filter(|p| **p == Precision::Int16).count(), names.len());
    assert!(result.loss.sqnr_db() > eight.loss.sqnr_db(), "{:?} beside {:?}", result.loss, eight.loss);

    let bytes = qcc_onnx::export(&typed(&result.graph)).expect("it is standard");
    let again = qcc_onnx::import_bytes(bytes.into(), None).expect("what was written can be read");
    let compiled = pipeline::compile(&again, &Bindings::default(), &RULES, WIDE, &mut |_| ()).expect("it compiles");
    let chosen = compiled.chosen.graph.graph();
    assert!(!chosen.node_ids().any(|id| is_float(chosen.node(id))), "{}", qcc_ir::print_graph(chosen));
}

#[test]
fn without_samples_only_products_are_quantized() {
    let options = Options { dynamic: Products::All, ..wide() };
    let result = quantize::without_samples(&float(), &Bindings::default(), &RULES, &options).expect("it is quantized");
    for (layer, precision) in result.plan.layers.iter().zip(result.plan.precisions()) {
        let expected = if layer.is_matrix_product() { Precision::Dynamic } else { Precision::Float };
        assert_eq!(precision, expected, "{}", layer.name);
    }
    let bytes = qcc_onnx::export(&typed(&result.graph)).expect("it is standard");
    let again = typed(&qcc_onnx::import_bytes(bytes.into(), None).expect("what was written can be read"));
    let sample = first(&IMAGES, 1);
    let expected = qcc_ir::evaluate(&typed(&result.graph), std::slice::from_ref(&sample)).expect("it runs");
    assert_eq!(qcc_ir::evaluate(&again, &[sample]).expect("it runs"), expected);
    assert!(quantize::without_samples(&again.graph().clone(), &Bindings::default(), &RULES, &options).is_err());
}

#[test]
fn decisions_are_held_as_asked() {
    let options = Options { min_agreement: Some(1.0), weight_bits: Some(7), ..wide() };
    let result = quantized(&float(), input(first(&IMAGES, 32)), &options).expect("it is quantized");
    assert_eq!(result.loss.agreement, 1.0);
}

/// The example with probabilities as its output.
fn probabilities() -> Graph {
    let (from, mut graph) = (float(), Graph::new("probabilities"));
    let mut map: HashMap<ValueId, ValueId> = HashMap::new();
    for id in from.node_ids() {
        let value = match from.node(id) {
            Node::Input(input) => graph.add_input(input.clone()),
            Node::Const(tensor) => graph.add_const(tensor.clone()),
            Node::Op(node) => {
                let inputs = node.inputs.iter().map(|v| v.map(|v| map[&v])).collect();
                graph.add_op(OpNode { inputs, ..node.clone() }).output(0)
            }
            Node::Fused(_) => unreachable!("an imported graph has no kernels"),
        };
        map.insert(id.output(0), value);
    }
    let logits = vec![Some(map[&from.outputs()[0].1])];
    let (op, name) = (qcc_ops::find("Softmax").expect("it is known"), "probabilities".to_string());
    let attrs = Attrs::new().with("axis", AttrValue::Int(-1));
    let softmax = OpNode { name, op, attrs, inputs: logits, outputs: 1, regions: Vec::new() };
    let probabilities = graph.add_op(softmax).output(0);
    graph.add_output("probabilities", probabilities);
    graph
}

/// All steps but the choice of precisions, which is quick to test without them.
const BUT_PRECISIONS: [Step; 3] = [Step::Equalise, Step::Round, Step::Correct];

/// Of sure samples probabilities hardly move; what a model may lose for speed is measured in front of them.
#[test]
fn probabilities_do_not_hide_what_logits_lose() {
    let with = |graph: &Graph, skip: &[Step]| {
        let options = Options { skip: skip.to_vec(), ..wide() };
        quantized(graph, input(first(&IMAGES, 24)), &options).expect("it is quantized").loss
    };
    let (before, after) = (with(&probabilities(), &Step::ALL), with(&probabilities(), &BUT_PRECISIONS));
    assert!(after.logits.beyond(2.0) <= 1.26 * before.logits.beyond(2.0), "{after:?} after {before:?}");
    assert_ne!(after.logits, after.outputs);
    let same = with(&float(), &Step::ALL);
    assert_eq!(same.logits, same.outputs, "an output that no function follows is what decides");
}

#[test]
fn labels_say_how_far_the_accuracy_drops() {
    let (images, labels) = example::test_set().expect("the test set is sound");
    let (images, labels) = (first(&images, 60), labels[..60].to_vec());
    let with = |labels: Vec<i64>| {
        let options = Options {
            max_drop: Some(0.0),
            labels: Some(labels),
            weight_bits: Some(7),
            min_sqnr_db: Some(0.0),
            skip: BUT_PRECISIONS.to_vec(),
            ..wide()
        };
        quantized(&float(), input(images.clone()), &options)
    };
    let held = with(labels.clone()).expect("it is quantized");
    assert!(held.loss.drop <= 0.0, "{:?}", held.loss);
    // Where everything is wrong nothing can be lost.
    let wrong = with(vec![10; 60]).expect("it is quantized");
    assert_eq!(wrong.loss.drop, 0.0);
    assert!(wrong.plan.precisions().iter().all(|p| *p == Precision::Int7), "{:?}", wrong.plan.precisions());
    let error = with(labels[..59].to_vec()).err().expect("a label is missing");
    assert!(error.to_string().contains("need 60 labels; the file holds 59"), "{error}");
}

#[test]
fn layers_are_compared_and_the_page_shows_them() {
    let arrays = || input(first(&IMAGES, 8));
    let options = Options { skip: Step::ALL.to_vec(), ..wide() };
    let result = quantized(&float(), arrays(), &options).expect("it is quantized");
    let watch = Watch { stage: &|_, _| (), sample: &|| () };
    let errors = quantize::layer_errors(&result, &RULES, arrays(), &watch).expect("they can be measured");
    assert_eq!(errors.len(), 11);
    for error in &errors {
        let name = &result.plan.layers[error.layer].name;
        assert!(error.local.sqnr_db() > 30.0 && error.whole.cosine() > 0.99, "{name}: {error:?}");
        assert!((0.0..0.02).contains(&error.clipped), "{name}: {error:?}");
    }
    let last = errors.last().expect("there are layers");
    assert!(last.local.sqnr_db() > last.whole.sqnr_db(), "errors add up: {last:?}");
    let page = qcc::report::page(&result, &errors);
    assert!(result.plan.layers.iter().all(|l| page.contains(&l.name)));
    assert!(!page.contains("http") && page.matches("<svg").count() == result.plan.grids.len() + 1);
}

/// A convolution with an output without weights, then one that reads it.
fn dead_channel() -> Graph {
    use qcc_ir::{Dim, InputNode, OpNode};
    use qcc_ops::Attrs;
    let mut graph = Graph::new("dead");
    let dims = Some([1, 2, 4, 4].map(Dim::Known).to_vec());
    let x = graph.add_input(InputNode { name: "x".into(), dtype: qcc_tensor::DType::F32, dims });
    let conv = |graph: &mut Graph, x, weights: Tensor, bias: Vec<f32>| {
        let w = graph.add_const(weights);
        let b = graph.add_const(Tensor::new([bias.len()], bias));
        let op = qcc_ops::find("Conv").expect("it is an operator");
        let inputs = vec![Some(x), Some(w), Some(b)];
        graph
            .add_op(OpNode { name: String::new(), op, attrs: Attrs::new(), inputs, outputs: 1, regions: Vec::new() })
            .output(0)
    };
    let weights = (0..36).map(|i| if i / 18 == 1 { 0.0 } else { (i % 5) as f32 / 5.0 - 0.4 }).collect();
    let y = conv(&mut graph, x, Tensor::new([2, 2, 3, 3], weights), vec![0.25, 0.7]);
    let y = conv(&mut graph, y, Tensor::new([1, 2, 1, 1], vec![0.0f32, 1.0]), vec![0.0]);
    graph.add_output("y", y);
    graph
}

#[test]
fn a_channel_without_weights_keeps_its_bias() {
    let samples = Tensor::new([4, 2, 4, 4], (0..128).map(|i| ((i * 31) % 64) as f32 / 32.0 - 1.0).collect());
    let options = Options { skip: Step::ALL.to_vec(), ..wide() };
    let result = quantized(&dead_channel(), vec![("x".into(), samples.clone())], &options).expect("quantized");
    assert!(result.plan.choices.iter().all(|c| matches!(c, Choice::Integer(..))));
    let y = qcc_ir::evaluate(&typed(&result.graph), &[first(&samples, 1)]).expect("it runs").remove(0);
    assert!(y.to_f64_vec().iter().all(|v| (v - 0.7).abs() < 0.01), "{:?}", y.to_f64_vec());
}
