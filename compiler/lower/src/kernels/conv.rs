//! Integer convolution and matrix product of codes with weights of 8 bits, with a body applied before anything is stored.
//!
//! ```text
//! acc[p, o] = bias[o] + sum over taps and channels of (x[p, tap, c] - input_zero) * (w[o, c, tap] - weight_zero[o])
//! ```
//!
//! exactly, in i32; the body maps `acc` to what the output holds. The zero point of the input is folded into the bias,
//! which holds at borders too because the halo of the input is filled with it. Padding therefore costs no branch.
//!
//! [`conv`] chooses: one input and one output channel per group is `depthwise`, everything else is an implicit
//! matrix product over `pack`ed weights (`tile`).

use qcc_kernel::Width;

use super::Generated;
use super::body::Body;
use super::layout::{Elem, TensorLayout};
use super::{depthwise, product};

/// See [`ConvSpec::has_few_pixels`]; measured: 196 pixels gain 5 %, 784 nothing.
const FEW_PIXELS: usize = 256;

/// What a convolution kernel computes.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvSpec {
    /// Codes (U8, I8, or I16 in one group), channels last. The halo is at least the padding and holds the zero point.
    pub input: TensorLayout,
    /// What the body computes; its own halo is not written.
    pub output: TensorLayout,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Input pixels between output pixels, vertically and horizontally.
    pub strides: [usize; 2],
    /// Input pixels between taps, vertically and horizontally.
    pub dilations: [usize; 2],
    /// Padding: top, left, bottom, right.
    pub pads: [usize; 4],
    /// Groups the channels of input and output are divided into.
    pub group: usize,
    /// Codes in the order `[output channel][channel of the group][row][column]`.
    pub weights: Vec<i16>,
    /// The code that stands for zero in the input; zero itself if codes have 16 bits.
    pub input_zero: i32,
    /// The code that stands for zero in the weights: one, or one per output channel.
    pub weight_zero: Vec<i32>,
    /// Added to the accumulators: none, or one per output channel.
    pub bias: Vec<i32>,
    /// Proven lowest and highest input code.
    pub input_range: (i32, i32),
    /// Applied to each accumulator; its core is an I32.
    pub body: Body,
}

/// A matrix product `x[M, K] * w[K, N]`.
#[derive(Clone, Debug, PartialEq)]
pub struct MatMulSpec {
    /// `[M, K]` codes (U8, I8 or I16), a [`TensorLayout::matrix`] or anything whose pixels are the rows.
    pub input: TensorLayout,
    /// `[M, N]`, what the body computes.
    pub output: TensorLayout,
    /// `[K, N]` codes, row by row.
    pub weights: Vec<i16>,
    /// The code that stands for zero in `x`.
    pub input_zero: i32,
    /// The code that stands for zero in `w`: one, or one per column.
    pub weight_zero: Vec<i32>,
    /// Added to the accumulators: none, or one per column.
    pub bias: Vec<i32>,
    /// Proven lowest and highest code of `x`.
    pub input_range: (i32, i32),
    /// Applied to each accumulator; its core is an I32.
    pub body: Body,
}

/// What the CPU a kernel is meant for does well. Any kernel runs on any CPU and gives the same result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// There are instructions for the dot product of four bytes (VNNI on x86-64, DotProd or I8MM on aarch64).
    pub dot4: bool,
    /// Width of its vector units.
    pub width: Width,
}

impl Target {
    /// The CPU this process runs on. Dot products of four bytes are generated for 128 bits.
    pub fn host() -> Target {
        #[cfg(target_arch = "x86_64")]
        {
            let dot4 = std::is_x86_feature_detected!("avxvnni")
                || std::is_x86_feature_detected!("avx512vnni") && std::is_x86_feature_detected!("avx512vl");
            let wide = std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma");
            Target { dot4, width: if wide && !dot4 { Width::V256 } else { Width::V128 } }
        }
        #[cfg(target_arch = "aarch64")]
        {
            let dot4 =
                std::arch::is_aarch64_feature_detected!("dotprod") || std::arch::is_aarch64_feature_detected!("i8mm");
            Target { dot4, width: Width::V128 }
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        Target::default()
    }
}

/// A kernel that computes the convolution, for a CPU of which nothing is known.
///
/// # Errors
/// Why there is no fast kernel for it.
pub fn conv(spec: &ConvSpec) -> Result<Generated, String> {
    conv_for(spec, Target::default())
}

/// A kernel that computes the convolution.
///
/// # Errors
/// Why there is no fast kernel for it.
pub fn conv_for(spec: &ConvSpec, target: Target) -> Result<Generated, String> {
    check(spec)?;
    if spec.is_depthwise() { depthwise::generate(spec, target) } else { product::generate(spec, target) }
}

/// A kernel that computes the matrix product, for a CPU of which nothing is known.
///
/// # Errors
/// Why there is no fast kernel for it.
pub fn matmul(spec: &MatMulSpec) -> Result<Generated, String> {
    matmul_for(spec, Target::default())
}

/// A kernel that computes the matrix product: a convolution with a kernel of one pixel.
///
/// # Errors
/// Why there is no fast kernel for it.
pub fn matmul_for(spec: &MatMulSpec, target: Target) -> Result<Generated, String> {
    let (k, n) = (spec.input.c, spec.output.c);
    if spec.weights.len() != k * n {
        return Err(format!("{} weights for a {k} x {n} matrix", spec.weights.len()));
    }
    let weights = (0..n).flat_map(|o| (0..k).map(move |i| spec.weights[i * n + o])).collect();
    let spec = ConvSpec {
        weights,
        input_zero: spec.input_zero,
        weight_zero: spec.weight_zero.clone(),
        bias: spec.bias.clone(),
        input_range: spec.input_range,
        ..ConvSpec::of_rows(spec.input, spec.output, spec.body.clone())
    };
    conv_for(&spec, target)
}

impl ConvSpec {
    /// The windows of a matrix product, one pixel each: what lies in memory and what follows, no weights.
    pub(super) fn of_rows(input: TensorLayout, output: TensorLayout, body: Body) -> ConvSpec {
        ConvSpec {
            input,
            output,
            kernel: [1; 2],
            strides: [1; 2],
            dilations: [1; 2],
            pads: [0; 4],
            group: 1,
            weights: Vec::new(),
            input_zero: 0,
            weight_zero: Vec::new(),
            bias: Vec::new(),
            input_range: (0, 0),
            body,
        }
    }

    /// Input channels of one group.
    pub fn group_inputs(&self) -> usize {
        self.input.c / self.group
    }

    /// Output channels of one group.
    pub fn group_outputs(&self) -> usize {
        self.output.c / self.group
    }

    /// Multiply-accumulates.
    pub fn macs(&self) -> u64 {
        let taps = self.kernel[0] * self.kernel[1] * self.group_inputs();
        (self.output.len() * taps) as u64
    }

    /// Output pixels of all images.
    pub fn pixels(&self) -> usize {
        self.output.n * self.output.h * self.output.w
    }

    /// Whether so few pixels are computed that reading the weights counts: those of a network do not stay in the second-level
    /// cache from one run to the next, and fewer bytes of them gain more than widening them takes.
    pub fn has_few_pixels(&self) -> bool {
        self.pixels() <= FEW_PIXELS
    }

    /// Whether every channel has a group of its own.
    pub fn is_depthwise(&self) -> bool {
        self.group > 1 && self.group_inputs() == 1 && self.group_outputs() == 1
    }

    /// Whether output pixel `i` depends on input pixel `i` alone.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.strides == [1, 1] && self.pads == [0; 4]
    }

    /// The weight of a tap, its zero point subtracted: `o` is an output channel, `c` a channel of its group.
    pub fn weight(&self, o: usize, c: usize, row: usize, column: usize) -> i32 {
        let at = ((o * self.group_inputs() + c) * self.kernel[0] + row) * self.kernel[1] + column;
        i32::from(self.weights[at]) - self.zero_of(o)
    }

    /// The bias with the zero point of the input folded in.
    pub fn folded_bias(&self, o: usize, input_zero: i32) -> i32 {
        let zero = self.zero_of(o);
        let sum = self.codes_of(o).iter().fold(0i32, |sum, &w| sum.wrapping_add(i32::from(w) - zero));
        let bias = self.bias.get(o).copied().unwrap_or(0);
        bias.wrapping_sub(input_zero.wrapping_mul(sum))
    }

    /// The largest magnitude an accumulator can have. Padding counts as zero.
    pub fn largest_accumulator(&self) -> f64 {
        let (lo, hi) = self.input_range;
        let reach = f64::from((hi - self.input_zero).max(self.input_zero - lo).max(0));
        let of = |o: usize| {
            let zero = self.zero_of(o);
            let sum: f64 = self.codes_of(o).iter().map(|&w| f64::from(i32::from(w) - zero).abs()).sum();
            sum * reach + self.bias.get(o).map_or(0.0, |&bias| f64::from(bias).abs())
        };
        (0..self.output.c).map(of).fold(0.0, f64::max)
    }

    /// What is added to an input code so that it is not negative.
    pub fn flip(&self) -> i32 {
        if self.input.elem == Elem::I8 { 128 } else { 0 }
    }

    /// Whether every weight, its zero point subtracted, is a signed byte.
    pub fn has_signed_bytes(&self) -> bool {
        (0..self.output.c).map(|o| self.weight_range(o)).all(|(lo, hi)| lo >= -128 && hi <= 127)
    }

    /// Lowest and highest weight of an output channel, its zero point subtracted.
    pub fn weight_range(&self, o: usize) -> (i32, i32) {
        let range = self.codes_of(o).iter().fold((i16::MAX, i16::MIN), |(lo, hi), &w| (lo.min(w), hi.max(w)));
        (i32::from(range.0) - self.zero_of(o), i32::from(range.1) - self.zero_of(o))
    }

    fn codes_of(&self, o: usize) -> &[i16] {
        let taps = self.group_inputs() * self.kernel[0] * self.kernel[1];
        &self.weights[o * taps..(o + 1) * taps]
    }

    /// Byte offset of the first tap of output pixel `(0, 0)` of image 0 in the input.
    pub fn input_origin(&self) -> i64 {
        self.input.offset(-(self.pads[0] as isize), -(self.pads[1] as isize)) as i64
    }

    fn zero_of(&self, o: usize) -> i32 {
        match self.weight_zero.as_slice() {
            [] => 0,
            [zero] => *zero,
            zeros => zeros[o],
        }
    }
}

/// Checks that the parts of a specification fit each other.
///
/// # Errors
/// The first that does not.
pub fn check(spec: &ConvSpec) -> Result<(), String> {
    let (x, y) = (&spec.input, &spec.output);
    let Some((lowest, highest)) = x.elem.code_range() else {
        return Err(format!("the input holds {:?}, not codes", x.elem));
    };
    check_windows(spec)?;
    if x.elem == Elem::I16 && (spec.input_zero != 0 || spec.group != 1) {
        return Err("codes of 16 bits with a zero point or in groups".into());
    }
    let taps = spec.kernel[0] * spec.kernel[1] * spec.group_inputs();
    if spec.weights.len() != y.c * taps {
        return Err(format!("{} weights for {} channels of {taps} taps", spec.weights.len(), y.c));
    }
    for (what, count, single) in [("biases", spec.bias.len(), false), ("zero points", spec.weight_zero.len(), true)] {
        if count != 0 && count != y.c && !(single && count == 1) {
            return Err(format!("{count} {what} for {} channels", y.c));
        }
    }
    if spec.weights.iter().any(|w| !(-128..=255).contains(w)) || spec.weight_zero.iter().any(|z| z.abs() > 255) {
        return Err("weights that are not 8-bit codes".into());
    }
    if spec.input_range.0 < lowest || spec.input_range.1 > highest {
        return Err("a range of codes that does not fit its type".into());
    }
    Ok(())
}

/// Checks that windows, strides and groups fit input and output.
///
/// # Errors
/// The first that does not.
pub fn check_windows(spec: &ConvSpec) -> Result<(), String> {
    let (x, y) = (&spec.input, &spec.output);
    if x.is_empty() || y.is_empty() || spec.kernel.contains(&0) {
        return Err("an empty convolution".into());
    }
    if spec.strides.contains(&0) || spec.dilations.contains(&0) || spec.group == 0 {
        return Err("a stride, dilation or group of zero".into());
    }
    if x.c % spec.group != 0 || y.c % spec.group != 0 || x.n != y.n {
        return Err(format!("{} groups, images [{}, .., {}] to [{}, .., {}]", spec.group, x.n, x.c, y.n, y.c));
    }
    if x.first + x.c > x.pitch || y.first + y.c > y.pitch {
        return Err("channels that do not fit their buffer".into());
    }
    let pads = [[spec.pads[0], spec.pads[2]], [spec.pads[1], spec.pads[3]]];
    let halos = [[x.halo.top, x.halo.bottom], [x.halo.left, x.halo.right]];
    for (axis, (size, out)) in [(x.h, y.h), (x.w, y.w)].into_iter().enumerate() {
        let reach = (spec.kernel[axis] - 1) * spec.dilations[axis];
        let fits = (size + pads[axis][0] + pads[axis][1]).checked_sub(reach + 1).map(|free| free / spec.strides[axis]);
        if fits.is_none_or(|last| last + 1 < out) {
            return Err(format!("{out} windows do not fit {size} pixels along axis {axis}"));
        }
        let end = (out - 1) * spec.strides[axis] + reach + 1;
        if halos[axis][0] < pads[axis][0] || size + halos[axis][1] + pads[axis][0] < end {
            return Err(format!("the halo of the input is smaller than the padding along axis {axis}"));
        }
    }
    let far = x.bytes().max(y.bytes());
    if i32::try_from(far).is_err() {
        return Err(format!("a tensor of {far} bytes"));
    }
    Ok(())
}
