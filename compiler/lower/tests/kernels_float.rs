//! Float kernels with a core of their own: interpreter and machine code agree bit for bit, both with the operators within
//! the stated tolerance.

mod reference;

use qcc_kernel::Width;
use qcc_lower::kernels::body::{Body, Fn2, Node, NodeId, Operand};
use qcc_lower::kernels::depthwise_f32::{self, DepthwiseF32Spec};
use qcc_lower::kernels::layout::{Elem, Halo, TensorLayout};
use qcc_lower::kernels::normalize::{self, NormalizeKind, NormalizeSpec};
use qcc_lower::kernels::product_codes::{self, ProductCodesSpec};
use qcc_lower::kernels::product_f32::{self, ProductF32Spec};
use qcc_lower::kernels::softmax::{self, SoftmaxSpec};
use qcc_ops::{AttrValue, Attrs};
use qcc_tensor::{DType, Tensor};
use reference::{Random, assert_close, assert_same, evaluate, op, run_tensors, run_widths, widths};

fn moderate(random: &mut Random, dims: &[usize]) -> Tensor {
    let n = dims.iter().product();
    Tensor::new(dims.to_vec(), (0..n).map(|_| 4.0 * random.unit() - 2.0).collect::<Vec<f32>>())
}

fn ints(list: &[usize]) -> AttrValue {
    AttrValue::Ints(list.iter().map(|&v| v as i64).collect())
}

/// Kernel, strides, dilations, pads.
type Windows = ([usize; 2], [usize; 2], [usize; 2], [usize; 4]);

/// What the operator makes of a channels-last image.
fn convolved(x: &Tensor, weights: &Tensor, (kernel, strides, dilations, pads): Windows, group: usize) -> Tensor {
    let attrs = Attrs::new()
        .with("kernel_shape", ints(&kernel))
        .with("strides", ints(&strides))
        .with("dilations", ints(&dilations))
        .with("pads", ints(&pads))
        .with("group", AttrValue::Int(group as i64))
        .with("layout", AttrValue::Str("NHWC".into()));
    op("Conv", &[Some(x), Some(weights)], attrs)
}

#[test]
fn depthwise_convolutions() {
    let windows = [
        ([1, 1], [1, 1], [1, 1], [0, 0, 0, 0]),
        ([3, 3], [1, 1], [1, 1], [1, 1, 1, 1]),
        ([3, 3], [2, 2], [1, 1], [0, 1, 1, 0]),
        ([5, 5], [1, 2], [1, 1], [2, 2, 2, 2]),
        ([3, 2], [2, 3], [2, 3], [2, 0, 2, 3]),
        ([2, 7], [1, 1], [1, 1], [0, 3, 1, 3]),
        ([1, 3], [1, 1], [1, 2], [0, 2, 0, 2]),
    ];
    let inputs = [
        [1, 7, 9, 1],
        [2, 6, 8, 3],
        [1, 5, 7, 4],
        [1, 7, 13, 8],
        [1, 5, 9, 17],
        [1, 5, 9, 28],
        [2, 5, 7, 40],
        [0, 5, 7, 4],
    ];
    for (kernel, strides, dilations, pads) in windows {
        for [n, h, w, c] in inputs {
            let mut random = Random(c as u64);
            let x = moderate(&mut random, &[n, h, w, c]);
            let weights = moderate(&mut random, &[c, 1, kernel[0], kernel[1]]);
            let bias: Vec<f32> = (0..c).map(|i| i as f32 * 0.1 - 1.0).collect();
            let core = convolved(&x, &weights, (kernel, strides, dilations, pads), c);
            let output = TensorLayout::dense(n, core.shape()[1], core.shape()[2], c, Elem::F32);
            let mut body = Body::identity();
            let bias = body.operand(Operand::ChannelF32(bias));
            body.push(Node::Binary(Fn2::Add, NodeId(0), bias));
            let want = evaluate(&body, Some(&core), &[], &output);
            let [top, left, bottom, right] = pads;
            let halo = Halo { top, left, bottom, right };
            let plain = TensorLayout::dense(n, h, w, c, Elem::F32).with_halo(halo);
            let wide = TensorLayout { pitch: c + 3, first: 2, ..plain };
            let bordered = output.with_halo(Halo { top: 1, left: 1, bottom: 0, right: 2 });
            for (input, output) in [(plain, output), (wide, bordered)] {
                let spec = DepthwiseF32Spec {
                    name: "depthwise".into(),
                    input,
                    output,
                    weights: weights.slice::<f32>().to_vec(),
                    kernel,
                    strides,
                    dilations,
                    pads: [top, left],
                    body: body.clone(),
                };
                let generated = widths(|width| depthwise_f32::generate(&spec, width));
                let got = run_widths(&generated, &[(&x, &input, 0)], &[], &output);
                assert_close(&format!("{spec:?}"), &got, &want, 1e-5);
                // Codes, whose registers hold channels in another order: of these very sums.
                let mut quantized = Body::identity();
                let scale = quantized.push(Node::F32(0.07));
                quantized.push(Node::Quantize { x: NodeId(0), scale, zero_point: 90, to: Elem::U8 });
                let want = evaluate(&quantized, Some(&got), &[], &output);
                let output = TensorLayout { elem: Elem::U8, ..output };
                let mut codes = body.clone();
                let scale = codes.push(Node::F32(0.07));
                codes.push(Node::Quantize { x: body.result, scale, zero_point: 90, to: Elem::U8 });
                let spec = DepthwiseF32Spec { output, body: codes, ..spec };
                let generated = widths(|width| depthwise_f32::generate(&spec, width));
                let got = run_widths(&generated, &[(&x, &input, 0)], &[], &output);
                assert_same(&format!("{spec:?}"), &got, &want);
            }
        }
    }
}

#[test]
fn a_depthwise_convolution_needs_its_halo() {
    let layout = TensorLayout::dense(1, 4, 4, 4, Elem::F32);
    let spec = DepthwiseF32Spec {
        name: "depthwise".into(),
        input: layout,
        output: layout,
        weights: vec![1.0; 36],
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [1, 1],
        body: Body::identity(),
    };
    assert!(depthwise_f32::generate(&spec, Width::V256).expect_err("no halo").contains("halo"));
    let few = DepthwiseF32Spec { weights: vec![1.0; 9], kernel: [1, 1], pads: [0, 0], ..spec };
    assert!(depthwise_f32::generate(&few, Width::V256).expect_err("weights").contains("9 weights"));
}

#[test]
fn convolutions() {
    // Kernel, strides, dilations, pads, groups.
    let windows = [
        ([1, 1], [1, 1], [1, 1], [0, 0, 0, 0], 1),
        ([1, 1], [2, 1], [1, 1], [0, 0, 0, 0], 1),
        ([3, 3], [1, 1], [1, 1], [1, 1, 1, 1], 1),
        ([3, 3], [2, 2], [1, 1], [0, 1, 1, 0], 1),
        ([3, 2], [2, 1], [2, 3], [2, 0, 2, 3], 1),
        ([1, 5], [1, 3], [1, 1], [0, 0, 0, 0], 1),
        ([3, 3], [1, 1], [1, 1], [1, 1, 1, 1], 2),
    ];
    // Channels in and out: parts of panels, more terms than one block of a sum, one run of a row.
    let channels = [(1, 3), (3, 16), (4, 8), (6, 34), (50, 17), (130, 20), (300, 4), (44, 66)];
    for (kernel, strides, dilations, pads, group) in windows {
        for (c, o) in channels.into_iter().filter(|(c, o)| c % group == 0 && o % group == 0) {
            for [n, h, w] in [[1, 5, 7], [2, 6, 13]] {
                let mut random = Random((c * o) as u64);
                let x = moderate(&mut random, &[n, h, w, c]);
                let weights = moderate(&mut random, &[o, c / group, kernel[0], kernel[1]]);
                let bias: Vec<f32> = (0..o).map(|i| i as f32 * 0.1 - 1.0).collect();
                let core = convolved(&x, &weights, (kernel, strides, dilations, pads), group);
                let output = TensorLayout::dense(n, core.shape()[1], core.shape()[2], o, Elem::F32);
                let mut body = Body::identity();
                let bias = body.operand(Operand::ChannelF32(bias));
                body.push(Node::Binary(Fn2::Add, NodeId(0), bias));
                let want = evaluate(&body, Some(&core), &[], &output);
                let [top, left, bottom, right] = pads;
                let halo = Halo { top, left, bottom, right };
                let plain = TensorLayout::dense(n, h, w, c, Elem::F32).with_halo(halo);
                let wide = TensorLayout { pitch: c + 3, first: 2, ..plain };
                let bordered = output.with_halo(Halo { top: 1, left: 1, bottom: 0, right: 2 });
                for (input, output) in [(plain, output), (wide, bordered)] {
                    let spec = ProductF32Spec {
                        input,
                        output,
                        weights: weights.slice::<f32>().to_vec(),
                        kernel,
                        strides,
                        dilations,
                        pads,
                        group,
                        body: body.clone(),
                    };
                    let generated = product_f32::generate(&spec).expect("a kernel");
                    let got = run_tensors(&generated, &[(&x, &input, 0)], &[], &output);
                    assert_close(&format!("{kernel:?} {strides:?} {c} {o} {input:?}"), &got, &want, 5e-5);
                }
            }
        }
    }
}

#[test]
fn what_lies_between_floats_is_not_read() {
    // Channels of a wider tensor whose other channels are no numbers.
    let x = Tensor::new([1, 1, 3, 2], vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let input = TensorLayout { pitch: 4, first: 1, ..TensorLayout::dense(1, 1, 3, 2, Elem::F32) };
    let output = TensorLayout::dense(1, 1, 2, 1, Elem::F32);
    let spec = ProductF32Spec {
        input,
        output,
        weights: vec![1.0; 4],
        kernel: [1, 2],
        strides: [1; 2],
        dilations: [1; 2],
        pads: [0; 4],
        group: 1,
        body: Body::identity(),
    };
    let got = run_tensors(&product_f32::generate(&spec).expect("a kernel"), &[(&x, &input, 255)], &[], &output);
    assert_eq!(got.slice::<f32>(), [10.0, 18.0]);
    let few = ProductF32Spec { weights: vec![1.0; 3], ..spec };
    assert!(product_f32::generate(&few).expect_err("weights").contains("3 weights"));
}

/// Weights of `k` by `n` codes in blocks, and how they lie about their zero-points.
#[derive(Clone, Copy, Debug)]
struct Codes {
    k: usize,
    n: usize,
    dtype: DType,
    block: usize,
    /// Zero-points are drawn; otherwise they are in the middle of the codes.
    drawn: bool,
}

/// Codes with scales and zero-points, as the operator has them.
fn coded(case: Codes, random: &mut Random) -> [Tensor; 3] {
    let Codes { k, n, dtype, block, drawn } = case;
    let (lo, hi) = dtype.int_range().expect("integers");
    let blocks = k.div_ceil(block);
    let mut code = || lo as f64 + random.below((hi - lo) as usize + 1) as f64;
    let codes: Vec<f64> = (0..k * n).map(|_| code()).collect();
    let middle = (lo + hi + 1) as f64 / 2.0;
    let zeros: Vec<f64> = (0..blocks * n).map(|_| if drawn { code() } else { middle }).collect();
    let scales = (0..blocks * n).map(|_| 0.01 + 0.1 * random.unit()).collect();
    [
        Tensor::from_f64(dtype, [k, n], &codes),
        Tensor::new([blocks, n], scales),
        Tensor::from_f64(dtype, [blocks, n], &zeros),
    ]
}

#[test]
fn products_with_codes_of_weights() {
    let whole = |k: usize, n: usize, dtype: DType| Codes { k, n, dtype, block: k, drawn: false };
    let cases = [
        whole(1, 1, DType::I8),
        whole(3, 3, DType::I8),
        whole(5, 40, DType::U8),
        whole(130, 33, DType::I8),
        whole(300, 20, DType::I4),
        whole(257, 9, DType::I2),
        Codes { block: 32, ..whole(64, 48, DType::I4) },
        Codes { block: 32, ..whole(100, 17, DType::U4) },
        Codes { block: 16, ..whole(49, 66, DType::U2) },
        Codes { block: 128, ..whole(300, 7, DType::I8) },
        Codes { block: 256, ..whole(600, 16, DType::I4) },
        Codes { block: 144, ..whole(289, 8, DType::I4) },
        Codes { block: 32, drawn: true, ..whole(70, 35, DType::U4) },
        Codes { block: 16, drawn: true, ..whole(20, 5, DType::U8) },
        Codes { drawn: true, ..whole(20, 34, DType::I8) },
    ];
    for case in cases {
        let Codes { k, n, dtype, block, .. } = case;
        for m in [1, 2, 3, 4, 9] {
            let mut random = Random((k * n + m) as u64);
            let x = moderate(&mut random, &[m, k]);
            let [codes, scales, zeros] = coded(case, &mut random);
            let attrs = Attrs::new().with("axis", AttrValue::Int(0)).with("block_size", AttrValue::Int(block as i64));
            let core = op("CodedMatMul", &[Some(&x), Some(&codes), Some(&scales), Some(&zeros)], attrs);
            let pixels = |t: &Tensor| Tensor::new([1, 1, m, t.shape()[1]], t.slice::<f32>().to_vec());
            let (x, core) = (pixels(&x), pixels(&core));
            let output = TensorLayout::dense(1, 1, m, n, Elem::F32);
            let mut body = Body::identity();
            let bias = body.operand(Operand::ChannelF32((0..n).map(|i| i as f32 * 0.1 - 1.0).collect()));
            body.push(Node::Binary(Fn2::Add, NodeId(0), bias));
            let want = evaluate(&body, Some(&core), &[], &output);
            let plain = TensorLayout::dense(1, 1, m, k, Elem::F32);
            let wide = TensorLayout { pitch: k + 3, first: 2, ..plain };
            for input in [plain, wide] {
                let numbers = |t: &Tensor| t.to_f64_vec().into_iter().map(|v| v as i16).collect();
                let spec = ProductCodesSpec {
                    input,
                    output,
                    codes: numbers(&codes),
                    bits: dtype.bits(),
                    block,
                    scales: scales.slice::<f32>().to_vec(),
                    zeros: numbers(&zeros),
                    body: body.clone(),
                };
                let generated = product_codes::generate(&spec).unwrap_or_else(|why| panic!("{case:?}: {why}"));
                let got = run_tensors(&generated, &[(&x, &input, 255)], &[], &output);
                assert_close(&format!("{case:?} {m}"), &got, &want, 1e-4);
            }
        }
    }
}

#[test]
fn codes_of_weights_take_the_bytes_of_their_bits() {
    let bytes = |bits: usize, block: usize| {
        let layout = TensorLayout::dense(1, 1, 1, 256, Elem::F32);
        let count = 256 / block * 256;
        let spec = ProductCodesSpec {
            input: layout,
            output: layout,
            codes: vec![1; 256 * 256],
            bits,
            block,
            scales: vec![1.0; count],
            zeros: vec![0; count],
            body: Body::identity(),
        };
        product_codes::generate(&spec).map(|generated| generated.constants.len())
    };
    // Behind the constants there is a line of slack; scales of columns are stored for every 128 rows.
    const SLACK: usize = 64;
    assert_eq!(bytes(8, 256), Ok(256 * 256 + 2 * 4 * 256 + SLACK));
    assert_eq!(bytes(4, 32), Ok(256 * 256 / 2 + 8 * 4 * 256 + SLACK));
    assert!(bytes(4, 8).expect_err("blocks are small").contains("blocks of 8"));
    assert!(bytes(3, 32).expect_err("no such codes").contains("3 bits"));
    assert!(bytes(2, 32).is_ok_and(|bytes| bytes < 256 * 256 / 2));
}

#[test]
fn softmax_over_the_last_axis() {
    for c in [1, 2, 3, 4, 5, 15, 16, 17, 31, 33, 64, 127, 1000] {
        for rows in [1, 2, 7, 63] {
            let mut random = Random(c as u64 * rows as u64);
            let mut values: Vec<f32> = (0..rows * c).map(|_| 16.0 * random.unit() - 8.0).collect();
            // One row far away from zero, one with an outlier.
            values[..c].iter_mut().for_each(|v| *v += 3000.0);
            let last = values.len() - 1;
            values[last] = -1e30;
            let x = Tensor::new([1, 1, rows, c], values);
            let want = op("Softmax", &[Some(&x)], Attrs::new().with("axis", AttrValue::Int(3)));
            let dense = TensorLayout::dense(1, 1, rows, c, Elem::F32);
            let wide = TensorLayout { pitch: c + 5, first: 2, ..dense };
            for (input, output) in [(dense, dense), (wide, dense), (dense, wide)] {
                let spec = SoftmaxSpec { name: "softmax".into(), input, output, body: Body::identity() };
                let generated = softmax::generate(&spec).expect("a kernel");
                let got = run_tensors(&generated, &[(&x, &input, 255)], &[], &output);
                assert_close(&format!("{spec:?}"), &got, &want, 2e-6);
                let sums = got.slice::<f32>().chunks(c).map(|row| row.iter().sum::<f32>());
                assert!(sums.into_iter().all(|s| (s - 1.0).abs() < 1e-5));
            }
        }
    }
}

#[test]
fn softmax_with_a_body_of_codes() {
    for c in [3, 10, 16, 21] {
        let x = moderate(&mut Random(9), &[2, 3, 2, c]);
        let output = TensorLayout::dense(2, 3, 2, c, Elem::U8);
        let mut body = Body::identity();
        let scale = body.push(Node::F32(1.0 / 256.0));
        body.push(Node::Quantize { x: NodeId(0), scale, zero_point: 0, to: Elem::U8 });
        let input = TensorLayout { elem: Elem::F32, ..output };
        let spec = SoftmaxSpec { name: "softmax".into(), input, output, body: body.clone() };
        let got = run_tensors(&softmax::generate(&spec).expect("a kernel"), &[(&x, &input, 0)], &[], &output);
        // The core alone, through the same kernel, then the operators: only the body is under test.
        let plain = SoftmaxSpec { output: input, body: Body::identity(), ..spec };
        let core = run_tensors(&softmax::generate(&plain).expect("a kernel"), &[(&x, &input, 0)], &[], &input);
        assert_same("codes", &got, &evaluate(&body, Some(&core), &[], &output));
    }
}

#[test]
fn reductions_over_the_last_axis() {
    let kinds =
        [(NormalizeKind::Sum, "ReduceSum"), (NormalizeKind::Max, "ReduceMax"), (NormalizeKind::Min, "ReduceMin")];
    for (kind, name) in kinds {
        for dims @ [n, h, w, c] in
            [[1, 1, 1, 1], [1, 1, 5, 3], [2, 3, 2, 4], [1, 2, 3, 129], [1, 1, 0, 4], [1, 1, 2, 0]]
        {
            if c == 0 && kind != NormalizeKind::Sum {
                continue;
            }
            let x = moderate(&mut Random(4), &dims);
            let axes = Tensor::new([1], vec![3i64]);
            let core = op(name, &[Some(&x), Some(&axes)], Attrs::new());
            let output = TensorLayout::dense(n, h, w, 1, Elem::F32);
            let mut body = Body::identity();
            let half = body.push(Node::F32(0.5));
            body.push(Node::Binary(Fn2::Mul, NodeId(0), half));
            let want = evaluate(&body, Some(&core), &[], &output);
            let input = TensorLayout { pitch: c + 1, ..TensorLayout::dense(n, h, w, c, Elem::F32) };
            let spec = NormalizeSpec { name: "row".into(), kind, input, output, body };
            let got = run_tensors(&normalize::generate(&spec).expect("a kernel"), &[(&x, &input, 255)], &[], &output);
            assert_close(&format!("{spec:?}"), &got, &want, 1e-6);
        }
    }
}

#[test]
fn layer_normalisation() {
    for dims @ [n, h, w, c] in [[1, 1, 1, 1], [1, 1, 5, 3], [2, 3, 2, 4], [1, 2, 3, 129], [1, 1, 7, 384]] {
        let mut random = Random(4);
        let x = moderate(&mut random, &dims);
        let x = Tensor::new(dims, x.slice::<f32>().iter().map(|v| 3.0 + v).collect());
        let (scale, bias) = (moderate(&mut random, &[c]), moderate(&mut random, &[c]));
        let attrs = Attrs::new().with("axis", AttrValue::Int(3)).with("epsilon", AttrValue::Float(1e-3));
        let want = op("LayerNormalization", &[Some(&x), Some(&scale), Some(&bias)], attrs);
        let output = TensorLayout::dense(n, h, w, c, Elem::F32);
        let mut body = Body::identity();
        let scale = body.operand(Operand::ChannelF32(scale.slice::<f32>().to_vec()));
        let bias = body.operand(Operand::ChannelF32(bias.slice::<f32>().to_vec()));
        let scaled = body.push(Node::Binary(Fn2::Mul, NodeId(0), scale));
        body.push(Node::Binary(Fn2::Add, scaled, bias));
        let kind = NormalizeKind::Layer { epsilon: 1e-3 };
        let spec = NormalizeSpec { name: "layer".into(), kind, input: output, output, body };
        let got = run_tensors(&normalize::generate(&spec).expect("a kernel"), &[(&x, &output, 255)], &[], &output);
        assert_close(&format!("{spec:?}"), &got, &want, 1e-5);
    }
}
