//! Convolution kernels: interpreter and compiled code equal the reference evaluation bit for bit, write nothing but their
//! output, and do not care in which order tasks run.
#![allow(unsafe_code, reason = "compiled kernels are called")]

mod convolution;

use convolution::{Case, Epilogue, Pattern, Problem, TARGETS, buffers, places, problem, table};
use qcc_jit::{CpuFeatures, compile};
use qcc_kernel::{interpret, verify};
use qcc_lower::kernels::body::{Body, Operand};
use qcc_lower::kernels::conv::{ConvSpec, MatMulSpec, Target, conv, conv_for, matmul_for};
use qcc_lower::kernels::layout::{Elem, TensorLayout};
use qcc_lower::kernels::{Arg, Generated, winograd};
use qcc_ops::{AttrValue, Attrs, find_in};
use qcc_tensor::Tensor;

/// Accumulators by the reference evaluation of `IConv`, channels last.
fn reference(p: &Problem) -> Vec<i32> {
    let spec = &p.spec;
    let (x, y) = (&spec.input, &spec.output);
    let tensor = |shape: Vec<usize>, elem: Elem, values: Vec<i32>| match elem {
        Elem::I16 => Tensor::new(shape, values.into_iter().map(|v| v as i16).collect()),
        Elem::I8 => Tensor::new(shape, values.into_iter().map(|v| v as i8).collect()),
        _ => Tensor::new(shape, values.into_iter().map(|v| v as u8).collect()),
    };
    let w_signed = spec.weights.iter().any(|w| *w < 0) || spec.weight_zero == [0];
    let w_elem = if w_signed { Elem::I8 } else { Elem::U8 };
    let codes = tensor(vec![x.n, x.h, x.w, x.c], x.elem, p.codes.clone());
    let shape = vec![y.c, x.c / spec.group, spec.kernel[0], spec.kernel[1]];
    let weights = tensor(shape, w_elem, spec.weights.iter().map(|&w| i32::from(w)).collect());
    let x_zero = tensor(vec![], x.elem, vec![spec.input_zero]);
    let w_zero = tensor(vec![spec.weight_zero.len()], w_elem, spec.weight_zero.clone());
    let bias = Tensor::new([y.c], spec.bias.clone());
    let ints = |values: &[usize]| AttrValue::Ints(values.iter().map(|&v| v as i64).collect());
    let attrs = Attrs::new()
        .with("dilations", ints(&spec.dilations))
        .with("group", AttrValue::Int(spec.group as i64))
        .with("layout", AttrValue::Str("NHWC".into()))
        .with("pads", ints(&spec.pads))
        .with("strides", ints(&spec.strides));
    let op = find_in("qcc", "IConv").unwrap();
    let inputs = [Some(&codes), Some(&weights), Some(&x_zero), Some(&w_zero), Some(&bias)];
    let acc = op.eval(&inputs, &attrs, 1).unwrap().remove(0);
    assert_eq!(acc.shape(), [y.n, y.h, y.w, y.c]);
    acc.slice::<i32>().to_vec()
}

/// What the body makes of accumulator `i`.
fn expected(p: &Problem, epilogue: Epilogue, acc: i32, i: usize) -> i32 {
    let requantize = |x: f32, zero: i32, to: Elem| {
        let (lo, hi) = to.code_range().unwrap();
        ((x.round_ties_even() as i64) + i64::from(zero)).clamp(lo.into(), hi.into()) as i32
    };
    match epilogue {
        Epilogue::Raw => acc,
        Epilogue::Codes(to) => {
            let Operand::ChannelF32(m) = &p.spec.body.operands[0] else { panic!("the body has multipliers") };
            requantize(acc as f32 * m[i % p.spec.output.c], 3, to)
        }
        Epilogue::Residual | Epilogue::Tables => {
            let look_up = |q: i32, factor| match epilogue {
                Epilogue::Tables => i32::from(table(factor)[q as usize]),
                _ => q,
            };
            let q = look_up(requantize(acc as f32 / 1024.0, 100, Elem::U8), 7);
            look_up(requantize((q + p.other[i]) as f32 * 0.5, 0, Elem::U8), 13)
        }
    }
}

fn check(case: &Case) {
    let p = problem(case);
    for target in TARGETS {
        let generated = conv_for(&p.spec, target).unwrap_or_else(|why| panic!("{case:?}: {why}"));
        check_generated(case, &p, &generated);
    }
}

fn check_generated(case: &Case, p: &Problem, generated: &Generated) {
    let kernel = &generated.kernel;
    verify(kernel).unwrap_or_else(|e| panic!("{case:?}: {e}"));
    let tasks = u64::from(kernel.tasks);
    let output = generated.args.iter().position(|a| *a == Arg::Output).unwrap();
    let layout = &p.spec.output;
    let mut wanted = vec![0xcd; layout.bytes()];
    for ((i, acc), at) in reference(p).into_iter().enumerate().zip(places(layout)) {
        let value = expected(p, case.epilogue, acc, i);
        let n = layout.elem.bytes();
        wanted[at..at + n].copy_from_slice(&value.to_le_bytes()[..n]);
    }
    let mut interpreted = buffers(p, generated);
    let mut slices: Vec<&mut [u8]> = interpreted.iter_mut().map(Vec::as_mut_slice).collect();
    interpret(kernel, &mut slices, 0, tasks).unwrap_or_else(|e| panic!("{case:?}: {e}"));
    assert!(
        interpreted[output] == wanted,
        "interpreter, {case:?}\n{}",
        difference(layout, &interpreted[output], &wanted)
    );
    for features in [CpuFeatures::detect(), CpuFeatures::baseline()] {
        let module = compile(std::slice::from_ref(kernel), &features).unwrap();
        let mut compiled = buffers(p, generated);
        let pointers: Vec<*mut u8> = compiled.iter_mut().map(|b| b.as_mut_ptr()).collect();
        for task in (0..tasks).rev() {
            // SAFETY: one buffer of the declared size per declaration; tasks run one by one.
            unsafe { module.entry(0).call(&pointers, task, task + 1) };
        }
        assert!(compiled[output] == wanted, "compiled, {case:?}\n{}", difference(layout, &compiled[output], &wanted));
    }
}

fn difference(layout: &TensorLayout, got: &[u8], wanted: &[u8]) -> String {
    let n = layout.elem.bytes();
    let wrong: Vec<usize> = (0..places(layout).len())
        .filter(|&i| (0..n).any(|j| got[places(layout)[i] + j] != wanted[places(layout)[i] + j]))
        .collect();
    format!("{} of {} elements differ, first {:?}", wrong.len(), layout.len(), &wrong[..wrong.len().min(12)])
}

const COUNTS: [usize; 12] = [1, 3, 4, 7, 8, 15, 16, 17, 24, 32, 33, 72];

#[test]
fn every_number_of_channels() {
    for inputs in COUNTS {
        for outputs in COUNTS {
            check(&Case { epilogue: Epilogue::Codes(Elem::U8), ..Case::new(5, inputs, outputs, 1) });
            check(&Case::new(4, inputs, outputs, 3));
        }
        check(&Case { epilogue: Epilogue::Tables, ..Case::new(5, 9, inputs, 1) });
    }
}

#[test]
fn so_few_pixels_that_weights_are_bytes() {
    for (pixels, outputs) in (1..=13).zip([5, 8, 9, 16, 17, 32, 33].into_iter().cycle()) {
        let case = Case { size: [1, pixels], ..Case::new(1, 37, outputs, 1) };
        check(&case);
        check(&Case { pattern: Pattern::Highest, largest: 127, epilogue: Epilogue::Codes(Elem::U8), ..case.clone() });
        check(&Case { elem: Elem::I8, signed_weights: false, ..case });
    }
    check(&Case { size: [2, 2], images: 2, ..Case::new(2, 20, 40, 3) });
    check(&Case { epilogue: Epilogue::Tables, ..Case::new(7, 1152, 20, 1) });
}

#[test]
fn strides_pads_and_dilations() {
    for (kernel, stride, dilation, pad) in [
        ([3, 3], [2, 2], [1, 1], [1, 1, 1, 1]),
        ([3, 3], [2, 2], [1, 1], [0, 0, 1, 1]),
        ([3, 3], [1, 1], [2, 2], [2, 2, 2, 2]),
        ([3, 3], [1, 2], [3, 1], [3, 0, 1, 2]),
        ([5, 5], [1, 1], [1, 1], [2, 2, 2, 2]),
        ([7, 7], [2, 2], [1, 1], [3, 3, 3, 3]),
        ([1, 1], [2, 2], [1, 1], [0, 0, 0, 0]),
        ([1, 1], [1, 1], [1, 1], [1, 0, 0, 1]),
        ([1, 3], [1, 1], [1, 1], [0, 1, 0, 1]),
        ([3, 1], [1, 3], [1, 1], [1, 0, 1, 0]),
        ([2, 4], [3, 2], [1, 2], [1, 3, 0, 2]),
    ] {
        for [inputs, outputs] in [[3, 8], [8, 20], [16, 5], [40, 16]] {
            for margin in [0, 3] {
                let case = Case {
                    strides: stride,
                    dilations: dilation,
                    kernel,
                    pads: pad,
                    margin,
                    ..Case::new(9, inputs, outputs, 1)
                };
                check(&case);
            }
        }
    }
}

#[test]
fn groups() {
    for (inputs, outputs, group) in
        [(4, 4, 2), (8, 8, 2), (6, 12, 3), (12, 6, 3), (32, 48, 2), (2, 40, 2), (9, 27, 9), (4, 82, 2)]
    {
        for kernel in [1, 3] {
            check(&Case { group, ..Case::new(6, inputs, outputs, kernel) });
            check(&Case {
                group,
                margin: 2,
                epilogue: Epilogue::Codes(Elem::I8),
                ..Case::new(5, inputs, outputs, kernel)
            });
        }
    }
}

#[test]
fn depthwise() {
    for channels in [2, 3, 4, 7, 8, 15, 16, 17, 24, 32, 33, 40, 70] {
        for (kernel, stride, dilation) in [(3, 1, 1), (3, 2, 1), (5, 1, 1), (5, 2, 1), (3, 1, 2), (1, 1, 1), (7, 1, 1)]
        {
            let bodies = [Epilogue::Raw, Epilogue::Codes(Elem::U8), Epilogue::Residual, Epilogue::Tables];
            for (margin, epilogue) in [0, 1, 0, 1].into_iter().zip(bodies) {
                let case = Case::new(9, channels, channels, kernel);
                let pads = [kernel / 2 * dilation; 4];
                check(&Case {
                    group: channels,
                    strides: [stride; 2],
                    dilations: [dilation; 2],
                    pads,
                    margin,
                    epilogue,
                    ..case
                });
            }
        }
    }
}

#[test]
fn depthwise_windows_of_all_shapes() {
    for channels in [16, 48] {
        for kernel in [[1, 1], [1, 2], [1, 5], [2, 1], [2, 2], [4, 1], [3, 4], [4, 3]] {
            for stride in [1, 2, 3] {
                for dilation in [1, 2] {
                    for size in [[9, 9], [9, 12]] {
                        check(&Case {
                            group: channels,
                            size,
                            kernel,
                            strides: [stride; 2],
                            dilations: [1, dilation],
                            pads: [1; 4],
                            ..Case::new(9, channels, channels, 1)
                        });
                    }
                }
            }
        }
    }
}

#[test]
fn codes_of_every_sign_at_their_extremes() {
    for elem in [Elem::U8, Elem::I8] {
        for signed_weights in [true, false] {
            for pattern in [Pattern::Random, Pattern::Lowest, Pattern::Highest, Pattern::Alternating] {
                for (kernel, group, largest) in
                    [(1, 1, 127), (3, 1, 127), (3, 24, 127), (3, 1, 60), (3, 24, 60), (3, 1, 20)]
                {
                    let outputs = if group == 1 { 52 } else { 24 };
                    let case =
                        Case { elem, signed_weights, pattern, group, largest, ..Case::new(5, 24, outputs, kernel) };
                    check(&case);
                    let (lowest, _) = elem.code_range().unwrap();
                    check(&Case { range: Some((lowest, lowest + 127)), ..case.clone() });
                    check(&Case { range: Some((lowest + 100, lowest + 140)), ..case });
                }
            }
        }
    }
}

#[test]
fn blocks_of_zeros() {
    for one_block_of in [2, 9, u64::MAX] {
        for [inputs, outputs] in [[24, 52], [40, 33], [64, 64], [16, 8], [70, 3]] {
            for kernel in [1, 3] {
                let case = Case { one_block_of, ..Case::new(7, inputs, outputs, kernel) };
                check(&Case { pattern: Pattern::Highest, ..case.clone() });
                check(&Case { elem: Elem::I8, epilogue: Epilogue::Codes(Elem::I8), margin: 1, ..case.clone() });
                check(&Case { signed_weights: false, ..case });
            }
        }
        check(&Case { one_block_of, group: 2, ..Case::new(6, 32, 64, 3) });
        check(&Case { one_block_of, ..Case::new(13, 64, 176, 1) });
    }
}

#[test]
fn codes_of_16_bits() {
    let wide = |size, inputs, outputs, kernel| Case { elem: Elem::I16, ..Case::new(size, inputs, outputs, kernel) };
    for inputs in COUNTS {
        for outputs in COUNTS {
            check(&Case { epilogue: Epilogue::Codes(Elem::I16), ..wide(5, inputs, outputs, 1) });
            check(&wide(4, inputs, outputs, 3));
        }
    }
    for pattern in [Pattern::Random, Pattern::Lowest, Pattern::Highest, Pattern::Alternating] {
        for epilogue in [Epilogue::Raw, Epilogue::Codes(Elem::U8), Epilogue::Codes(Elem::I16), Epilogue::Residual] {
            for signed_weights in [true, false] {
                for (margin, images) in [(0, 1), (3, 2)] {
                    check(&Case { pattern, epilogue, signed_weights, margin, images, ..wide(5, 24, 37, 3) });
                }
            }
        }
    }
    for (kernel, strides, dilations) in [([3, 3], [2, 2], [1, 1]), ([3, 3], [1, 1], [2, 2]), ([2, 4], [3, 2], [1, 2])] {
        for inputs in [1, 3, 40] {
            check(&Case { kernel, strides, dilations, pads: [2, 3, 1, 0], margin: 1, ..wide(9, inputs, 20, 1) });
        }
    }
    check(&Case { epilogue: Epilogue::Codes(Elem::I16), ..wide(17, 96, 72, 1) });
    check(&Case { size: [2, 3], ..wide(1, 200, 264, 3) });
}

#[test]
fn images_bodies_and_layouts() {
    let codes = [Epilogue::Codes(Elem::U8), Epilogue::Codes(Elem::I8)];
    for epilogue in [Epilogue::Raw, Epilogue::Residual, Epilogue::Tables].into_iter().chain(codes) {
        for margin in [0, 1, 5] {
            for images in [1, 3] {
                for (kernel, outputs) in [(1, 16), (3, 21), (1, 33)] {
                    check(&Case { images, margin, epilogue, ..Case::new(5, 12, outputs, kernel) });
                }
            }
        }
    }
}

#[test]
fn large_enough_to_be_split() {
    check(&Case { epilogue: Epilogue::Codes(Elem::U8), ..Case::new(13, 64, 176, 1) });
    check(&Case { epilogue: Epilogue::Codes(Elem::U8), ..Case::new(17, 96, 72, 1) });
    check(&Case { epilogue: Epilogue::Residual, ..Case::new(12, 48, 88, 3) });
    check(&Case { size: [1, 1], ..Case::new(1, 700, 490, 1) });
    check(&Case { size: [2, 3], ..Case::new(1, 200, 264, 3) });
    // Rows so long that a task copies one at a time.
    check(&Case { size: [192, 600], margin: 1, epilogue: Epilogue::Codes(Elem::U8), ..Case::new(1, 40, 5, 1) });
}

#[test]
fn so_many_pixels_that_weights_are_wide() {
    for outputs in [5, 16, 24, 33] {
        check(&Case { epilogue: Epilogue::Tables, ..Case::new(17, 38, outputs, 1) });
        check(&Case { pads: [1; 4], epilogue: Epilogue::Codes(Elem::I8), ..Case::new(17, 11, outputs, 3) });
    }
    check(&Case { size: [3, 90], ..Case::new(1, 900, 20, 1) });
}

#[test]
fn matrix_products() {
    for (m, k, n) in [(1, 1, 1), (1, 64, 10), (7, 13, 5), (197, 48, 40), (131, 7, 17), (64, 100, 32)] {
        let case = Case { size: [1, m], ..Case::new(1, k, n, 1) };
        let p = problem(&case);
        let weights = (0..k * n).map(|i| p.spec.weights[i % n * k + i / n]).collect();
        let spec = MatMulSpec {
            input: TensorLayout::matrix(m, k, Elem::U8),
            output: TensorLayout::matrix(m, n, Elem::I32),
            weights,
            input_zero: p.spec.input_zero,
            weight_zero: p.spec.weight_zero.clone(),
            bias: p.spec.bias.clone(),
            input_range: (0, 255),
            body: Body::identity(),
        };
        for target in TARGETS {
            check_generated(&case, &p, &matmul_for(&spec, target).unwrap());
        }
    }
}

#[test]
fn what_cannot_be_computed_is_refused() {
    let spec = problem(&Case::new(5, 4, 4, 3)).spec;
    let refused = |change: fn(&mut ConvSpec)| {
        let mut spec = spec.clone();
        change(&mut spec);
        conv(&spec).map(|_| ()).unwrap_err()
    };
    let reasons = [
        refused(|s| s.input.halo.top = 0),
        refused(|s| s.input.halo.right = 0),
        refused(|s| s.input.elem = Elem::F32),
        refused(|s| s.weights.truncate(9)),
        refused(|s| s.bias.truncate(1)),
        refused(|s| s.weight_zero = vec![1, 2]),
        refused(|s| s.group = 3),
        refused(|s| s.output.h = 9),
        refused(|s| s.strides = [0, 1]),
        refused(|s| s.weights[0] = 300),
        refused(|s| s.output.elem = Elem::U8),
        refused(|s| s.input_range = (0, 256)),
        refused(|s| (s.input.elem, s.input_zero) = (Elem::I16, 3)),
        refused(|s| (s.input.elem, s.input_zero, s.group, s.weights) = (Elem::I16, 0, 4, vec![1; 36])),
    ];
    insta::assert_snapshot!(reasons.join("\n"));
}

/// The same result in tiles of 2x2 outputs.
fn check_tiled(case: &Case) {
    let p = problem(case);
    for target in TARGETS {
        let generated = winograd::generate(&p.spec, target).unwrap_or_else(|why| panic!("{case:?}: {why}"));
        check_generated(case, &p, &generated);
    }
}

#[test]
fn tiles_of_outputs_equal_the_reference_at_all_sizes() {
    for size in [2, 3, 4, 5, 7, 10, 17] {
        for (inputs, outputs) in [(1, 1), (3, 9), (16, 16), (17, 24), (8, 40), (33, 17)] {
            check_tiled(&Case { epilogue: Epilogue::Codes(Elem::U8), ..Case::new(size, inputs, outputs, 3) });
        }
    }
    check_tiled(&Case { size: [24, 24], channels: [64, 64], ..Case::new(8, 64, 64, 3) });
    check_tiled(&Case { size: [9, 34], channels: [70, 48], ..Case::new(8, 64, 64, 3) });
}

#[test]
fn tiles_of_outputs_equal_the_reference_for_all_pads_layouts_and_types() {
    let case = Case::new(6, 18, 20, 3);
    for pads in [[0; 4], [1, 0, 0, 2], [2, 2, 1, 1], [0, 1, 1, 0]] {
        for (images, margin) in [(1, 0), (2, 0), (3, 2)] {
            for elem in [Elem::U8, Elem::I8] {
                let epilogue = [Epilogue::Raw, Epilogue::Codes(Elem::I8), Epilogue::Residual][images - 1];
                check_tiled(&Case { pads, images, margin, elem, epilogue, ..case.clone() });
            }
        }
    }
    for (size, images) in [([12, 5], 2), ([5, 12], 3)] {
        check_tiled(&Case { size, images, epilogue: Epilogue::Tables, ..case.clone() });
    }
}

#[test]
fn tiles_of_outputs_are_exact_for_extreme_codes_and_weights() {
    for pattern in [Pattern::Lowest, Pattern::Highest, Pattern::Alternating] {
        for elem in [Elem::U8, Elem::I8] {
            check_tiled(&Case { pattern, elem, ..Case::new(6, 64, 16, 3) });
            check_tiled(&Case { pattern, elem, signed_weights: false, largest: 120, ..Case::new(5, 20, 16, 3) });
        }
    }
}

#[test]
fn what_tiles_cannot_compute_is_refused() {
    let why = |case: &Case| winograd::generate(&problem(case).spec, Target::default()).expect_err("it is refused");
    let case = Case::new(6, 4, 4, 3);
    insta::assert_snapshot!(why(&Case { strides: [2; 2], ..case.clone() }), @"windows other than 3x3 taps at every pixel");
    insta::assert_snapshot!(why(&Case { group: 2, ..case.clone() }), @"windows other than 3x3 taps at every pixel");
    insta::assert_snapshot!(why(&Case::new(6, 4, 4, 5)), @"windows other than 3x3 taps at every pixel");
    insta::assert_snapshot!(why(&Case { pads: [0; 4], ..Case::new(3, 4, 4, 3) }), @"fewer outputs than a tile has");
    let mut large = problem(&Case::new(6, 1900, 4, 3)).spec;
    large.weights.fill(127);
    insta::assert_snapshot!(
        winograd::generate(&large, Target::default()).expect_err("it is refused"),
        @"sums that may leave 32 bits when they are four times as large"
    );
}
