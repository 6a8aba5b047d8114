//! The work of operators: as kernels of their own, as cores of kernels, in the bodies of kernels.

use crate::machine::Machine;
use crate::work::{Unit, Work};
use qcc_dsl::{CostHint, RuleSet};
use qcc_ops::{Attrs, Op};
use qcc_tensor::{DType, Tensor, TensorType};

/// What kernels cost: what a unit of work takes, and what rule files say about the work of operators.
#[derive(Debug, Clone, PartialEq)]
pub struct CostModel {
    /// What a unit takes.
    pub machine: Machine,
    /// What rule files say.
    pub hints: Vec<CostHint>,
}

impl Default for CostModel {
    /// Registers of 128 bits, without hints.
    fn default() -> Self {
        Self::on(Machine::narrow())
    }
}

impl CostModel {
    /// A model without hints.
    pub fn on(machine: Machine) -> Self {
        Self { machine, hints: Vec::new() }
    }

    /// With what the rule files of a rule set say about operators.
    pub fn hinted(self, rules: &RuleSet) -> Self {
        Self { hints: rules.costs.clone(), ..self }
    }

    /// What work takes (ns).
    pub fn ns(&self, work: &Work) -> f64 {
        self.machine.ns(work)
    }
}

/// An input of a kernel.
#[derive(Debug, Clone, Copy)]
pub struct Operand<'a> {
    /// Its type.
    pub ty: &'a TensorType,
    /// Whether it is a constant of the chosen graph.
    pub constant: bool,
    /// Its value, if it is known and small.
    pub value: Option<&'a Tensor>,
    /// Bounds of its elements, from and to.
    pub bounds: (f64, f64),
}

/// The inputs of a call.
type Operands<'a> = [Option<Operand<'a>>];

/// Operators whose result the body of a kernel can work on before it is stored.
pub fn is_core(op: Op) -> bool {
    matches!(
        op.name,
        "Conv"
            | "MatMul"
            | "CodedMatMul"
            | "IConv"
            | "IWinograd"
            | "IMatMul"
            | "MaxPool"
            | "AveragePool"
            | "GlobalAveragePool"
            | "ISumPool"
            | "IReduceSum"
            | "ReduceMean"
            | "ReduceSum"
            | "Softmax"
            | "LayerNormalization"
    )
}

/// Operators that give the same bytes another shape.
pub fn is_view(op: Op) -> bool {
    matches!(op.name, "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Identity")
}

/// Operators that move elements, each with a kernel.
fn is_move(op: Op, attrs: &Attrs) -> bool {
    match op.name {
        "Pad" => attrs.str("mode") == Some("constant"),
        name => matches!(name, "Transpose" | "Slice" | "Concat" | "Expand"),
    }
}

/// A reduction of floats over their last axis.
fn is_row_reduction(op: Op, inputs: &Operands<'_>) -> bool {
    let (Some(Some(x)), Some(Some(axes))) = (inputs.first(), inputs.get(1)) else { return false };
    let last = x.ty.rank() as i64 - 1;
    let over = axes.value.and_then(Tensor::to_i64_vec);
    matches!(op.name, "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin")
        && x.ty.dtype == DType::F32
        && matches!(over.as_deref(), Some(&[axis]) if axis == last || axis == -1)
}

fn elements(ty: &TensorType) -> f64 {
    ty.elements() as f64
}

fn bytes(ty: &TensorType) -> f64 {
    ty.bytes() as f64
}

/// The inputs that are no constants.
fn variables<'a>(inputs: &Operands<'a>) -> impl Iterator<Item = &'a TensorType> {
    inputs.iter().flatten().filter(|i| !i.constant).map(|i| i.ty)
}

fn types<'a>(inputs: &Operands<'a>) -> Vec<Option<&'a TensorType>> {
    inputs.iter().map(|i| i.map(|i| i.ty)).collect()
}

/// Reading or writing a value.
pub(crate) fn traffic(ty: &TensorType) -> Work {
    Work::of(Unit::Byte, bytes(ty)) + far(ty)
}

/// What reading or writing a value takes in addition that does not stay in a core's caches.
fn far(ty: &TensorType) -> Work {
    /// Second-level caches of current cores hold half a megabyte and more.
    const CACHE: f64 = 512.0 * 1024.0;
    Work::of(Unit::Far, (bytes(ty) - CACHE).max(0.0))
}

impl CostModel {
    /// Reading or writing a value.
    pub fn traffic(&self, ty: &TensorType) -> Work {
        traffic(ty)
    }

    /// An operator as a kernel of its own.
    pub fn kernel(&self, op: Op, attrs: &Attrs, inputs: &Operands<'_>, outputs: &[TensorType]) -> Work {
        if is_view(op) {
            return Work::of(Unit::View, 1.0);
        }
        let launch = Work::of(Unit::Launch, 1.0);
        let written: Work = outputs.iter().map(traffic).sum();
        let moved = written + variables(inputs).map(traffic).sum();
        if let Some(work) = self.hint(op, attrs, inputs, outputs) {
            return launch + work + moved;
        }
        if is_core(op)
            && let Some(core) = self.core(op, attrs, inputs, &outputs[0])
        {
            return launch + core + written;
        }
        // Two steps find the grid of what is read, a third one quantizes by it.
        if op.name == "DynamicGrid" {
            return extremes(inputs[0].map_or(0, |x| x.ty.elements())) + launch;
        }
        if op.name == "DynamicQuantizeLinear" {
            let count = outputs[0].elements();
            return extremes(count) + launch + quantized(count);
        }
        if let "LstmSteps" | "LSTM" | "GRU" | "RNN" = op.name {
            let macs = (op.macs)(&types(inputs), outputs, attrs) as f64;
            let work = recurrent(macs, elements(&outputs[0]), op.name == "LstmSteps");
            return launch + work + moved;
        }
        if is_move(op, attrs) || op.name == "Resize" && attrs.str("mode") == Some("nearest") {
            let bytes: f64 = variables(inputs).chain(outputs).map(bytes).sum();
            return launch + Work::of(Unit::Move, bytes);
        }
        if op.elementwise
            && outputs.len() == 1
            && let Some(work) = self.body_op(op, inputs, &outputs[0])
        {
            return launch + moved + work;
        }
        if is_row_reduction(op, inputs) {
            return launch + Work::of(Unit::Window, inputs[0].map_or(0.0, |x| elements(x.ty))) + moved;
        }
        let macs = (op.macs)(&types(inputs), outputs, attrs);
        reference(macs, variables(inputs).chain(outputs))
    }

    /// What a rule file says about the work of a call; never less than nothing.
    fn hint(&self, op: Op, attrs: &Attrs, inputs: &Operands<'_>, outputs: &[TensorType]) -> Option<Work> {
        let hint = self.hints.iter().find(|hint| hint.op == op)?;
        let moved: f64 = variables(inputs).chain(outputs).map(bytes).sum();
        let macs = (op.macs)(&types(inputs), outputs, attrs) as f64;
        let ns = hint.work.value(outputs.first().map_or(0.0, elements), moved, macs);
        Some(Work::of(Unit::Hint, if ns.is_finite() { ns.max(0.0) } else { 0.0 }))
    }

    /// The core of a kernel: its arithmetic and the values it reads; `None` if no kernel has such a core.
    pub fn core(&self, op: Op, attrs: &Attrs, inputs: &Operands<'_>, output: &TensorType) -> Option<Work> {
        let macs = (op.macs)(&types(inputs), std::slice::from_ref(output), attrs) as f64;
        let operand = |i: usize| inputs.get(i).copied().flatten();
        let (x, weights) = (operand(0)?, operand(1));
        let wide = op.name == "IConv" && x.ty.dtype == DType::I16;
        let image = attrs.str("layout") == Some("NHWC") && x.ty.rank() == 4 && (is_fast(x.ty.dtype) || wide);
        let rest_constant = inputs.iter().skip(1).flatten().all(|i| i.constant);
        let pads = attrs.ints("pads").unwrap_or(&[]).iter().any(|&p| p != 0);
        let read: Work = variables(inputs).map(traffic).sum();
        let windows = |count: f64| Work::of(Unit::Window, count) + read;
        let work = match op.name {
            // A float convolution's bias is a matter of the body.
            "Conv" if operand(2).is_some() => return None,
            "Conv" | "IConv" if image && rest_constant => {
                let weights = weights?;
                let depthwise = attrs.int("group") != Some(1) && weights.ty.shape.get(1) == Some(&1);
                match op.name {
                    "IConv" if depthwise => Work::of(Unit::Depthwise, macs) + codes_read(x.ty),
                    "IConv" => {
                        let macs = macs * row_filling(attrs, weights.ty, output);
                        integer_product(macs, x.ty, weights, weights.ty.shape[0], output)
                    }
                    _ if depthwise => Work::of(Unit::DepthwiseFloat, macs) + read,
                    _ => float_convolution(attrs, weights.ty, output).work() + read,
                }
            }
            "IWinograd" if image && rest_constant => tiled_product(x.ty, weights?.ty, output),
            "IMatMul" if rest_constant && weights?.ty.rank() == 2 => {
                integer_product(macs, x.ty, weights?, weights?.ty.shape[1], output)
            }
            "MatMul" if x.ty.dtype == DType::F32 => {
                let &[.., k] = &x.ty.shape[..] else { return None };
                let n = output.shape.last().copied().unwrap_or(1);
                let m = output.elements() / n.max(1);
                FloatProduct { batch: 1, m, n, k, gathers: false }.work() + read
            }
            "CodedMatMul" if rest_constant => coded_product(macs, weights?.ty, output) + read,
            // Windows at a padded border have fewer elements.
            "AveragePool" if pads || attrs.int("ceil_mode") != Some(0) => return None,
            "MaxPool" | "AveragePool" | "ISumPool" if image => {
                let window: i64 = attrs.ints("kernel_shape").unwrap_or(&[]).iter().product();
                windows(elements(output) * window as f64)
            }
            "Softmax" if x.ty.dtype == DType::F32 && attrs.int("axis") == Some(x.ty.rank() as i64 - 1) => {
                Work::of(Unit::Transcendental, elements(x.ty)) + read
            }
            // Scale and bias are a matter of the body.
            "LayerNormalization"
                if x.ty.dtype == DType::F32
                    && attrs.int("axis") == Some(x.ty.rank() as i64 - 1)
                    && weights.is_some_and(|scale| scale.constant && scale.bounds == (1.0, 1.0))
                    && operand(2).is_none() =>
            {
                Work::of(Unit::Window, 2.0 * elements(x.ty)) + Work::of(Unit::Divide, elements(x.ty)) + read
            }
            "GlobalAveragePool" if image => windows(elements(x.ty)),
            // Everything between the batch and the channels is summed.
            "IReduceSum" | "ReduceMean" | "ReduceSum" if x.ty.rank() == 4 && is_fast(x.ty.dtype) => {
                let axes = match (op.name, weights) {
                    ("ReduceMean" | "ReduceSum", Some(axes)) => axes.value.and_then(Tensor::to_i64_vec)?,
                    _ => attrs.ints("axes")?.to_vec(),
                };
                let keeps = attrs.int("keepdims") == Some(1) || x.ty.shape[0] == 1;
                if !keeps || !matches!(axes[..], [1, 2] | [-3, -2]) {
                    return None;
                }
                windows(elements(x.ty))
            }
            _ => return None,
        };
        match self.hint(op, attrs, inputs, std::slice::from_ref(output)) {
            Some(hinted) => Some(hinted + read),
            None => Some(work),
        }
    }

    /// An operator in the body of a kernel, for all elements of its result; `None` if no body can hold it.
    pub fn body_op(&self, op: Op, inputs: &Operands<'_>, output: &TensorType) -> Option<Work> {
        let known = |d: DType| is_fast(d) || matches!(d, DType::I16 | DType::I32 | DType::Bool);
        let first = inputs.iter().flatten().next().map(|i| i.ty.dtype);
        if !known(output.dtype) || !first.is_none_or(known) {
            return None;
        }
        // Scales, zero-points, limits and tables are parts of the code.
        let parameters = matches!(op.name, "QuantizeLinear" | "DequantizeLinear" | "Requantize" | "Lookup" | "Clip");
        if parameters && !inputs.iter().skip(1).flatten().all(|i| i.constant) {
            return None;
        }
        let each = |unit| Work::of(unit, elements(output));
        let work = match op.name {
            "Add" | "Sub" | "Mul" | "Neg" | "Abs" | "Min" | "Max" | "Relu" | "Clip" | "Identity" | "Floor" | "Ceil"
            | "Round" | "DequantizeLinear" | "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual"
            | "Not" => each(Unit::Cheap),
            "Where" | "And" | "Or" | "IsNaN" => each(Unit::Cheap) * 2.0,
            "HardSigmoid" | "LeakyRelu" => each(Unit::Cheap) * 2.0,
            "HardSwish" => each(Unit::Cheap) * 3.0,
            "Cast" if output.dtype == DType::F32 => each(Unit::Cheap),
            "Cast" if output.dtype == DType::Bool && first == Some(DType::F32) => each(Unit::Cheap) * 2.0,
            "Cast" if output.dtype == DType::I32 && first.is_some_and(|d| d.size() == 1) => each(Unit::Cheap),
            "Requantize" => each(Unit::Requantize),
            // A true division.
            "Div" | "Sqrt" | "Reciprocal" => each(Unit::Divide),
            // A product with the reciprocal and a correction.
            "QuantizeLinear" => each(Unit::Cheap) * 2.0 + each(Unit::Requantize),
            "Exp" | "Sigmoid" | "Tanh" | "Erf" | "Gelu" => each(Unit::Transcendental),
            // Tables of codes; wider entries are not looked up by vectors.
            "Lookup" | "Flip" if output.dtype.size() == 1 => each(Unit::Lookup),
            _ => return None,
        };
        // Operators in bodies multiply nothing up, so that their attributes do not count.
        Some(self.hint(op, &Attrs::default(), inputs, std::slice::from_ref(output)).unwrap_or(work))
    }
}

/// Channels that are multiplied at once; a rest takes as long.
const CHANNELS: usize = 8;

/// A product of codes with constant weights.
fn integer_product(macs: f64, x: &TensorType, weights: Operand<'_>, channels: usize, output: &TensorType) -> Work {
    /// Multiply-accumulates in tiles of an exact Winograd that take as long as one of 16-bit codes: 1.2 of few channels, 1.8
    /// where the weights of a panel leave little of the first-level cache.
    const WIDE: f64 = 1.75;
    let (lo, hi) = weights.bounds;
    let mac = match x.dtype {
        DType::I16 => Work::of(Unit::Tiled, WIDE),
        _ if lo >= -SHORT && hi <= SHORT => Work::of(Unit::Short, 1.0),
        _ => Work::of(Unit::Integer, 1.0),
    };
    mac * (macs * rounded(channels, CHANNELS))
        + Work::of(Unit::Weight, bytes(weights.ty))
        + codes_read(x)
        + Work::of(Unit::Sum, elements(output))
}

/// Codes that an integer kernel reads.
fn codes_read(x: &TensorType) -> Work {
    Work::of(Unit::Code, elements(x)) + far(x)
}

/// An integer convolution in tiles of 2x2 outputs with transformed taps.
fn tiled_product(x: &TensorType, taps: &TensorType, output: &TensorType) -> Work {
    // Elements of a tile, and multiply-accumulates that take as long as transforming the windows of an input channel, the
    // sums of an output channel.
    const TILE: (f64, f64, f64) = (16.0, 36.0, 96.0);
    /// Channels of a register, which windows are transformed by.
    const REGISTER: usize = 16;
    let (elements_of, window, sums) = TILE;
    let outputs = taps.shape[0].next_multiple_of(CHANNELS) as f64;
    let inputs = taps.shape[1].next_multiple_of(REGISTER) as f64;
    let tiles = (output.shape[0] * output.shape[1].div_ceil(2) * output.shape[2].div_ceil(2)) as f64;
    let each = elements_of * taps.shape[1] as f64 * outputs + window * inputs + sums * outputs;
    Work::of(Unit::Tiled, tiles * each) + Work::of(Unit::Weight, bytes(taps)) + codes_read(x)
}

/// A product of floats with codes of weights, which become floats for every tile of rows.
fn coded_product(macs: f64, weights: &TensorType, output: &TensorType) -> Work {
    /// Rows of a tile.
    const ROWS: usize = 4;
    let columns = weights.shape[1];
    let rows = output.elements() / columns.max(1);
    let unpacked = (rows.div_ceil(ROWS) * weights.shape[0] * columns.next_multiple_of(CHANNELS)) as f64;
    Work::of(Unit::Float, macs * rounded(columns, CHANNELS))
        + Work::of(Unit::Unpack, unpacked)
        + Work::of(Unit::Weight, elements(weights) * weights.dtype.bits() as f64 / 8.0)
}

/// A product of float matrices, by which convolutions are computed, too.
#[derive(Debug, Clone, Copy)]
pub struct FloatProduct {
    /// How many products.
    pub batch: usize,
    /// Rows of the left operand.
    pub m: usize,
    /// Columns of the right one.
    pub n: usize,
    /// Columns of the left operand.
    pub k: usize,
    /// Whether the left operand is gathered from an activation first.
    pub gathers: bool,
}

impl FloatProduct {
    /// Its work: the product is written to memory, where its body reads it.
    pub fn work(&self) -> Work {
        let rows = (self.batch * self.m) as f64;
        let macs = rows * self.k as f64 * self.n.next_multiple_of(CHANNELS) as f64;
        let gathered = if self.gathers { rows * self.k as f64 } else { 0.0 };
        Work::of(Unit::Float, macs)
            + Work::of(Unit::Gather, gathered)
            + Work::of(Unit::Weight, 4.0 * (self.k * self.n) as f64)
            + Work::of(Unit::Byte, 4.0 * rows * self.n as f64)
    }
}

/// The products of a convolution, all groups together.
fn float_convolution(attrs: &Attrs, weights: &TensorType, output: &TensorType) -> FloatProduct {
    let filters = weights.shape[0];
    let groups = attrs.int("group").unwrap_or(1).max(1) as usize;
    let pixels = (output.elements() / filters.max(1)) as f64 * row_filling(attrs, weights, output);
    FloatProduct {
        batch: groups,
        m: pixels as usize,
        n: filters / groups,
        k: weights.shape[1..].iter().product(),
        gathers: groups != 1 || !is_pointwise(attrs, weights),
    }
}

/// Pixels of a row that take as long as one: of floats, whose sums wait for each other, and of codes.
const PIXELS: [usize; 2] = [4, 2];

/// Pixels that a channels-last convolution takes as long as, for each of its own: rows are filled up, unless all are one.
fn row_filling(attrs: &Attrs, weights: &TensorType, output: &TensorType) -> f64 {
    let pixels = PIXELS[usize::from(output.dtype != DType::F32)];
    if is_pointwise(attrs, weights) { 1.0 } else { rounded(output.shape[2], pixels) }
}

/// Whether every output pixel depends on one input pixel.
fn is_pointwise(attrs: &Attrs, weights: &TensorType) -> bool {
    let strides = attrs.ints("strides").unwrap_or(&[]);
    weights.shape[2..].iter().all(|&k| k == 1) && strides.iter().all(|&s| s == 1)
}

/// Bytes that a step of its own moves, read and written.
pub fn moved(bytes: usize) -> Work {
    Work::of(Unit::Launch, 1.0) + Work::of(Unit::Move, bytes as f64)
}

/// Bytes that a step of its own fills.
pub fn filled(bytes: usize) -> Work {
    Work::of(Unit::Launch, 1.0) + Work::of(Unit::Fill, bytes as f64)
}

/// Steps of a recurrent layer with so many outputs of units, each of five functions. Every weight is read for every step;
/// a reference evaluation has it as a double.
fn recurrent(macs: f64, units: f64, kernel: bool) -> Work {
    let (product, function) = if kernel { (2.5, Unit::Transcendental) } else { (19.0, Unit::Reference) };
    Work::of(Unit::Float, product * macs) + Work::of(function, 5.0 * units)
}

/// The smallest and the largest of so many floats, in a step of its own.
pub fn extremes(elements: usize) -> Work {
    let count = elements as f64;
    Work::of(Unit::Launch, 1.0) + Work::of(Unit::Byte, 4.0 * count) + Work::of(Unit::Cheap, count)
}

/// So many floats quantized by a scale and a zero-point known at run time, in a step of its own.
pub fn quantized(elements: usize) -> Work {
    let count = elements as f64;
    let arithmetic = Work::of(Unit::Divide, count) + Work::of(Unit::Cheap, count) + Work::of(Unit::Requantize, count);
    Work::of(Unit::Launch, 1.0) + Work::of(Unit::Byte, 5.0 * count) + arithmetic
}

/// An operator on its reference evaluation: all multiply-accumulates, or all elements of the largest tensor. Constants do not
/// count: what is done with all their elements are multiply-accumulates, and tables are read in places.
pub fn reference<'a>(macs: u64, tensors: impl Iterator<Item = &'a TensorType>) -> Work {
    Work::of(Unit::Launch, 1.0) + Work::of(Unit::Reference, tensors.map(elements).fold(macs as f64, f64::max))
}

/// How much longer it takes if a number is rounded up to a multiple.
fn rounded(number: usize, multiple: usize) -> f64 {
    number.next_multiple_of(multiple) as f64 / number.max(1) as f64
}

/// Largest weight of which two products with codes of 8 bits fit 16 bits.
const SHORT: f64 = 64.0;

fn is_fast(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::U8 | DType::I8)
}
