//! Programs run the same on both engines, at every thread count, and after a trip through a file.

mod build;

use build::{Builder, reference_program};
use bytes::Bytes;
use qcc_kernel::program::{Action, BufferId, Gemm, Im2Col, Limits, Matrix, Program};
use qcc_kernel::{BinOp, BufferKind, Kernel, KernelBuilder, Lane};
use qcc_session::{Engine, Options, Session, SessionError, artifact};
use qcc_tensor::{DType, Tensor, TensorType};
use std::sync::Arc;

/// Nothing here is large.
const LIMITS: Limits = Limits { memory: 1 << 20, work: 1 << 30, instructions: 1 << 10 };

fn floats(shape: &[usize], f: impl Fn(usize) -> f32) -> Tensor {
    let n: usize = shape.iter().product();
    Tensor::new(shape.iter().copied(), (0..n).map(f).collect())
}

fn outputs(program: &Arc<Program>, engine: Engine, threads: usize, inputs: &[Tensor]) -> Vec<Tensor> {
    let mut session = Session::new(Arc::clone(program), &Options { threads, engine, ..Default::default() })
        .expect("the program is sound");
    let first = session.run(inputs).expect("it runs");
    assert_eq!(session.run(inputs).expect("it runs again"), first, "a second run gives the same");
    let (profiled, times) = session.run_profiled(inputs).expect("it runs profiled");
    assert_eq!(profiled, first);
    assert_eq!(times.len(), program.steps.len());
    first
}

/// `y = x + x` over 16 bytes a task, through scratch memory that all threads would share if it were one buffer.
fn doubling(tasks: u32) -> Kernel {
    let bytes = 16 * tasks as usize;
    let mut b = KernelBuilder::new("double", tasks);
    let (x, y, scratch) = (b.input("x", bytes), b.output("y", bytes), b.buffer("s", 64, BufferKind::Scratch));
    let at = b.mul(b.task(), 16);
    let v = b.load(Lane::I32, 16, x.at(at, 0));
    b.store(scratch.fixed(0), 16, v);
    let w = b.load(Lane::I32, 16, scratch.fixed(0));
    let sum = b.binary(BinOp::Add, v, w);
    b.store(y.at(at, 0), 16, sum);
    b.finish()
}

fn doubling_program(tasks: u32) -> Arc<Program> {
    let mut p = Builder::new();
    let ty = TensorType::new(DType::I32, [4 * tasks as usize]);
    let (x, y) = (p.buffer("x", ty.bytes()), p.buffer("y", ty.bytes()));
    let scratch = p.buffer("s", 64);
    p.0.kernels.push(doubling(tasks));
    p.0.inputs.push(Builder::port("x", ty.clone(), x));
    p.0.outputs.push(Builder::port("y", ty, y));
    p.step(Action::Kernel { kernel: 0, buffers: vec![x, y, scratch] });
    p.finish()
}

#[test]
fn engines_and_thread_counts_agree() {
    for tasks in [1, 2, 7, 1000] {
        let program = doubling_program(tasks);
        let x = Tensor::new([4 * tasks as usize], (0..4 * tasks as i32).map(|i| i * 3 - 5).collect());
        let expected: Vec<i32> = x.slice::<i32>().iter().map(|v| 2 * v).collect();
        for (engine, threads) in
            [(Engine::Interpreter, 1), (Engine::Jit, 1), (Engine::Jit, 2), (Engine::Jit, 3), (Engine::Jit, 9)]
        {
            let y = outputs(&program, engine, threads, std::slice::from_ref(&x));
            assert_eq!(y[0].slice::<i32>(), expected, "{tasks} tasks, {engine:?}, {threads} threads");
        }
    }
}

#[test]
fn samples_run_one_after_the_other_or_side_by_side() {
    for samples in [2, 3, 8] {
        let mut program = (*doubling_program(7)).clone();
        program.samples = samples;
        for port in program.inputs.iter_mut().chain(&mut program.outputs) {
            port.ty.shape = [samples, 28].into_iter().collect();
        }
        program.buffers.iter_mut().take(2).for_each(|buffer| assert_eq!(buffer.bytes, 4 * 28, "memory for one"));
        let program = Arc::new(program);
        let x = Tensor::new([samples, 28], (0..28 * samples as i32).map(|i| i * 3 - 5).collect());
        let expected: Vec<i32> = x.slice::<i32>().iter().map(|v| 2 * v).collect();
        for (engine, threads) in [(Engine::Interpreter, 1), (Engine::Jit, 1), (Engine::Jit, 2), (Engine::Jit, 4)] {
            let y = outputs(&program, engine, threads, std::slice::from_ref(&x));
            assert_eq!(y[0].shape(), [samples, 28]);
            assert_eq!(y[0].slice::<i32>(), expected, "{samples} samples, {engine:?}, {threads} threads");
        }
        let stored = artifact::decode(artifact::encode(&program).into(), &LIMITS).expect("it is sound");
        assert_eq!((stored.samples, stored.arena_bytes), (samples, program.arena_bytes));
    }
}

#[test]
fn an_output_is_read_before_its_memory_is_used_again() {
    let mut p = Builder::new();
    let ty = TensorType::new(DType::I32, [4]);
    let values: Vec<BufferId> = ["x", "2x", "4x", "8x"].iter().map(|name| p.buffer(name, ty.bytes())).collect();
    let scratch = p.buffer("s", 64);
    p.0.kernels.push(doubling(1));
    p.0.inputs.push(Builder::port("x", ty.clone(), values[0]));
    for (name, at) in [("8x", 3), ("2x", 1), ("x", 0), ("4x", 2)] {
        p.0.outputs.push(Builder::port(name, ty.clone(), values[at]));
    }
    for pair in values.windows(2) {
        p.step(Action::Kernel { kernel: 0, buffers: vec![pair[0], pair[1], scratch] });
    }
    // What is written last lies where the first result lay, the one before where the input was.
    p.0.buffers[values[3].0 as usize].place = p.0.buffers[values[1].0 as usize].place;
    p.0.buffers[values[2].0 as usize].place = p.0.buffers[values[0].0 as usize].place;
    assert_eq!(p.0.complete(), [3, 1, 0, 2]);
    let program = p.finish();
    let x = Tensor::new([4], vec![1, -2, 3, 5]);
    for engine in [Engine::Interpreter, Engine::Jit] {
        let all = outputs(&program, engine, 1, std::slice::from_ref(&x));
        let firsts: Vec<i32> = all.iter().map(|y| y.slice::<i32>()[0]).collect();
        assert_eq!(firsts, [8, 2, 1, 4], "{engine:?}");
        let mut slots = [[0u8; 16]; 4];
        let [a, b, c, d] = &mut slots;
        let mut session = Session::new(Arc::clone(&program), &Options { engine, ..Default::default() }).expect("sound");
        session.run_into(&[x.bytes()], &mut [a, b, c, d]).expect("it runs");
        assert!(slots.iter().zip(&all).all(|(slot, y)| slot == y.bytes()), "{engine:?}");
    }
}

#[test]
fn inputs_of_another_type_or_number_are_named() {
    let mut session = Session::new(doubling_program(1), &Options::default()).expect("the program is sound");
    let wrong = session.run(&[floats(&[4], |_| 0.0)]).expect_err("floats are no integers");
    assert_eq!(wrong.to_string(), "input `x` must be i32[4], f32[4] was given");
    assert!(matches!(session.run(&[]), Err(SessionError::Count { what: "inputs", expected: 1, got: 0 })));
    let mut slot = [0; 15];
    let short = session.run_into(&[&[0; 16]], &mut [&mut slot]).expect_err("16 bytes are needed");
    assert_eq!(short.to_string(), "output `y` must be i32[4], 15 bytes was given");
}

fn gemm_program(gemm: impl FnOnce([BufferId; 3]) -> Gemm, a: &TensorType, b: &Tensor, c: &TensorType) -> Arc<Program> {
    let mut p = Builder::new();
    let (left, out) = (p.buffer("a", a.bytes()), p.buffer("c", c.bytes()));
    let right = p.constant("b", b.bytes());
    p.0.inputs.push(Builder::port("a", a.clone(), left));
    p.0.outputs.push(Builder::port("c", c.clone(), out));
    p.step(Action::Gemm(gemm([left, right, out])));
    p.finish()
}

fn matrix(buffer: BufferId, row: usize, batch: usize) -> Matrix {
    Matrix { buffer, offset: 0, row, column: 1, batch }
}

fn assert_close(got: &[f32], expected: &[f64], what: &str) {
    let largest = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for (g, e) in got.iter().zip(expected) {
        assert!((f64::from(*g) - e).abs() <= 1e-5 * largest.max(1.0), "{what}: {g} for {e}");
    }
}

#[test]
fn a_matrix_product_equals_its_definition() {
    for [batch, m, n, k] in [[1, 1, 1, 1], [1, 5, 3, 7], [2, 193, 17, 33], [1, 500, 8, 16], [2, 3, 1100, 5]] {
        let x = floats(&[batch, m, k], |i| ((i * 37 % 101) as f32 - 50.0) / 16.0);
        let w = floats(&[batch, k, n], |i| ((i * 53 % 97) as f32 - 48.0) / 16.0);
        let ty = TensorType::new(DType::F32, [batch, m, n]);
        let build = |[a, b, c]: [BufferId; 3]| Gemm {
            batch,
            m,
            n,
            k,
            a: matrix(a, k, m * k),
            b: matrix(b, n, k * n),
            c: matrix(c, n, m * n),
            im2col: None,
        };
        let program = gemm_program(build, x.ty(), &w, &ty);
        let (xs, ws) = (x.slice::<f32>(), w.slice::<f32>());
        let at = |i: usize| {
            let (g, row, column) = (i / (m * n), i / n % m, i % n);
            (0..k).map(|p| f64::from(xs[(g * m + row) * k + p]) * f64::from(ws[(g * k + p) * n + column])).sum()
        };
        let expected: Vec<f64> = (0..batch * m * n).map(at).collect();
        let one = outputs(&program, Engine::Jit, 1, std::slice::from_ref(&x));
        assert_close(one[0].slice::<f32>(), &expected, &format!("{batch} x {m} x {n} x {k}"));
        for threads in [2, 3] {
            assert_eq!(outputs(&program, Engine::Jit, threads, std::slice::from_ref(&x)), one, "{threads} threads");
        }
    }
}

#[test]
fn a_gathered_product_equals_the_convolution() {
    let (height, width, channels, filters) = (9, 11, 3, 5);
    for (kernel, strides, dilations, pads) in
        [([1, 1], [2, 2], [1, 1], [0, 0]), ([3, 3], [1, 1], [1, 1], [1, 1]), ([3, 2], [2, 1], [2, 3], [2, 1])]
    {
        let size = |i: usize, n: usize| (n + 2 * pads[i] - dilations[i] * (kernel[i] - 1) - 1) / strides[i] + 1;
        let output = [size(0, height), size(1, width)];
        let (m, k) = (2 * output[0] * output[1], kernel[0] * kernel[1] * channels);
        let x = floats(&[2, height, width, channels], |i| ((i * 37 % 101) as f32 - 50.0) / 16.0);
        let w = floats(&[k, filters], |i| ((i * 53 % 97) as f32 - 48.0) / 16.0);
        let ty = TensorType::new(DType::F32, [2, output[0], output[1], filters]);
        let window = Im2Col {
            input: [2, height, width, channels],
            output,
            kernel,
            strides,
            dilations,
            pads,
            channels: [0, channels],
        };
        let build = |[a, b, c]: [BufferId; 3]| Gemm {
            batch: 1,
            m,
            n: filters,
            k,
            a: matrix(a, k, 0),
            b: matrix(b, filters, 0),
            c: matrix(c, filters, 0),
            im2col: Some(window.clone()),
        };
        let program = gemm_program(build, x.ty(), &w, &ty);
        let (xs, ws) = (x.slice::<f32>(), w.slice::<f32>());
        let mut expected = Vec::new();
        for i in 0..m * filters {
            let (pixel, filter) = (i / filters, i % filters);
            let (image, y, x) = (pixel / (output[0] * output[1]), pixel / output[1] % output[0], pixel % output[1]);
            let mut sum = 0.0;
            for tap in 0..k {
                let (ky, kx, c) = (tap / channels / kernel[1], tap / channels % kernel[1], tap % channels);
                let at = |at: usize, tap: usize, i: usize| (at * strides[i] + tap * dilations[i]).wrapping_sub(pads[i]);
                let (iy, ix) = (at(y, ky, 0), at(x, kx, 1));
                if iy < height && ix < width {
                    let v = xs[((image * height + iy) * width + ix) * channels + c];
                    sum += f64::from(v) * f64::from(ws[tap * filters + filter]);
                }
            }
            expected.push(sum);
        }
        let one = outputs(&program, Engine::Jit, 1, std::slice::from_ref(&x));
        assert_close(one[0].slice::<f32>(), &expected, &format!("{kernel:?} {strides:?} {dilations:?} {pads:?}"));
        assert_eq!(outputs(&program, Engine::Jit, 2, &[x]), one);
    }
}

#[test]
fn an_op_without_kernel_runs_on_its_reference_evaluation() {
    let x = floats(&[2, 3], |i| i as f32);
    let y = outputs(&reference_program(), Engine::Jit, 1, &[x]);
    assert_eq!(y[0], floats(&[2, 3], |i| i as f32 + 1.0));
}

#[test]
fn a_condition_chooses_the_branch() {
    let mut p = Builder::new();
    let ty = TensorType::new(DType::F32, [2, 3]);
    let condition = p.buffer("c", 1);
    let (x, y) = (p.buffer("x", ty.bytes()), p.buffer("y", ty.bytes()));
    p.0.inputs.push(Builder::port("c", TensorType::new(DType::Bool, []), condition));
    p.0.inputs.push(Builder::port("x", ty.clone(), x));
    p.0.outputs.push(Builder::port("y", ty.clone(), y));
    let then_branch = (*reference_program()).clone();
    p.0.constants = then_branch.constants.clone();
    let mut copy = Builder::new();
    let same = copy.buffer("x", ty.bytes());
    copy.0.inputs.push(Builder::port("x", ty.clone(), same));
    copy.0.outputs.push(Builder::port("y", ty, same));
    p.step(Action::If {
        condition,
        captures: vec![x],
        outputs: vec![y],
        then_branch: Box::new(then_branch),
        else_branch: Box::new(copy.0),
    });
    let program = p.finish();
    let back = Arc::new(artifact::decode(artifact::encode(&program).into(), &LIMITS).expect("it was just written"));
    let x = floats(&[2, 3], |i| i as f32);
    for program in [program, back] {
        let run = |c: bool| outputs(&program, Engine::Jit, 1, &[Tensor::scalar(c), x.clone()]).remove(0);
        assert_eq!(run(true), floats(&[2, 3], |i| i as f32 + 1.0));
        assert_eq!(run(false), x);
    }
}

#[test]
fn an_artifact_keeps_everything() {
    let program = reference_program();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.qcc");
    artifact::save(&program, &path).expect("it can be written");
    assert!(artifact::is_artifact(&path));
    let loaded = artifact::load(&path, &LIMITS).expect("it can be read");
    assert!(loaded.constants.as_ptr().addr().is_multiple_of(64), "constants are mapped at a page");
    assert_eq!(format!("{loaded:?}"), format!("{program:?}"));
    let x = floats(&[2, 3], |i| i as f32);
    let run = |program: &Arc<Program>| outputs(program, Engine::Jit, 1, std::slice::from_ref(&x));
    assert_eq!(run(&loaded), run(&program));
}

#[test]
fn a_damaged_artifact_is_an_error_and_no_panic() {
    let whole = artifact::encode(&doubling_program(3));
    for length in 0..whole.len() {
        assert!(artifact::decode(whole[..length].to_vec().into(), &LIMITS).is_err(), "{length} bytes");
    }
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..2000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut bytes = whole.clone();
        // Beyond the header stand zeros that nothing reads.
        let at = (state >> 33) as usize % 600;
        bytes[at] ^= (state >> 20) as u8 | 1;
        let same = artifact::decode(bytes.into(), &LIMITS).map(|p| format!("{p:?}"));
        if let Ok(text) = same {
            assert_eq!(text, format!("{:?}", doubling_program(3)), "byte {at} does not matter");
        }
    }
    let foreign = artifact::decode(Bytes::from_static(b"onnx...."), &LIMITS).expect_err("it has no mark");
    assert_eq!(foreign.to_string(), "it is not a compiled model (no `qcc` mark at its start)");
    let mut newer = whole.clone();
    newer[4] = 9;
    let newer = artifact::decode(newer.into(), &LIMITS).expect_err("its version is unknown");
    assert_eq!(newer.to_string(), "it has format version 9, this program reads 7; compile the model again");
}
