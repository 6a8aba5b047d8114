//! Pools and sums over pixels: interpreter, machine code and operators agree, over windows, element types and layouts.

mod reference;

use qcc_kernel::Width;
use qcc_lower::kernels::body::{Body, Fn2, Node, NodeId, Operand};
use qcc_lower::kernels::layout::{Elem, Halo, TensorLayout};
use qcc_lower::kernels::pool::{self, PoolKind, PoolSpec};
use qcc_lower::kernels::reduce::{self, ReduceSpec};
use qcc_ops::{AttrValue, Attrs};
use qcc_tensor::Tensor;
use reference::{Random, assert_close, assert_same, evaluate, from_bytes, op, run_widths, shape, widths};

/// Rows and columns of a window: kernel, strides, dilations, pads (top, left, bottom, right).
struct Window([usize; 2], [usize; 2], [usize; 2], [usize; 4]);

const WINDOWS: [Window; 11] = [
    Window([1, 1], [1, 1], [1, 1], [0, 0, 0, 0]),
    Window([2, 2], [2, 2], [1, 1], [0, 0, 0, 0]),
    Window([3, 3], [2, 2], [1, 1], [1, 1, 1, 1]),
    Window([3, 3], [1, 1], [1, 1], [1, 1, 1, 1]),
    Window([3, 2], [1, 2], [1, 1], [0, 1, 2, 0]),
    Window([5, 5], [1, 1], [1, 1], [2, 2, 2, 2]),
    Window([2, 3], [1, 1], [2, 3], [1, 2, 0, 4]),
    Window([3, 3], [2, 1], [3, 2], [3, 2, 3, 2]),
    Window([7, 1], [3, 1], [1, 1], [3, 0, 3, 0]),
    Window([1, 6], [1, 5], [1, 1], [0, 5, 0, 5]),
    Window([4, 4], [3, 3], [1, 1], [0, 0, 3, 3]),
];

const INPUTS: [[usize; 4]; 8] = [
    [1, 7, 7, 1],
    [2, 5, 9, 3],
    [1, 8, 8, 15],
    [1, 9, 7, 16],
    [2, 7, 8, 17],
    [1, 11, 7, 64],
    [1, 7, 9, 131],
    [0, 7, 7, 4],
];

impl Window {
    fn outputs(&self, [n, h, w, c]: [usize; 4], elem: Elem) -> Option<TensorLayout> {
        let Window(kernel, strides, dilations, pads) = self;
        let size = |axis: usize, input: usize| {
            let padded = input + pads[axis] + pads[axis + 2];
            padded.checked_sub((kernel[axis] - 1) * dilations[axis] + 1).map(|span| span / strides[axis] + 1)
        };
        Some(TensorLayout::dense(n, size(0, h)?, size(1, w)?, c, elem))
    }

    fn attrs(&self) -> Attrs {
        let Window(kernel, strides, dilations, pads) = self;
        let ints = |list: &[usize]| AttrValue::Ints(list.iter().map(|&v| v as i64).collect());
        Attrs::new()
            .with("kernel_shape", ints(kernel))
            .with("strides", ints(strides))
            .with("dilations", ints(dilations))
            .with("pads", ints(pads))
            .with("layout", AttrValue::Str("NHWC".into()))
    }

    fn halo(&self) -> Halo {
        let [top, left, bottom, right] = self.3;
        Halo { top, left, bottom, right }
    }

    fn spec(&self, kind: PoolKind, input: TensorLayout, output: TensorLayout, body: Body) -> PoolSpec {
        let Window(kernel, strides, dilations, [top, left, ..]) = *self;
        PoolSpec { name: "pool".into(), kind, input, output, kernel, strides, dilations, pads: [top, left], body }
    }
}

fn scalar(elem: Elem, value: i32) -> Tensor {
    from_bytes(elem, &[], &[value as u8])
}

/// The layouts a tensor is tried in, beside the plain one.
fn variants(l: TensorLayout) -> [TensorLayout; 2] {
    let sliced = TensorLayout { pitch: l.c + 7, first: 4, ..l };
    [
        l,
        sliced.with_halo(Halo {
            top: 1 + l.halo.top,
            left: l.halo.left + 2,
            bottom: l.halo.bottom,
            right: l.halo.right + 1,
        }),
    ]
}

#[test]
fn maxima() {
    for elem in [Elem::U8, Elem::I8, Elem::F32] {
        for window in &WINDOWS {
            for dims in INPUTS {
                let Some(output) = window.outputs(dims, elem) else { continue };
                let [n, h, w, c] = dims;
                let x = Random(n as u64 + 7 * c as u64).tensor(elem, &dims);
                let want = op("MaxPool", &[Some(&x)], window.attrs());
                let input = TensorLayout::dense(n, h, w, c, elem);
                for (input, output) in variants(input).into_iter().zip(variants(output)) {
                    let spec = window.spec(PoolKind::Max, input, output, Body::identity());
                    let generated = widths(|width| pool::generate(&spec, width));
                    // What lies around the input would win if it were read.
                    let fill = if elem == Elem::I8 { 127 } else { 255 };
                    let got = run_widths(&generated, &[(&x, &input, fill)], &[], &output);
                    assert_same(&format!("{spec:?}"), &got, &want);
                }
            }
        }
    }
}

#[test]
fn maxima_with_a_body() {
    let window = &WINDOWS[2];
    for dims in INPUTS {
        let [n, h, w, c] = dims;
        let output = window.outputs(dims, Elem::U8).expect("the window fits");
        let mut body = Body::identity();
        body.push(Node::Lookup { q: NodeId(0), table: (0..=255).rev().collect(), to: Elem::U8 });
        let x = Random(3).tensor(Elem::U8, &dims);
        let input = TensorLayout::dense(n, h, w, c, Elem::U8);
        let generated = widths(|width| pool::generate(&window.spec(PoolKind::Max, input, output, body.clone()), width));
        let got = run_widths(&generated, &[(&x, &input, 0)], &[], &output);
        let core = op("MaxPool", &[Some(&x)], window.attrs());
        assert_same("table of maxima", &got, &evaluate(&body, Some(&core), &[], &output));
    }
}

#[test]
fn sums_of_codes() {
    for (elem, to) in [(Elem::U8, Elem::U8), (Elem::I8, Elem::I8), (Elem::U8, Elem::I8)] {
        for (window, zero) in WINDOWS.iter().zip([0, 3, 100, 7, 1, 127, 0, 50, 9, 11, 13]) {
            for dims in INPUTS {
                let Some(output) = window.outputs(dims, to) else { continue };
                let [n, h, w, c] = dims;
                let zero_point = if elem == Elem::I8 { zero - 60 } else { zero };
                let x = Random(n as u64 + 7 * c as u64).tensor(elem, &dims);
                let core = op("ISumPool", &[Some(&x), Some(&scalar(elem, zero_point))], window.attrs());
                let input = TensorLayout::dense(n, h, w, c, elem).with_halo(window.halo());
                let mut body = Body::identity();
                let multiplier = body.push(Node::F32(0.3 / (window.0[0] * window.0[1]) as f32));
                body.push(Node::Requantize { acc: NodeId(0), multiplier, zero_point: 4, to });
                for (input, output) in variants(input).into_iter().zip(variants(output)) {
                    let spec = window.spec(PoolKind::Sum { zero_point }, input, output, body.clone());
                    let generated = widths(|width| pool::generate(&spec, width));
                    let got = run_widths(&generated, &[(&x, &input, zero_point as u8)], &[], &output);
                    assert_same(&format!("{spec:?}"), &got, &evaluate(&body, Some(&core), &[], &output));
                }
            }
        }
    }
}

#[test]
fn sums_of_more_codes_than_sixteen_bits_hold() {
    for elem in [Elem::U8, Elem::I8] {
        for extreme in [0u8, 127, 128, 255] {
            let window = Window([13, 20], [1, 1], [1, 1], [0, 0, 0, 0]);
            let dims = [1, 14, 21, 19];
            let x = from_bytes(elem, &dims, &vec![extreme; dims.iter().product()]);
            let want = op("ISumPool", &[Some(&x), Some(&scalar(elem, 5))], window.attrs());
            let output = window.outputs(dims, Elem::I32).expect("the window fits");
            let input = TensorLayout::dense(1, 14, 21, 19, elem);
            let spec = window.spec(PoolKind::Sum { zero_point: 5 }, input, output, Body::identity());
            let got = run_widths(&widths(|width| pool::generate(&spec, width)), &[(&x, &input, 5)], &[], &output);
            assert_same("extreme codes", &got, &want);
        }
    }
}

#[test]
fn means_of_floats() {
    for window in &WINDOWS {
        for dims in INPUTS {
            let Some(output) = window.outputs(dims, Elem::F32) else { continue };
            let [n, h, w, c] = dims;
            let x = moderate(&mut Random(5), &dims);
            let attrs = window.attrs().with("count_include_pad", AttrValue::Int(1));
            let want = op("AveragePool", &[Some(&x)], attrs);
            let input = TensorLayout::dense(n, h, w, c, Elem::F32).with_halo(window.halo());
            let mut body = Body::identity();
            let share = body.push(Node::F32(1.0 / (window.0[0] * window.0[1]) as f32));
            body.push(Node::Binary(Fn2::Mul, NodeId(0), share));
            for (input, output) in variants(input).into_iter().zip(variants(output)) {
                let spec = window.spec(PoolKind::Sum { zero_point: 0 }, input, output, body.clone());
                let generated = widths(|width| pool::generate(&spec, width));
                let got = run_widths(&generated, &[(&x, &input, 0)], &[], &output);
                assert_close(&format!("{spec:?}"), &got, &want, 1e-6);
            }
        }
    }
}

fn moderate(random: &mut Random, dims: &[usize]) -> Tensor {
    let n = dims.iter().product();
    Tensor::new(dims.to_vec(), (0..n).map(|_| 4.0 * random.unit() - 2.0).collect::<Vec<f32>>())
}

const GLOBAL: [[usize; 4]; 11] = [
    [1, 1, 1, 1],
    [1, 7, 7, 17],
    [2, 7, 7, 32],
    [1, 3, 5, 33],
    [3, 2, 2, 67],
    [1, 1, 127, 5],
    [1, 1, 128, 16],
    [1, 3, 129, 40],
    [2, 20, 20, 9],
    [1, 0, 3, 5],
    [0, 3, 3, 3],
];

#[test]
fn sums_over_all_pixels() {
    let axes = || Attrs::new().with("axes", AttrValue::Ints(vec![1, 2]));
    for elem in [Elem::U8, Elem::I8] {
        for dims @ [n, h, w, c] in GLOBAL {
            for zero_point in [0, 77] {
                let x = Random(11).tensor(elem, &dims);
                let core = op("IReduceSum", &[Some(&x), Some(&scalar(elem, zero_point))], axes());
                let mut body = Body::identity();
                let bias = body.operand(Operand::ChannelI32((0..c as i32).collect()));
                body.push(Node::Binary(Fn2::Add, NodeId(0), bias));
                let output = TensorLayout::dense(n, 1, 1, c, Elem::I32);
                let want = evaluate(&body, Some(&core), &[], &output);
                for input in variants(TensorLayout::dense(n, h, w, c, elem)) {
                    let spec = ReduceSpec { name: "sum".into(), input, zero_point, output, body: body.clone() };
                    let generated = widths(|width| reduce::generate(&spec, width));
                    let got = run_widths(&generated, &[(&x, &input, 99)], &[], &output);
                    assert_same(&format!("{spec:?}"), &got, &want);
                }
            }
        }
    }
}

#[test]
fn sums_of_floats_over_all_pixels() {
    for dims @ [n, h, w, c] in GLOBAL {
        let x = moderate(&mut Random(2), &dims);
        let axes = Tensor::new([2], vec![1i64, 2]);
        let core = op("ReduceSum", &[Some(&x), Some(&axes)], Attrs::new());
        let mut body = Body::identity();
        let share = body.push(Node::F32(1.0 / (h * w).max(1) as f32));
        body.push(Node::Binary(Fn2::Mul, NodeId(0), share));
        let output = TensorLayout::dense(n, 1, 1, c, Elem::F32);
        let want = evaluate(&body, Some(&core), &[], &output);
        for input in variants(TensorLayout::dense(n, h, w, c, Elem::F32)) {
            let spec = ReduceSpec { name: "mean".into(), input, zero_point: 0, output, body: body.clone() };
            let generated = widths(|width| reduce::generate(&spec, width));
            let got = run_widths(&generated, &[(&x, &input, 255)], &[], &output);
            assert_close(&format!("{spec:?}"), &got, &want, 1e-6);
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let window = Window([3, 3], [1, 1], [1, 1], [1, 1, 1, 1]);
    let input = TensorLayout::dense(1, 4, 4, 8, Elem::U8);
    let output = TensorLayout::dense(1, 4, 4, 8, Elem::I32);
    let sum = window.spec(PoolKind::Sum { zero_point: 0 }, input, output, Body::identity());
    assert!(pool::generate(&sum, Width::V256).expect_err("no halo").contains("halo"));
    let integers = PoolSpec { kind: PoolKind::Max, input: TensorLayout { elem: Elem::I32, ..input }, ..sum.clone() };
    assert!(pool::generate(&integers, Width::V256).expect_err("no I32").contains("I32"));
    let outside = Window([2, 2], [1, 1], [1, 1], [2, 2, 0, 0]);
    let output = outside.outputs(shape(&input), Elem::U8).expect("the window fits");
    let outside = outside.spec(PoolKind::Max, input, output, Body::identity());
    assert!(pool::generate(&outside, Width::V256).expect_err("no taps").contains("padding"));
}
