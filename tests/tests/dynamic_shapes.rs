//! One session, many shapes: right for each, compiled once for each, within the bound of what is kept.

use qcc::specialized::{Capacity, Settings, Specialized, Statistics};
use qcc::standard_rules::{self, Selection};
use qcc_ir::{Bindings, Graph};
use qcc_lower::Target;
use qcc_session::Engine;
use qcc_tensor::Tensor;
use qcc_tests::targets::corpus;

/// Attention over `[batch, sequence, 8]` with both open.
fn encoder() -> Graph {
    let (_, bytes) = corpus("onnx").into_iter().find(|(name, _)| name == "encoder.onnx").expect("it is in the corpus");
    qcc_onnx::import_bytes(bytes.into(), None).expect("it imports")
}

fn session(capacity: Capacity) -> Specialized {
    let settings = Settings {
        rules: standard_rules::compile(&Selection::default()).expect("the standard rules are sound").0,
        bindings: Bindings::default(),
        target: Target::host(),
        engine: Engine::Jit,
        threads: 1,
        capacity,
    };
    Specialized::new(encoder(), settings)
}

/// Batches of 1, 2, 3 and 5 of 1, 2, 7, 16 and 33 words.
fn shapes() -> Vec<[usize; 2]> {
    [1, 2, 3, 5].into_iter().flat_map(|batch| [1, 2, 7, 16, 33].map(|sequence| [batch, sequence])).collect()
}

fn input([batch, sequence]: [usize; 2], seed: usize) -> Tensor {
    let n = batch * sequence * 8;
    Tensor::new([batch, sequence, 8], (0..n).map(|i| ((i * 37 + seed * 11) % 101) as f32 / 50.0 - 1.0).collect())
}

/// What the definition of the model gives for a shape.
fn reference(x: &Tensor) -> Vec<f64> {
    let bindings = Bindings { dims: Vec::new(), shapes: vec![("x".into(), x.shape().to_vec())] };
    let typed = qcc::pipeline::typed(&encoder(), &bindings).expect("it types");
    qcc_ir::evaluate(&typed, std::slice::from_ref(x)).expect("it evaluates")[0].to_f64_vec()
}

#[test]
fn twenty_shapes_are_right_each_time_and_compiled_once() {
    let mut model = session(Capacity { shapes: 20, bytes: usize::MAX });
    for round in 0..3 {
        for shape in shapes() {
            let x = input(shape, round);
            let y = model.run(std::slice::from_ref(&x)).expect("it runs").remove(0);
            assert_eq!(y.shape(), x.shape());
            for (got, expected) in y.to_f64_vec().iter().zip(reference(&x)) {
                assert!((got - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{shape:?}: {got} for {expected}");
            }
        }
    }
    assert_eq!(model.statistics(), Statistics { compiled: 20, hits: 40, dropped: 0 });
}

#[test]
fn what_is_kept_is_bounded_and_the_oldest_goes_first() {
    let mut model = session(Capacity { shapes: 3, bytes: usize::MAX });
    let mut run = |shape| {
        model.run(&[input(shape, 0)]).expect("it runs");
        assert!(model.kept() <= 3);
        model.statistics()
    };
    for shape in [[1, 1], [1, 2], [1, 3], [1, 1], [1, 4]] {
        run(shape);
    }
    // [1, 2] was used longest ago; [1, 1] was used again.
    assert_eq!(run([1, 1]), Statistics { compiled: 4, hits: 2, dropped: 1 });
    assert_eq!(run([1, 2]), Statistics { compiled: 5, hits: 2, dropped: 2 });
}

#[test]
fn memory_is_bounded_over_all_shapes() {
    let mut first = session(Capacity::default());
    first.run(&[input([5, 33], 0)]).expect("it runs");
    // Room for twice the largest.
    let bytes = 2 * first.kept_bytes();
    let mut model = session(Capacity { shapes: 100, bytes });
    for shape in shapes().into_iter().flat_map(|shape| [shape, shape]) {
        model.run(&[input(shape, 0)]).expect("it runs");
        assert!(model.kept_bytes() <= bytes, "{} of {bytes} bytes", model.kept_bytes());
    }
    assert!(model.statistics().dropped > 0 && model.statistics().hits > 0, "{:?}", model.statistics());
}

#[test]
fn a_shape_that_the_model_does_not_allow_is_an_error_and_keeps_what_is_there() {
    let mut model = session(Capacity::default());
    model.run(&[input([1, 2], 0)]).expect("it runs");
    let seven = Tensor::new([1, 2, 7], vec![0f32; 14]);
    let failure = model.run(&[seven]).expect_err("its last axis is 8").to_string();
    assert!(failure.contains("axis 2 of input `x` is 8 in the model, the given shape says 7"), "{failure}");
    assert!(model.run(&[]).expect_err("an input is missing").to_string().contains("1 inputs, 0 were given"));
    assert_eq!((model.kept(), model.statistics().compiled), (1, 1));
    let doubles = Tensor::new([1, 2, 8], vec![0f64; 16]);
    let failure = model.run(&[doubles]).expect_err("it takes floats").to_string();
    assert!(failure.contains("f32[1,2,8]"), "{failure}");
}
