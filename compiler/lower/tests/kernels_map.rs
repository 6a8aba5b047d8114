//! Pointwise kernels: interpreter, machine code and operators agree, over bodies, element types, shapes and layouts.

mod reference;

use qcc_kernel::Width;
use qcc_lower::kernels::body::{Body, Compare, Fn1, Fn2, Node, NodeId, Operand};
use qcc_lower::kernels::layout::{Elem, Halo, TensorLayout};
use qcc_lower::kernels::map::{MapSpec, copy_of, generate};
use qcc_tensor::Tensor;
use reference::{Random, assert_close, assert_same, evaluate, run_widths, shape, widths};

const SHAPES: [[usize; 4]; 14] = [
    [1, 1, 1, 1],
    [1, 1, 1, 15],
    [1, 1, 1, 16],
    [1, 1, 1, 17],
    [1, 1, 7, 3],
    [2, 3, 5, 1],
    [1, 4, 3, 4],
    [2, 3, 2, 16],
    [1, 2, 3, 37],
    [1, 2, 2, 130],
    [1, 1, 1, 9001],
    [1, 3, 31, 67],
    [0, 3, 3, 4],
    [1, 2, 0, 5],
];

const HALO: Halo = Halo { top: 1, left: 2, bottom: 3, right: 1 };

/// The ways a tensor may lie in its buffer.
fn placed(how: usize, l: TensorLayout) -> TensorLayout {
    match how {
        0 => l,
        1 => l.with_halo(HALO),
        2 => TensorLayout { pitch: l.c + 5, first: 3, ..l },
        3 => TensorLayout { pitch: l.c + 16, first: 16, ..l }.with_halo(HALO),
        _ => l.with_halo(Halo { left: 0, right: 0, ..HALO }),
    }
}

fn dense([n, h, w, c]: [usize; 4], elem: Elem) -> TensorLayout {
    TensorLayout::dense(n, h, w, c, elem)
}

/// Runs a body over tensors of random contents and compares it with the operators.
fn check(case: &str, body: &Body, output: TensorLayout, tolerance: Option<f32>) {
    let mut random = Random(output.len() as u64 * 31 + output.pitch as u64);
    let tensors: Vec<(Tensor, TensorLayout)> = body.tensors().map(|l| (random.tensor(l.elem, &shape(l)), *l)).collect();
    let spec = MapSpec { name: case.into(), output, body: body.clone() };
    let generated = widths(|width| generate(&spec, width));
    let operands: Vec<(&Tensor, &TensorLayout)> = tensors.iter().map(|(t, l)| (t, l)).collect();
    let got = run_widths(&generated, &[], &operands, &output);
    let dense: Vec<Tensor> = tensors.into_iter().map(|(t, _)| t).collect();
    let want = evaluate(body, None, &dense, &output);
    let case = format!("{case} {:?}", shape(&output));
    match tolerance {
        None => assert_same(&case, &got, &want),
        Some(tolerance) => assert_close(&case, &got, &want, tolerance),
    }
}

fn channel(c: usize, f: impl Fn(usize) -> f32) -> Operand {
    Operand::ChannelF32((0..c).map(f).collect())
}

fn quantize(body: &mut Body, x: NodeId, scale: f32, zero_point: i32, to: Elem) -> NodeId {
    let scale = body.push(Node::F32(scale));
    body.push(Node::Quantize { x, scale, zero_point, to })
}

fn dequantize(body: &mut Body, q: NodeId, scale: f32, zero_point: i32) -> NodeId {
    let scale = body.push(Node::F32(scale));
    body.push(Node::Dequantize { q, scale, zero_point })
}

#[test]
fn copies_between_layouts() {
    for elem in [Elem::U8, Elem::I8, Elem::I16, Elem::I32, Elem::F32] {
        for dims in SHAPES {
            for (from, to) in [(0, 0), (0, 1), (1, 0), (2, 3), (3, 2), (0, 2), (4, 4)] {
                let output = placed(to, dense(dims, elem));
                check("copy", &copy_of(placed(from, dense(dims, elem))), output, None);
            }
        }
    }
}

#[test]
fn residual_additions() {
    for (elem, to, zero) in [
        (Elem::U8, Elem::U8, 0),
        (Elem::I8, Elem::I8, -128),
        (Elem::U8, Elem::I8, 3),
        (Elem::I16, Elem::I16, -32768),
        (Elem::I16, Elem::U8, 3),
        (Elem::U8, Elem::I16, 0),
    ] {
        for dims in SHAPES {
            for (a, b, y) in [(0, 0, 0), (0, 1, 1), (2, 0, 0), (1, 3, 2)] {
                let mut body = Body::new();
                let p = body.operand(Operand::Tensor(placed(a, dense(dims, elem))));
                let q = body.operand(Operand::Tensor(placed(b, dense(dims, elem))));
                let p = dequantize(&mut body, p, 0.043, if elem == Elem::U8 { 128 } else { -3 });
                let q = dequantize(&mut body, q, 0.11, 0);
                let sum = body.push(Node::Binary(Fn2::Add, p, q));
                let code = quantize(&mut body, sum, 0.07, zero, to);
                let (lo, hi) = to.code_range().expect("a code type");
                body.push(Node::ClipCode { q: code, lo: zero.max(lo), hi: hi - 5 });
                check("residual", &body, placed(y, dense(dims, to)), None);
            }
        }
    }
}

#[test]
fn quantization_of_any_float_by_any_scale() {
    for to in [Elem::U8, Elem::I8, Elem::I16] {
        let (lo, hi) = to.code_range().expect("a code type");
        for zero_point in [lo, hi, 0, 7] {
            for scale in [1.0, 0.25, 0.1, 3.7e-3, 1e-30, 1e30] {
                for clip in [None, Some((lo, hi)), Some((lo + 9, hi)), Some((lo, hi - 9)), Some((3, 5))] {
                    let dims = [1, 1, 7, 53];
                    let mut body = Body::new();
                    let x = body.operand(Operand::Tensor(dense(dims, Elem::F32)));
                    let q = quantize(&mut body, x, scale, zero_point, to);
                    if let Some((lo, hi)) = clip {
                        body.push(Node::ClipCode { q, lo, hi });
                    }
                    check("quantize", &body, dense(dims, to), None);
                    // The same code used as a number must be limited before it is used.
                    let q = body.result;
                    body.push(Node::Binary(Fn2::Add, q, q));
                    check("quantize and add", &body, dense(dims, Elem::I32), None);
                }
            }
        }
    }
}

#[test]
fn requantization_of_any_accumulator() {
    for to in [Elem::U8, Elem::I8, Elem::I16] {
        let (lo, hi) = to.code_range().expect("a code type");
        for zero_point in [lo, hi, 0] {
            for multiplier in [1e-9f32, 3.3e-4, 0.5, 0.98, 1.0, 7.5, 1e30, -0.01] {
                for clip in [None, Some((lo + 9, hi - 9))] {
                    let dims = [1, 3, 5, 21];
                    let mut body = Body::new();
                    let acc = body.operand(Operand::Tensor(dense(dims, Elem::I32)));
                    let bias = body.operand(Operand::ChannelI32((0..21).map(|c| c * 1000 - 9999).collect()));
                    let acc = body.push(Node::Binary(Fn2::Add, acc, bias));
                    let m = body.operand(channel(21, |c| multiplier * (1.0 - c as f32 / 40.0)));
                    let q = body.push(Node::Requantize { acc, multiplier: m, zero_point, to });
                    if let Some((lo, hi)) = clip {
                        body.push(Node::ClipCode { q, lo, hi });
                    }
                    check("requantize", &body, dense(dims, to), None);
                }
            }
        }
    }
}

#[test]
fn requantization_of_any_float() {
    for to in [Elem::U8, Elem::I8, Elem::I16] {
        let (lo, hi) = to.code_range().expect("a code type");
        for zero_point in [lo, hi, 0, 11] {
            for multiplier in [1.0, 0.5, 13.7, 1e-30, 1e30] {
                for clip in [None, Some((lo + 9, hi)), Some((lo, hi - 9))] {
                    let dims = [1, 1, 7, 53];
                    let mut body = Body::new();
                    let acc = body.operand(Operand::Tensor(dense(dims, Elem::F32)));
                    let multiplier = body.push(Node::F32(multiplier));
                    let q = body.push(Node::Requantize { acc, multiplier, zero_point, to });
                    if let Some((lo, hi)) = clip {
                        body.push(Node::ClipCode { q, lo, hi });
                    }
                    check("requantize floats", &body, dense(dims, to), None);
                }
            }
        }
    }
}

#[test]
fn bounded_numbers_round_like_any() {
    // Products near every tie, at the edge of what rounds by an addition, and beyond it.
    for scale in [0.5, 0.25, 1.0 / 3.0, 2.0, 8191.75, 16448.0, 16449.0, 32896.0, 8.3e6, 8.5e6, 1e9] {
        for (zero_point, to) in [(0, Elem::U8), (3, Elem::U8), (-128, Elem::I8), (127, Elem::I8), (0, Elem::I16)] {
            for zero in [0, 1, 128, 255] {
                let dims = [1, 3, 5, 47];
                let mut body = Body::new();
                let q = body.operand(Operand::Tensor(dense(dims, Elem::U8)));
                let acc = dequantize(&mut body, q, scale, zero);
                let multiplier = body.push(Node::F32(1.0));
                body.push(Node::Requantize { acc, multiplier, zero_point, to });
                check("bounded", &body, dense(dims, to), None);
                let small = body.push(Node::F32(0.7));
                body.push(Node::Requantize { acc, multiplier: small, zero_point, to });
                check("bounded and scaled", &body, dense(dims, to), None);
            }
        }
    }
}

#[test]
fn channel_constants_at_every_width() {
    for dims in SHAPES {
        for (from, to) in [(0, 0), (2, 1), (0, 3)] {
            let c = dims[3];
            let mut body = Body::new();
            let x = body.operand(Operand::Tensor(placed(from, dense(dims, Elem::F32))));
            let scale = body.operand(channel(c, |i| 0.5 + i as f32 * 0.01));
            let shift = body.operand(channel(c, |i| i as f32 - 3.0));
            let x = body.push(Node::Binary(Fn2::Mul, x, scale));
            let x = body.push(Node::Binary(Fn2::Add, x, shift));
            let zero = body.push(Node::F32(0.0));
            body.push(Node::Binary(Fn2::Max, zero, x));
            check("scale and shift", &body, placed(to, dense(dims, Elem::F32)), None);
            let x = body.result;
            body.push(Node::Quantize { x, scale, zero_point: 2, to: Elem::U8 });
            check("quantize per channel", &body, placed(to, dense(dims, Elem::U8)), None);
        }
    }
}

#[test]
fn quotients_at_the_borders_of_codes() {
    for (i, scale) in [0.04696691f32, 0.02305645, 0.1, 0.0078125, 3.3e-7, 1.1e20, 1e-30].into_iter().enumerate() {
        let zero_point = [8, 0, 255, 128][i % 4];
        let border = |k: i32| ((f64::from(k) + 0.5) * f64::from(scale)) as f32;
        let near = |x: f32| (-3..=3).map(move |by| f32::from_bits(x.to_bits().wrapping_add_signed(by)));
        let mut x: Vec<f32> = (-260..=260).flat_map(|k| near(border(k))).collect();
        x.extend([f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.0, -0.0, 1e-42, -1e-42]);
        let x = Tensor::new(vec![1, 1, x.len(), 1], x);
        let of = |elem| dense([1, 1, x.elements(), 1], elem);
        let mut body = Body::new();
        let read = body.operand(Operand::Tensor(of(Elem::F32)));
        quantize(&mut body, read, scale, zero_point, Elem::U8);
        let spec = MapSpec { name: "borders".into(), output: of(Elem::U8), body: body.clone() };
        let generated = widths(|width| generate(&spec, width));
        let got = run_widths(&generated, &[], &[(&x, &of(Elem::F32))], &spec.output);
        assert_same(&format!("{scale}"), &got, &evaluate(&body, None, std::slice::from_ref(&x), &spec.output));
    }
}

#[test]
fn tables_of_codes() {
    let table = |by: usize| (0..256).map(|i| (i * by + 11) as u8).collect::<Vec<u8>>();
    for from in [Elem::U8, Elem::I8] {
        for dims in SHAPES {
            for how in 0..4 {
                let mut body = Body::new();
                let q = body.operand(Operand::Tensor(placed(how, dense(dims, from))));
                let (lo, hi) = from.code_range().expect("a code type");
                let q = body.push(Node::ClipCode { q, lo: lo + 20, hi });
                let q = body.push(Node::Lookup { q, table: table(7), to: Elem::I8 });
                let q = body.push(Node::ClipCode { q, lo: -100, hi: 90 });
                body.push(Node::Lookup { q, table: table(13), to: Elem::U8 });
                check("tables", &body, dense(dims, Elem::U8), None);
                let q = body.result;
                dequantize(&mut body, q, 0.3, 17);
                check("table as number", &body, dense(dims, Elem::F32), None);
            }
        }
    }
}

#[test]
fn operands_that_broadcast() {
    for dims in SHAPES {
        let [n, h, w, c] = dims;
        for small in [[n, 1, 1, c], [1, 1, 1, c], [n, h, w, 1], [1, 1, 1, 1], [1, h, 1, c], [n, 1, w, 1]] {
            if n * h * w == 0 {
                continue;
            }
            for (elem, how) in [(Elem::U8, 0), (Elem::I8, 2), (Elem::U8, 1), (Elem::I16, 2)] {
                let mut body = Body::new();
                let x = body.operand(Operand::Tensor(placed(how, dense(dims, elem))));
                let s = body.operand(Operand::Tensor(dense(small, elem)));
                let x = dequantize(&mut body, x, 0.02, 9);
                let s = dequantize(&mut body, s, 1.0 / 256.0, 0);
                let x = body.push(Node::Binary(Fn2::Mul, x, s));
                quantize(&mut body, x, 0.03, 1, elem);
                check(&format!("gate {small:?}"), &body, dense(dims, elem), None);
            }
            let mut body = Body::new();
            let x = body.operand(Operand::Tensor(dense(small, Elem::F32)));
            let s = body.operand(Operand::Tensor(dense(dims, Elem::F32)));
            body.push(Node::Binary(Fn2::Sub, x, s));
            check(&format!("subtract from {small:?}"), &body, placed(1, dense(dims, Elem::F32)), None);
        }
    }
}

#[test]
fn selections_and_integers() {
    for compare in [Compare::Eq, Compare::Gt, Compare::Ge] {
        for dims in SHAPES {
            let mut body = Body::new();
            let p = body.operand(Operand::Tensor(dense(dims, Elem::U8)));
            let q = body.operand(Operand::Tensor(dense(dims, Elem::U8)));
            let code = body.push(Node::Select { compare, x: p, y: q, a: q, b: p });
            check("select codes", &body, dense(dims, Elem::U8), None);
            body.push(Node::ClipCode { q: code, lo: 10, hi: 200 });
            check("select and clip codes", &body, dense(dims, Elem::U8), None);
            let seven = body.push(Node::I32(-7));
            let product = body.push(Node::Binary(Fn2::Mul, p, seven));
            let less = body.push(Node::Binary(Fn2::Min, product, q));
            let less = body.push(Node::Unary(Fn1::Abs, less));
            let picked = body.push(Node::Select { compare, x: less, y: q, a: less, b: product });
            check("select integers", &body, dense(dims, Elem::I32), None);
            let real = body.push(Node::ToF32(picked));
            let half = body.push(Node::F32(0.5));
            let real = body.push(Node::Binary(Fn2::Mul, real, half));
            let whole = body.push(Node::ToI32(real));
            let real = body.push(Node::ToF32(whole));
            body.push(Node::Select { compare, x: real, y: half, a: real, b: half });
            check("select floats", &body, dense(dims, Elem::F32), None);
            let test = body.push(Node::Test { compare, x: real, y: half });
            check("test floats", &body, dense(dims, Elem::U8), None);
            let test = body.push(Node::Test { compare, x: test, y: q });
            body.push(Node::ToF32(test));
            check("test codes", &body, dense(dims, Elem::F32), None);
        }
    }
}

#[test]
fn functions() {
    let exact = [Fn1::Neg, Fn1::Abs, Fn1::Floor, Fn1::Ceil, Fn1::Round, Fn1::Sqrt];
    let near = [Fn1::Exp, Fn1::Tanh, Fn1::Sigmoid, Fn1::Erf];
    for dims in [[1, 1, 1, 1], [1, 2, 3, 37], [1, 1, 1, 9001]] {
        for f in exact.into_iter().chain(near) {
            let mut body = Body::new();
            let q = body.operand(Operand::Tensor(dense(dims, Elem::U8)));
            let zero_point = if f == Fn1::Sqrt { 0 } else { 100 };
            let x = dequantize(&mut body, q, 0.037, zero_point);
            body.push(Node::Unary(f, x));
            check(&format!("{f:?}"), &body, dense(dims, Elem::F32), near.contains(&f).then_some(1e-6));
        }
    }
}

#[test]
fn bodies_that_do_not_fit_are_refused() {
    let wide = dense([1, 2, 3, 4], Elem::U8);
    let refuse = |body: Body, output: TensorLayout| {
        let spec = MapSpec { name: "refused".into(), output, body };
        generate(&spec, Width::V256).expect_err("the body does not fit")
    };
    let messages = [
        refuse(copy_of(wide), dense([1, 2, 3, 4], Elem::I8)),
        refuse(copy_of(wide), dense([1, 2, 3, 5], Elem::U8)),
        refuse(Body::identity(), wide),
    ];
    let wanted = ["the output holds I8", "does not broadcast", "no core"];
    for (message, wanted) in messages.iter().zip(wanted) {
        assert!(message.contains(wanted), "{message}");
    }
    let mut body = copy_of(dense([1, 2, 3, 4], Elem::F32));
    let s = body.operand(channel(3, |_| 1.0));
    body.push(Node::Binary(Fn2::Mul, NodeId(0), s));
    assert!(refuse(body, dense([1, 2, 3, 4], Elem::F32)).contains("3 channel constants"));
}
