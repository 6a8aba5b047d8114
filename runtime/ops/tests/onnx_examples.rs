//! Operators on inputs small enough to compute by hand, with the results the ONNX text gives.

use qcc_ops::{AttrValue, Attrs, InferInput, find};
use qcc_tensor::Tensor;

/// Infers and evaluates one call; both must agree on the types.
fn run(name: &str, inputs: &[Option<&Tensor>], attrs: &[(&str, AttrValue)], outputs: usize) -> Vec<Tensor> {
    let op = find(name).expect("the op is registered");
    let mut attrs = Attrs::from_iter(attrs.iter().cloned());
    let typed: Vec<Option<InferInput<'_>>> =
        inputs.iter().map(|t| t.map(|t| InferInput { ty: t.ty(), value: Some(t) })).collect();
    let types = op.infer(&typed, &mut attrs, outputs).expect("the call types");
    let out = op.eval(inputs, &attrs, outputs).expect("the call evaluates");
    assert!(out.iter().map(Tensor::ty).eq(types.iter()), "{name}: inference and evaluation disagree");
    out
}

fn text(x: &str) -> AttrValue {
    AttrValue::Str(x.into())
}

fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::new(shape.to_vec(), values.to_vec())
}

fn near(got: &Tensor, shape: &[usize], expected: &[f64]) {
    assert_eq!(got.shape(), shape);
    let got = got.to_f64_vec();
    let close = got.iter().zip(expected).all(|(g, e)| (g - e).abs() <= 1e-5);
    assert!(close && got.len() == expected.len(), "got {got:?}, expected {expected:?}");
}

/// Resizes a row.
fn resized(row: &[f32], scale: f32, attrs: &[(&str, AttrValue)]) -> Vec<f64> {
    let (x, scales) = (floats(&[1, row.len()], row), floats(&[2], &[1.0, scale]));
    run("Resize", &[Some(&x), None, Some(&scales)], attrs, 1)[0].to_f64_vec()
}

#[test]
fn resize_to_the_nearest_follows_coordinates_and_rounding() {
    let row = [0.0, 1.0, 2.0, 3.0];
    // Positions -0.25, 0.25, 0.75, 1.25, ... of half pixels.
    assert_eq!(resized(&row, 2.0, &[]), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    let floor = [("coordinate_transformation_mode", text("asymmetric")), ("nearest_mode", text("floor"))];
    // Positions i / 1.5: 0, 0.67, 1.33, 2, 2.67, 3.33.
    assert_eq!(resized(&row, 1.5, &floor), [0.0, 0.0, 1.0, 2.0, 2.0, 3.0]);
    // Positions 0.5 and 2.5 lie between two elements.
    assert_eq!(resized(&row, 0.5, &[("nearest_mode", text("round_prefer_floor"))]), [0.0, 2.0]);
    assert_eq!(resized(&row, 0.5, &[("nearest_mode", text("round_prefer_ceil"))]), [1.0, 3.0]);
}

#[test]
fn resize_linear_blends_neighbours() {
    let linear = ("mode", text("linear"));
    assert_eq!(resized(&[1.0, 3.0], 2.0, std::slice::from_ref(&linear)), [1.0, 1.5, 2.5, 3.0]);
    let corners = ("coordinate_transformation_mode", text("align_corners"));
    assert_eq!(resized(&[0.0, 6.0], 2.0, &[linear, corners]), [0.0, 2.0, 4.0, 6.0]);
}

#[test]
fn resize_cubic_keeps_a_constant_and_matches_the_polynomial() {
    let cubic = ("mode", text("cubic"));
    assert!(resized(&[7.0; 5], 1.7, std::slice::from_ref(&cubic)).iter().all(|v| (v - 7.0).abs() < 1e-5));
    // Halfway between four elements the weights are a/8 and (4 - a)/8 on either side, here -0.09375 and 0.59375.
    let got = resized(&[1.0, 2.0, 4.0, 8.0], 0.25, &[cubic]);
    let expected = -0.09375 * (1.0 + 8.0) + 0.59375 * (2.0 + 4.0);
    assert!((got[0] - expected).abs() < 1e-6, "{got:?}, expected {expected}");
}

#[test]
fn resize_keeps_the_aspect_ratio() {
    let x = floats(&[2, 4], &[0.0; 8]);
    let sizes = Tensor::new([2], vec![6i64, 8]);
    for (policy, shape) in [("stretch", [6, 8]), ("not_larger", [4, 8]), ("not_smaller", [6, 12])] {
        let attrs = [("keep_aspect_ratio_policy", text(policy))];
        let y = run("Resize", &[Some(&x), None, None, Some(&sizes)], &attrs, 1);
        assert_eq!(y[0].shape(), shape, "{policy}");
    }
}

#[test]
fn a_recurrent_layer_runs_in_both_directions_and_stops_at_the_length() {
    // One unit: h = relu(x + h).
    let x = floats(&[3, 2, 1], &[1.0, 10.0, 2.0, 20.0, 3.0, 30.0]);
    let (w, r) = (floats(&[2, 1, 1], &[1.0, 1.0]), floats(&[2, 1, 1], &[1.0, 1.0]));
    let lengths = Tensor::new([2], vec![3i32, 2]);
    let relu = AttrValue::Strs(vec!["Relu".into(), "Relu".into()]);
    let attrs = [("direction", text("bidirectional")), ("activations", relu)];
    let out = run("RNN", &[Some(&x), Some(&w), Some(&r), None, Some(&lengths)], &attrs, 2);
    // [step, direction, batch]; the second sequence has two steps.
    near(&out[0], &[3, 2, 2, 1], &[1.0, 10.0, 6.0, 30.0, 3.0, 30.0, 5.0, 20.0, 6.0, 0.0, 3.0, 0.0]);
    near(&out[1], &[2, 2, 1], &[6.0, 30.0, 6.0, 30.0]);
}

#[test]
fn gated_cells_equal_their_equations_on_one_step() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let x = floats(&[1, 1, 1], &[1.0]);
    let state = floats(&[1, 1, 1], &[0.5]);
    let w = floats(&[1, 3, 1], &[0.1, 0.2, 0.3]);
    let r = floats(&[1, 3, 1], &[0.4, 0.5, 0.6]);
    let b = floats(&[1, 6], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.7]);
    let (z, reset) = (sigmoid(0.1 + 0.4 * 0.5), sigmoid(0.2 + 0.5 * 0.5));
    let inputs = [Some(&x), Some(&w), Some(&r), Some(&b), None, Some(&state)];
    for (linear, inner) in [(0, 0.6 * (reset * 0.5) + 0.7), (1, reset * (0.6 * 0.5 + 0.7))] {
        let expected = (1.0 - z) * (0.3f64 + inner).tanh() + z * 0.5;
        let out = run("GRU", &inputs, &[("linear_before_reset", AttrValue::Int(linear))], 1);
        near(&out[0], &[1, 1, 1, 1], &[expected]);
    }
    let w = floats(&[1, 4, 1], &[0.1, 0.2, 0.3, 0.4]);
    let r = floats(&[1, 4, 1], &[0.5, 0.6, 0.7, 0.8]);
    let cell = floats(&[1, 1, 1], &[-0.25]);
    let p = floats(&[1, 3], &[0.9, 1.0, 1.1]);
    let (take, keep) = (sigmoid(0.1 + 0.25 - 0.9 * 0.25), sigmoid(0.3 + 0.35 - 1.1 * 0.25));
    let c = keep * -0.25 + take * (0.4f64 + 0.4).tanh();
    let h = sigmoid(0.2 + 0.3 + c) * c.tanh();
    let out = run("LSTM", &[Some(&x), Some(&w), Some(&r), None, None, Some(&state), Some(&cell), Some(&p)], &[], 3);
    near(&out[0], &[1, 1, 1, 1], &[h]);
    near(&out[1], &[1, 1, 1], &[h]);
    near(&out[2], &[1, 1, 1], &[c]);
}

#[test]
fn the_first_of_equal_elements_comes_first() {
    let x = Tensor::new([2, 4], vec![1i32, 3, 3, 2, 5, 5, 5, 0]);
    let k = Tensor::new([1], vec![2i64]);
    let out = run("TopK", &[Some(&x), Some(&k)], &[], 2);
    assert_eq!(out[0], Tensor::new([2, 2], vec![3i32, 3, 5, 5]));
    assert_eq!(out[1], Tensor::new([2, 2], vec![1i64, 2, 0, 1]));
    let along = [("axis", AttrValue::Int(0)), ("largest", AttrValue::Int(0))];
    let one = Tensor::new([1], vec![1i64]);
    let out = run("TopK", &[Some(&x), Some(&one)], &along, 2);
    assert_eq!(out[0], Tensor::new([1, 4], vec![1i32, 3, 3, 0]));
    assert_eq!(out[1], Tensor::new([1, 4], vec![0i64, 0, 0, 1]));
}

#[test]
fn scattering_replaces_or_reduces() {
    let x = Tensor::new([3, 2], vec![1i32, 2, 3, 4, 5, 6]);
    let (indices, rows) = (Tensor::new([2, 1], vec![2i64, -1]), Tensor::new([2, 2], vec![10i32, 20, 30, 40]));
    let add = [("reduction", text("add"))];
    let out = run("ScatterND", &[Some(&x), Some(&indices), Some(&rows)], &add, 1);
    assert_eq!(out[0], Tensor::new([3, 2], vec![1i32, 2, 3, 4, 45, 66]));
    let (indices, new) = (Tensor::new([1, 2], vec![1i64, 0]), Tensor::new([1, 2], vec![7i32, 8]));
    let out = run("ScatterElements", &[Some(&x), Some(&indices), Some(&new)], &[], 1);
    assert_eq!(out[0], Tensor::new([3, 2], vec![1i32, 8, 7, 4, 5, 6]));
}

#[test]
fn moving_channels_to_pixels_and_back_is_the_identity() {
    let x = Tensor::new([1, 8, 1, 2], (0..16u8).collect());
    let block = ("blocksize", AttrValue::Int(2));
    let wide = run("DepthToSpace", &[Some(&x)], std::slice::from_ref(&block), 1);
    assert_eq!(wide[0], Tensor::new([1, 2, 2, 4], vec![0u8, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15]));
    assert_eq!(run("SpaceToDepth", &[Some(&wide[0])], std::slice::from_ref(&block), 1)[0], x);
    let other = run("DepthToSpace", &[Some(&x)], &[block, ("mode", text("CRD"))], 1);
    assert_eq!(other[0], Tensor::new([1, 2, 2, 4], vec![0u8, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15]));
}

#[test]
fn triangles_sums_and_normalizations() {
    let x = Tensor::new([2, 3], vec![1i64, 2, 3, 4, 5, 6]);
    assert_eq!(run("Trilu", &[Some(&x)], &[], 1)[0], Tensor::new([2, 3], vec![1i64, 2, 3, 0, 5, 6]));
    let axis = Tensor::scalar(1i64);
    let flags = [("exclusive", AttrValue::Int(1)), ("reverse", AttrValue::Int(1))];
    let sums = run("CumSum", &[Some(&x), Some(&axis)], &flags, 1);
    assert_eq!(sums[0], Tensor::new([2, 3], vec![5i64, 3, 0, 11, 6, 0]));
    let x = floats(&[1, 2, 2], &[1.0, 3.0, 10.0, 30.0]);
    let (scale, bias) = (floats(&[2], &[2.0, 1.0]), floats(&[2], &[0.0, 5.0]));
    let zero = ("epsilon", AttrValue::Float(0.0));
    let inputs = [Some(&x), Some(&scale), Some(&bias)];
    near(&run("InstanceNormalization", &inputs, std::slice::from_ref(&zero), 1)[0], &[1, 2, 2], &[-2.0, 2.0, 4.0, 6.0]);
    let per_channel = [zero, ("num_groups", AttrValue::Int(2))];
    near(&run("GroupNormalization", &inputs, &per_channel, 1)[0], &[1, 2, 2], &[-2.0, 2.0, 4.0, 6.0]);
    let x = floats(&[1, 3], &[0.0, 2f32.ln(), 0.0]);
    near(&run("LogSoftmax", &[Some(&x)], &[], 1)[0], &[1, 3], &[0.25f64.ln(), 0.5f64.ln(), 0.25f64.ln()]);
    near(&run("Hardmax", &[Some(&x)], &[], 1)[0], &[1, 3], &[0.0, 1.0, 0.0]);
}

#[test]
fn functions_of_one_element() {
    let x = floats(&[3], &[-2.0, 0.25, 2.0]);
    let cases: [(&str, [f64; 3]); 6] = [
        ("Softsign", [-2.0 / 3.0, 0.2, 2.0 / 3.0]),
        ("Shrink", [-2.0, 0.0, 2.0]),
        ("ThresholdedRelu", [0.0, 0.0, 2.0]),
        ("Celu", [(-2f64).exp() - 1.0, 0.25, 2.0]),
        ("Sinh", [-3.626_860_407_847_019, 0.252_612_316_808_168, 3.626_860_407_847_019]),
        ("Mish", [-0.252_501_482_695_7, 0.169_572_409_663_8, 1.943_958_959_534]),
    ];
    for (name, expected) in cases {
        let got = run(name, &[Some(&x)], &[], 1)[0].to_f64_vec();
        assert!(got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-6), "{name}: {got:?}, expected {expected:?}");
    }
    let (a, b) = (Tensor::new([3], vec![16u8, 200, 1]), Tensor::new([3], vec![1u8, 1, 9]));
    let left = [("direction", text("LEFT"))];
    assert_eq!(run("BitShift", &[Some(&a), Some(&b)], &left, 1)[0], Tensor::new([3], vec![32u8, 144, 0]));
}
