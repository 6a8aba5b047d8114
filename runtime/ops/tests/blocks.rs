//! Calls that are typed when they run, and control flow.

use qcc_ops::{AttrValue, Attrs, Block, Budget, Call, OpError, find};
use qcc_tensor::{DType, Tensor};

fn call(op: &str, attrs: &[(&str, AttrValue)], inputs: &[Option<u32>], outputs: u32, regions: Vec<Block>) -> Call {
    let attrs = Attrs::from_iter(attrs.iter().cloned());
    let op = find(op).expect("the op is registered");
    Call { name: format!("the {op}"), op, attrs, inputs: inputs.to_vec(), outputs, regions }
}

fn unbounded() -> Budget {
    Budget::NONE
}

/// `v + iteration`, as what goes around and as a slice of the scan output.
fn adding_body() -> Block {
    let to = ("to", AttrValue::Type(DType::F32));
    Block {
        inputs: 3,
        constants: Vec::new(),
        calls: vec![
            call("Cast", &[to], &[Some(0)], 1, Vec::new()),
            call("Add", &[], &[Some(2), Some(3)], 1, Vec::new()),
        ],
        outputs: vec![1, 4, 4],
    }
}

fn looped(times: i64) -> Result<Vec<Tensor>, OpError> {
    let block = Block {
        inputs: 1,
        constants: vec![Tensor::scalar(times)],
        calls: vec![call("Loop", &[], &[Some(1), None, Some(0)], 2, vec![adding_body()])],
        outputs: vec![2, 3],
    };
    block.run(vec![Tensor::new([2], vec![1.0f32, 10.0])], &mut unbounded())
}

#[test]
fn a_loop_carries_values_and_stacks_slices() {
    let got = looped(3).expect("it runs");
    assert_eq!(got[0], Tensor::new([2], vec![4.0f32, 13.0]));
    assert_eq!(got[1], Tensor::new([3, 2], vec![1.0f32, 10.0, 2.0, 11.0, 4.0, 13.0]));
}

#[test]
fn slices_of_a_loop_that_never_ran_have_no_shape() {
    assert!(matches!(looped(0), Err(OpError::Unsupported(_))));
}

#[test]
fn a_loop_stops_when_its_condition_fails() {
    // v' = v + v while v' < 20.
    let body = Block {
        inputs: 3,
        constants: vec![Tensor::scalar(20.0f32)],
        calls: vec![
            call("Add", &[], &[Some(2), Some(2)], 1, Vec::new()),
            call("Less", &[], &[Some(4), Some(3)], 1, Vec::new()),
        ],
        outputs: vec![5, 4],
    };
    let block = Block {
        inputs: 1,
        constants: vec![Tensor::scalar(true)],
        calls: vec![call("Loop", &[], &[None, Some(1), Some(0)], 1, vec![body])],
        outputs: vec![2],
    };
    assert_eq!(block.run(vec![Tensor::scalar(3.0f32)], &mut unbounded()), Ok(vec![Tensor::scalar(24.0f32)]));
}

#[test]
fn a_loop_without_end_stops_at_the_limit_of_the_run() {
    let endless = |body| Block {
        inputs: 1,
        constants: vec![Tensor::scalar(true)],
        calls: vec![call("Loop", &[], &[None, Some(1), Some(0)], 2, vec![body])],
        outputs: vec![2],
    };
    let run = |body, budget: Budget| {
        let x = Tensor::new([100], vec![1.0f32; 100]);
        endless(body).run(vec![x], &mut budget.clone()).expect_err("it never ends")
    };
    let empty = Block { inputs: 3, outputs: vec![1, 2, 2], ..Block::default() };
    let nothing = run(empty.clone(), Budget { work: 1 << 30, ..Budget::NONE });
    assert_eq!(nothing, OpError::limit("node `the Loop` (Loop): it takes more operations than a run may"));
    let adds = run(adding_body(), Budget { work: 1 << 30, ..Budget::NONE }).to_string();
    assert!(adds.ends_with("it takes more operations than a run may"), "{adds}");
    let slices = run(empty, Budget { memory: 1000, ..Budget::NONE });
    assert_eq!(slices, OpError::limit("node `the Loop` (Loop): it takes 400 bytes, more than the 200 that are left"));
}

#[test]
fn a_scan_runs_backwards_where_it_is_asked_to() {
    // The state is a running sum, which is also the slice.
    let body = Block {
        inputs: 2,
        constants: Vec::new(),
        calls: vec![call("Add", &[], &[Some(0), Some(1)], 1, Vec::new())],
        outputs: vec![2, 2],
    };
    let run = |input: i64, output: i64| {
        let attrs = [
            ("num_scan_inputs", AttrValue::Int(1)),
            ("scan_input_axes", AttrValue::Ints(vec![1])),
            ("scan_input_directions", AttrValue::Ints(vec![input])),
            ("scan_output_axes", AttrValue::Ints(vec![-1])),
            ("scan_output_directions", AttrValue::Ints(vec![output])),
        ];
        let calls = vec![call("Scan", &attrs, &[Some(0), Some(1)], 2, vec![body.clone()])];
        let block = Block { inputs: 2, constants: Vec::new(), calls, outputs: vec![2, 3] };
        let x = Tensor::new([1, 3], vec![1.0f32, 2.0, 4.0]);
        block.run(vec![Tensor::new([1], vec![0.0f32]), x], &mut unbounded()).expect("it runs")[1].to_f64_vec()
    };
    assert_eq!(run(0, 0), [1.0, 3.0, 7.0]);
    assert_eq!(run(1, 0), [4.0, 6.0, 7.0]);
    assert_eq!(run(1, 1), [7.0, 6.0, 4.0]);
}

#[test]
fn branches_may_give_different_shapes() {
    let branch = |outputs| Block { inputs: 2, constants: Vec::new(), calls: Vec::new(), outputs };
    let calls = vec![call("If", &[], &[Some(0), Some(1), Some(2)], 1, vec![branch(vec![0]), branch(vec![1])])];
    let block = Block { inputs: 3, constants: Vec::new(), calls, outputs: vec![3] };
    let (a, b) = (Tensor::new([1], vec![1i32]), Tensor::new([2], vec![2i32, 3]));
    for (condition, expected) in [(true, &a), (false, &b)] {
        let got = block.run(vec![Tensor::scalar(condition), a.clone(), b.clone()], &mut unbounded());
        assert_eq!(got, Ok(vec![expected.clone()]));
    }
}

#[test]
fn shapes_follow_from_values() {
    let calls = vec![call("NonZero", &[], &[Some(0)], 1, Vec::new()), call("Shape", &[], &[Some(1)], 1, Vec::new())];
    let block = Block { inputs: 1, constants: Vec::new(), calls, outputs: vec![1, 2] };
    let got = block.run(vec![Tensor::new([4], vec![0.0f32, 5.0, 0.0, 6.0])], &mut unbounded()).expect("it runs");
    assert_eq!(got, [Tensor::new([1, 2], vec![1i64, 3]), Tensor::new([2], vec![1i64, 2])]);
}

#[test]
fn errors_name_the_node() {
    let calls = vec![call("Reshape", &[], &[Some(0), Some(1)], 1, Vec::new())];
    let block = Block { inputs: 2, constants: Vec::new(), calls, outputs: vec![2] };
    let error = block
        .run(vec![Tensor::new([3], vec![0u8; 3]), Tensor::new([1], vec![2i64])], &mut unbounded())
        .expect_err("it does not fit");
    assert!(error.to_string().contains("node `the Reshape` (Reshape)"), "{error}");
}

#[test]
fn a_block_that_reads_what_is_not_there_is_refused() {
    let calls = vec![call("Neg", &[], &[Some(7)], 1, Vec::new())];
    let block = Block { inputs: 1, constants: Vec::new(), calls, outputs: vec![1] };
    assert!(block.check().is_err());
    assert!(block.run(vec![Tensor::scalar(1.0f32)], &mut unbounded()).is_err());
    assert!(Block { inputs: 1, outputs: vec![1], ..Block::default() }.check().is_err());
}
