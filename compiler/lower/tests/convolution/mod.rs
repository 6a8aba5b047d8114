//! Convolutions with all their numbers, and the buffers that kernels for them are called with.
//!
//! The emulated tests (`tests/emulate`) read this file too.

use qcc_kernel::Width;
use qcc_lower::kernels::body::{Body, Node, Operand};
use qcc_lower::kernels::conv::{ConvSpec, Target};
use qcc_lower::kernels::layout::{Elem, Halo, TensorLayout};
use qcc_lower::kernels::{Arg, Generated};

/// CPUs that kernels are generated for.
pub const TARGETS: [Target; 4] = [
    Target { dot4: false, width: Width::V128 },
    Target { dot4: true, width: Width::V128 },
    Target { dot4: false, width: Width::V256 },
    Target { dot4: true, width: Width::V256 },
];

/// Codes of the input.
#[derive(Clone, Copy, Debug)]
pub enum Pattern {
    Random,
    Lowest,
    Highest,
    Alternating,
}

/// What is done with the accumulators.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue {
    /// Stored.
    Raw,
    /// Requantized with a multiplier per channel.
    Codes(Elem),
    /// Added to another tensor.
    Residual,
    /// Looked up in a table, added to another tensor, looked up in another one.
    Tables,
}

/// A table in which most bytes are other ones than their places.
pub fn table(factor: u8) -> Vec<u8> {
    (0..=255u8).map(|i| i.wrapping_mul(factor).wrapping_add(factor >> 1)).collect()
}

/// A convolution with random weights.
#[derive(Clone, Debug)]
pub struct Case {
    pub images: usize,
    pub size: [usize; 2],
    pub channels: [usize; 2],
    pub kernel: [usize; 2],
    pub strides: [usize; 2],
    pub dilations: [usize; 2],
    pub pads: [usize; 4],
    pub group: usize,
    pub elem: Elem,
    /// Weights are signed codes without zero point, or unsigned ones with.
    pub signed_weights: bool,
    /// Largest magnitude of a weight, zero point subtracted.
    pub largest: i32,
    /// Of the blocks of 8 output by 4 input channels, one of so many has weights.
    pub one_block_of: u64,
    pub range: Option<(i32, i32)>,
    /// Further halo, and channels before and behind in the buffers.
    pub margin: usize,
    pub pattern: Pattern,
    pub epilogue: Epilogue,
}

impl Case {
    /// One image of that many rows and columns, with all else as simple as can be.
    pub fn new(size: usize, inputs: usize, outputs: usize, kernel: usize) -> Case {
        Case {
            images: 1,
            size: [size, size],
            channels: [inputs, outputs],
            kernel: [kernel; 2],
            strides: [1; 2],
            dilations: [1; 2],
            pads: [kernel / 2; 4],
            group: 1,
            elem: Elem::U8,
            signed_weights: true,
            largest: 127,
            one_block_of: 1,
            range: None,
            margin: 0,
            pattern: Pattern::Random,
            epilogue: Epilogue::Raw,
        }
    }
}

/// Deterministic numbers.
pub struct Random(pub u64);

impl Random {
    /// One of the numbers below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }

    /// A number of `lo..=hi`.
    pub fn between(&mut self, lo: i32, hi: i32) -> i32 {
        lo + self.below((hi - lo + 1) as u64) as i32
    }
}

/// A case with everything made concrete.
pub struct Problem {
    pub spec: ConvSpec,
    /// Dense input codes, channels last.
    pub codes: Vec<i32>,
    /// Dense codes of the other tensor, channels last.
    pub other: Vec<i32>,
}

/// Draws the numbers of a case.
pub fn problem(case: &Case) -> Problem {
    let mut random = Random(case.size[0] as u64 * 131 + case.channels[1] as u64);
    let [inputs, outputs] = case.channels;
    let extent = |axis: usize| (case.kernel[axis] - 1) * case.dilations[axis] + 1;
    let out =
        |axis: usize| (case.size[axis] + case.pads[axis] + case.pads[axis + 2] - extent(axis)) / case.strides[axis] + 1;
    let m = case.margin;
    let wide = |l: TensorLayout| TensorLayout { pitch: l.c + 2 * m, first: m, ..l };
    let halo =
        Halo { top: case.pads[0] + m, left: case.pads[1] + m, bottom: case.pads[2] + m, right: case.pads[3] + m };
    let input = wide(TensorLayout::dense(case.images, case.size[0], case.size[1], inputs, case.elem).with_halo(halo));
    let (lowest, highest) = case.range.or(case.elem.code_range()).unwrap();
    let input_zero = if case.elem == Elem::I16 { 0 } else { random.between(lowest, highest) };
    let weight_zero: Vec<i32> = if case.signed_weights {
        vec![0]
    } else {
        (0..outputs).map(|_| random.between(case.largest, 255 - case.largest)).collect()
    };
    let taps = inputs / case.group * case.kernel[0] * case.kernel[1];
    let weights: Vec<i16> = (0..outputs * taps)
        .map(|i| {
            let zero = weight_zero.get(i / taps).copied().unwrap_or(0);
            let window = case.kernel[0] * case.kernel[1];
            let block = [i / taps / 8, i % taps / window / 4, i % window].map(|v| v as u64);
            let mut dice = Random(block[0] * 1_000_003 + block[1] * 10_007 + block[2]);
            let empty = !dice.below(1 << 20).is_multiple_of(case.one_block_of);
            let w = match random.below(6) {
                _ if empty => 0,
                0 => case.largest,
                1 => -case.largest,
                _ => random.between(-case.largest, case.largest),
            };
            (zero + w) as i16
        })
        .collect();
    let codes: Vec<i32> = (0..case.images * case.size[0] * case.size[1] * inputs)
        .map(|i| match case.pattern {
            Pattern::Random => random.between(lowest, highest),
            Pattern::Lowest => lowest,
            Pattern::Highest => highest,
            Pattern::Alternating => [lowest, highest][i % 2],
        })
        .collect();
    let elem = match case.epilogue {
        Epilogue::Raw => Elem::I32,
        Epilogue::Codes(elem) => elem,
        Epilogue::Residual | Epilogue::Tables => Elem::U8,
    };
    let output = wide(TensorLayout::dense(case.images, out(0), out(1), outputs, elem)).with_halo(Halo {
        top: m,
        left: m,
        bottom: m,
        right: m,
    });
    let multipliers: Vec<f32> =
        (0..outputs).map(|o| (0.3 + o as f32 * 0.01) / (taps as f32 * case.largest as f32)).collect();
    let mut body = Body::new();
    let acc = body.push(Node::Core);
    match case.epilogue {
        Epilogue::Raw => {}
        Epilogue::Codes(to) => {
            let multiplier = body.operand(Operand::ChannelF32(multipliers));
            body.push(Node::Requantize { acc, multiplier, zero_point: 3, to });
        }
        Epilogue::Residual | Epilogue::Tables => {
            let look_up = |body: &mut Body, q, factor| match case.epilogue {
                Epilogue::Tables => body.push(Node::Lookup { q, table: table(factor), to: Elem::U8 }),
                _ => q,
            };
            let multiplier = body.push(Node::F32(1.0 / 1024.0));
            let q = body.push(Node::Requantize { acc, multiplier, zero_point: 100, to: Elem::U8 });
            let q = look_up(&mut body, q, 7);
            let other = body.operand(Operand::Tensor(output));
            let sum = body.push(Node::Binary(qcc_lower::kernels::body::Fn2::Add, q, other));
            let half = body.push(Node::F32(0.5));
            let q = body.push(Node::Requantize { acc: sum, multiplier: half, zero_point: 0, to: Elem::U8 });
            look_up(&mut body, q, 13);
        }
    }
    let other = (0..output.len()).map(|_| random.between(0, 255)).collect();
    let spec = ConvSpec {
        input,
        output,
        kernel: case.kernel,
        strides: case.strides,
        dilations: case.dilations,
        pads: case.pads,
        group: case.group,
        weights,
        input_zero,
        weight_zero,
        bias: (0..outputs).map(|_| random.between(-100_000, 100_000)).collect(),
        input_range: (lowest, highest),
        body,
    };
    Problem { spec, codes, other }
}

/// Byte offsets of all elements in the order of a dense tensor.
pub fn places(l: &TensorLayout) -> Vec<usize> {
    let mut at = Vec::new();
    for n in 0..l.n {
        for y in 0..l.h {
            for x in 0..l.w {
                let pixel = n * l.image_stride() + l.offset(y as isize, x as isize) as usize;
                at.extend((0..l.c).map(|c| pixel + c * l.elem.bytes()));
            }
        }
    }
    at
}

/// The buffer of a tensor: its elements, halo of the tensor's channels filled with `zero`, anything elsewhere.
pub fn buffer(l: &TensorLayout, values: &[i32], zero: i32) -> Vec<u8> {
    let mut random = Random(99);
    let mut bytes: Vec<u8> = (0..l.bytes()).map(|_| random.below(256) as u8).collect();
    let around = TensorLayout {
        h: l.h + l.halo.top + l.halo.bottom,
        w: l.w + l.halo.left + l.halo.right,
        halo: Halo::default(),
        ..*l
    };
    let size = l.elem.bytes();
    let mut put = |at: usize, code: i32| bytes[at..at + size].copy_from_slice(&code.to_le_bytes()[..size]);
    places(&around).into_iter().for_each(|at| put(at, zero));
    places(l).into_iter().zip(values).for_each(|(at, code)| put(at, *code));
    bytes
}

/// What a kernel for the problem is called with.
pub fn buffers(p: &Problem, generated: &Generated) -> Vec<Vec<u8>> {
    let make = |arg: &Arg| match arg {
        Arg::Input(_) => buffer(&p.spec.input, &p.codes, p.spec.input_zero),
        Arg::Operand(_) => buffer(&p.spec.output, &p.other, 0),
        Arg::Output => vec![0xcd; p.spec.output.bytes()],
        Arg::Constants => generated.constants.clone(),
        Arg::Scratch(bytes) => vec![0; *bytes as usize],
    };
    generated.args.iter().map(make).collect()
}
