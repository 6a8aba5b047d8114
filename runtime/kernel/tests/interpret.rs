//! The interpreter on small kernels, and the verifier on broken ones.

use qcc_kernel::{BinOp, BufferKind, Kernel, KernelBuilder, Lane, UnOp, Value, interpret, math, verify};

#[test]
fn a_loop_sums_rows() {
    let mut b = KernelBuilder::new("sum", 3);
    let (x, y) = (b.input("x", 3 * 64), b.output("y", 3 * 16));
    let row = b.mul(b.task(), 64);
    let zero = b.splat_i32(0);
    let sum = b.loop_carried(4, 16, &[zero], |b, at, sum| {
        let at = b.index_add(row, at);
        let v = b.load(Lane::I32, 16, x.at(at, 0));
        vec![b.binary(BinOp::Add, sum[0], v)]
    });
    let to = b.mul(b.task(), 16);
    b.store(y.at(to, 0), 16, sum[0]);
    let kernel = b.finish();
    verify(&kernel).unwrap();
    let mut x: Vec<u8> = (0..48i32).flat_map(|i| i.to_le_bytes()).collect();
    let mut y = vec![0u8; 48];
    interpret(&kernel, &mut [&mut x, &mut y], 0, 3).unwrap();
    let got: Vec<i32> = y.chunks(4).map(|c| i32::from_le_bytes(c.try_into().unwrap())).collect();
    let want: Vec<i32> = (0..3).flat_map(|r| (0..4).map(move |l| (0..4).map(|k| r * 16 + k * 4 + l).sum())).collect();
    assert_eq!(got, want);
}

#[test]
fn an_address_outside_its_buffer_is_rejected_statically() {
    let mut b = KernelBuilder::new("outside", 3);
    let (x, y) = (b.input("x", 47), b.output("y", 48));
    let at = b.mul(b.task(), 16);
    let v = b.load(Lane::I32, 16, x.at(at, 0));
    b.store(y.at(at, 0), 16, v);
    let what = verify(&b.finish()).unwrap_err().what;
    assert!(what.contains("leave buffer x of 47 bytes"), "{what}");
}

#[test]
fn a_branch_narrows_the_range_of_its_scalar() {
    let mut b = KernelBuilder::new("tail", 3);
    let y = b.output("y", 40);
    let v = b.splat_i32(1);
    b.if_less(
        b.task(),
        2,
        |b| {
            let at = b.mul(b.task(), 16);
            b.store(y.at(at, 0), 16, v);
        },
        |b| b.store(y.fixed(32), 8, v),
    );
    verify(&b.finish()).unwrap();
}

#[test]
fn a_value_is_invisible_outside_its_loop() {
    let mut b = KernelBuilder::new("scope", 1);
    let y = b.buffer("y", 16, BufferKind::Out);
    let mut inner = None;
    b.loop_(2, 1, |b, _| inner = Some(b.splat_i32(1)));
    b.store(y.fixed(0), 16, inner.unwrap());
    let what = verify(&b.finish()).unwrap_err().what;
    assert!(what.contains("not defined here"), "{what}");
}

#[test]
fn stores_to_inputs_are_rejected() {
    let mut b = KernelBuilder::new("readonly", 1);
    let x = b.input("x", 16);
    let v = b.splat_i32(1);
    b.store(x.fixed(0), 16, v);
    let what = verify(&b.finish()).unwrap_err().what;
    assert!(what.contains("kind In"), "{what}");
}

#[test]
fn partial_stores_and_loads_move_exactly_their_bytes() {
    for n in 0..=16usize {
        let mut b = KernelBuilder::new("partial", 1);
        let (x, y) = (b.input("x", n), b.output("y", n));
        let v = b.load_partial(Lane::I8, n, x.fixed(0));
        b.store_partial(y.fixed(0), n, v);
        let kernel = b.finish();
        verify(&kernel).unwrap();
        let mut x: Vec<u8> = (1..=n as u8).collect();
        let mut y = vec![0; n];
        interpret(&kernel, &mut [&mut x, &mut y], 0, 1).unwrap();
        assert_eq!(x, y);
    }
}

#[test]
fn a_branch_and_a_loop_print_readably() {
    let mut b = KernelBuilder::new("text", 2);
    let (x, y) = (b.input("x", 64), b.output("y", 64));
    b.loop_(2, 16, |b, at| {
        let v = b.load(Lane::F32, 16, x.at(at, 16));
        let v = b.unary(UnOp::Sqrt, v);
        b.store(y.at(at, 0), 16, v);
    });
    let text = b.finish().to_string();
    assert_eq!(
        text,
        "kernel text tasks 2 {\n  b0: In x bytes 64 align 64\n  b1: Out y bytes 64 align 64\n  task v0\n  \
         loop v1 in 0..2 step 16 {\n    v2 = load16 [b0 + v1 + 16] : f32\n    v3 = sqrt v2 : f32\n    \
         store16 [b1 + v1], v3\n  }\n}\n"
    );
}

#[test]
fn transcendental_functions_keep_their_stated_errors() {
    type Expand = fn(&mut KernelBuilder, Value) -> Value;
    type Reference = fn(f64) -> f64;
    let cases: [(&str, Expand, Reference, f64, f64); 4] = [
        ("exp", math::exp, f64::exp, 1.7e-38, 2.0),
        ("sigmoid", math::sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 2e-7, 0.0),
        ("tanh", math::tanh, f64::tanh, 3e-7, 0.0),
        ("erf", math::erf, erf64, 0.0, 2.0),
    ];
    let steps = (-9000..9000).map(|i| i as f32 * 0.01);
    let small = (0..300).flat_map(|i| [1.0, -1.0].map(|sign| sign * (-0.1 * i as f32).exp2()));
    let all: Vec<f32> = steps.chain(small).collect();
    for (name, expand, reference, absolute, ulps) in cases {
        let kernel = unary_kernel(expand);
        for &x in &all {
            let got = f64::from(run1(&kernel, x));
            let want = reference(f64::from(x));
            let allowed = absolute + ulps * f64::from(f32::EPSILON) * want.abs();
            let rounds_to_infinity = got == f64::INFINITY && want > f64::from(f32::MAX) * (1.0 - 2e-7);
            assert!((got - want).abs() <= allowed || rounds_to_infinity, "{name}({x}) = {got}, expected {want}");
        }
    }
}

#[test]
fn transcendental_functions_know_infinity_and_what_is_no_number() {
    type Expand = fn(&mut KernelBuilder, Value) -> Value;
    let cases: [(&str, Expand, f32, f32); 4] = [
        ("exp", math::exp, 0.0, f32::INFINITY),
        ("sigmoid", math::sigmoid, 0.0, 1.0),
        ("tanh", math::tanh, -1.0, 1.0),
        ("erf", math::erf, -1.0, 1.0),
    ];
    for (name, expand, lowest, highest) in cases {
        let kernel = unary_kernel(expand);
        for (far, limit) in [(1e30, highest), (f32::INFINITY, highest), (-1e30, lowest), (f32::NEG_INFINITY, lowest)] {
            assert_eq!(run1(&kernel, far), limit, "{name}({far})");
        }
        assert!(run1(&kernel, f32::NAN).is_nan(), "{name} of NaN");
    }
}

fn unary_kernel(expand: fn(&mut KernelBuilder, Value) -> Value) -> Kernel {
    let mut b = KernelBuilder::new("unary", 1);
    let (x, y) = (b.input("x", 16), b.output("y", 16));
    let v = b.load(Lane::F32, 16, x.fixed(0));
    let v = expand(&mut b, v);
    b.store(y.fixed(0), 16, v);
    let kernel = b.finish();
    verify(&kernel).unwrap();
    kernel
}

fn run1(kernel: &Kernel, x: f32) -> f32 {
    let mut input: Vec<u8> = x.to_le_bytes().repeat(4);
    let mut output = vec![0u8; 16];
    interpret(kernel, &mut [&mut input, &mut output], 0, 1).unwrap();
    f32::from_le_bytes(output[..4].try_into().unwrap())
}

/// Maclaurin series; beyond 4.2 the difference from one is below 3e-9.
fn erf64(x: f64) -> f64 {
    if x.abs() > 4.2 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / n as f64;
        sum += term / (2 * n + 1) as f64;
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}
