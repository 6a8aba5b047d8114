//! A batch gives what its samples give one by one, bit for bit, however many threads share it.

use qcc::pipeline;
use qcc::standard_rules::{self, Selection};
use qcc_ir::Bindings;
use qcc_lower::Target;
use qcc_session::Engine;
use qcc_tensor::Tensor;
use std::path::Path;

const SIZE: usize = 28 * 28;

fn program(batch: usize) -> pipeline::Compiled {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models");
    let graph = pipeline::import(&models.join("fashion_resnet_dynamic.onnx")).expect("it imports");
    let rules = standard_rules::compile(&Selection::default()).expect("the standard rules are sound").0;
    let bindings = Bindings { dims: vec![("N".into(), batch)], shapes: Vec::new() };
    pipeline::compile(&graph, &bindings, &rules, Target::host(), &mut |_| ()).expect("it compiles")
}

fn image(number: usize) -> Vec<f32> {
    (0..SIZE).map(|i| ((i * 37 + number * 113) % 101) as f32 / 101.0).collect()
}

#[test]
fn a_batch_gives_what_its_samples_give() {
    let single = program(1);
    assert_eq!(single.program.samples, 1);
    let mut session = pipeline::session(&single.program, 1, Engine::Jit).expect("it runs");
    let mut one_by_one = Vec::new();
    for number in 0..5 {
        let y = session.run(&[Tensor::new([1, 1, 28, 28], image(number))]).expect("it runs").remove(0);
        one_by_one.extend_from_slice(y.slice::<f32>());
    }
    let batch = program(5);
    assert_eq!((batch.program.samples, batch.whole_batch.as_deref()), (5, None));
    assert_eq!(batch.program.arena_bytes, single.program.arena_bytes, "memory for one sample");
    let x = Tensor::new([5, 1, 28, 28], (0..5).flat_map(image).collect());
    for threads in [1, 2, 5] {
        let mut session = pipeline::session(&batch.program, threads, Engine::Jit).expect("it runs");
        let y = session.run(std::slice::from_ref(&x)).expect("it runs").remove(0);
        assert_eq!(y.slice::<f32>(), one_by_one, "{threads} threads");
    }
    let expected = qcc_ir::evaluate(&batch.typed, std::slice::from_ref(&x)).expect("it evaluates").remove(0);
    for (got, expected) in one_by_one.iter().zip(expected.slice::<f32>()) {
        assert!((got - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{got} for {expected}");
    }
}
