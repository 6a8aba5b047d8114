//! Kernels with the memory they work on, ready to be called and timed.

use qcc_jit::{CodeModule, CpuFeatures, compile};
use qcc_kernel::Kernel;
use qcc_lower::kernels::body::{Body, Node, Operand};
use qcc_lower::kernels::conv::{ConvSpec, Target, conv_for};
use qcc_lower::kernels::layout::{Elem, Halo, TensorLayout};
use qcc_lower::kernels::{Arg, Generated, winograd};
use std::time::{Duration, Instant};

/// A convolution.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    /// Rows and columns of the image, input and output channels.
    pub size: [usize; 4],
    pub kernel: usize,
    pub stride: usize,
    pub depthwise: bool,
    /// In tiles of 2x2 outputs.
    pub tiled: bool,
}

/// Alignment of every buffer, as in a session.
const ALIGN: usize = 64;

/// Code with the memory it works on.
pub struct Ready {
    code: CodeModule,
    buffers: Vec<Vec<u8>>,
    tasks: u64,
    pub macs: u64,
}

impl Ready {
    pub fn of(kernel: &Kernel, contents: Vec<Vec<u8>>, macs: u64) -> Ready {
        let buffers = contents.iter().map(|bytes| aligned(bytes)).collect();
        let code = compile(std::slice::from_ref(kernel), &CpuFeatures::detect()).expect("kernels compile");
        Ready { code, buffers, tasks: kernel.tasks.into(), macs }
    }

    pub fn run(&mut self) {
        let aligned = |b: &mut Vec<u8>| {
            let start = b.as_mut_ptr();
            start.wrapping_add(start.align_offset(ALIGN))
        };
        let pointers: Vec<*mut u8> = self.buffers.iter_mut().map(aligned).collect();
        // SAFETY: one buffer for each declaration, longer than declared by the alignment, and no other thread.
        unsafe { self.code.entry(0).call(&pointers, 0, self.tasks) };
    }
}

/// Memory that has the bytes where it is aligned first, and is long enough wherever that is.
fn aligned(bytes: &[u8]) -> Vec<u8> {
    let mut memory = vec![0; bytes.len() + ALIGN];
    let start = memory.as_ptr().align_offset(ALIGN);
    memory[start..start + bytes.len()].copy_from_slice(bytes);
    memory
}

/// Repeatable numbers from 0 to `n`, excluded.
pub fn random(n: u64) -> impl FnMut() -> i64 {
    let mut state = 1u64;
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 33) % n) as i64
    }
}

/// The kernel of a convolution whose weights, of `[output channel, channel of the group, row, column]`, are given.
pub fn convolution(case: &Case, weight: &mut dyn FnMut([usize; 4]) -> i64) -> Ready {
    let [h, w, inputs, outputs] = case.size;
    let (group, pad) = (if case.depthwise { inputs } else { 1 }, case.kernel / 2);
    let halo = Halo { top: pad, left: pad, bottom: pad, right: pad };
    let (each, side) = (inputs / group, case.kernel);
    let place = |i: usize| [i / (each * side * side), i / (side * side) % each, i / side % side, i % side];
    let mut body = Body::new();
    let acc = body.push(Node::Core);
    let multiplier = body.operand(Operand::ChannelF32(vec![0.001; outputs]));
    body.push(Node::Requantize { acc, multiplier, zero_point: 3, to: Elem::U8 });
    let spec = ConvSpec {
        input: TensorLayout::dense(1, h, w, inputs, Elem::U8).with_halo(halo),
        output: TensorLayout::dense(1, h / case.stride, w / case.stride, outputs, Elem::U8),
        kernel: [side; 2],
        strides: [case.stride; 2],
        dilations: [1; 2],
        pads: [pad; 4],
        group,
        weights: (0..outputs * each * side * side).map(|i| weight(place(i)) as i16).collect(),
        input_zero: 0,
        weight_zero: vec![0],
        bias: vec![0; outputs],
        input_range: (0, 255),
        body,
    };
    let generate = if case.tiled { winograd::generate } else { conv_for };
    let generated = generate(&spec, Target::host()).expect("the kernel exists");
    let mut code = random(256);
    filled(&generated, spec.macs(), &mut || code() as u8)
}

/// A generated kernel whose input has the bytes that are drawn.
pub fn filled(generated: &Generated, macs: u64, byte: &mut dyn FnMut() -> u8) -> Ready {
    let buffers = generated.args.iter().zip(&generated.kernel.buffers).map(|(arg, declared)| match arg {
        Arg::Input(_) => (0..declared.bytes).map(|_| byte()).collect(),
        Arg::Constants => generated.constants.clone(),
        _ => vec![0; declared.bytes],
    });
    Ready::of(&generated.kernel, buffers.collect(), macs)
}

/// Multiply-accumulates a nanosecond over a few milliseconds.
pub fn rate(ready: &mut Ready) -> f64 {
    const LEAST: Duration = Duration::from_millis(3);
    let (start, mut runs) = (Instant::now(), 0u64);
    while start.elapsed() < LEAST {
        ready.run();
        runs += 1;
    }
    (runs * ready.macs) as f64 / start.elapsed().as_nanos() as f64
}
