//! What kernels cost, in nanoseconds.
//!
//! The numbers are those of one core of a current x86 CPU with 256-bit vectors. They need not be exact: they must rank
//! alternatives rightly, and the distances between a fast kernel, a pass over memory, and reference evaluation are large.

use crate::range::Range;
use qcc_dsl::{CostHint, RuleSet};
use qcc_ops::{Attrs, Op};
use qcc_tensor::{DType, Tensor, TensorType};

/// Rates of a machine.
#[derive(Debug, Clone, PartialEq)]
pub struct CostModel {
    /// Starting a kernel: handing out its ranges and reaching full speed (ns).
    pub launch_ns: f64,
    /// A multiply-accumulate of 8-bit codes with constant weights, channels last (ns); 18 of them a nanosecond.
    pub integer_mac_ns: f64,
    /// Share of [`integer_mac_ns`](Self::integer_mac_ns) that weights of 7 bits take: sums of several products fit 16 bits.
    pub short_weights: f64,
    /// What a product of transformed windows takes, in multiply-accumulates of codes: one where codes are multiplied as 16-bit
    /// numbers, too.
    pub winograd: f64,
    /// A multiply-accumulate of single-precision floats (ns).
    pub float_mac_ns: f64,
    /// A multiply-accumulate of a depthwise convolution, which reuses nothing (ns).
    pub depthwise_mac_ns: f64,
    /// An element that a window of a pool or a sum looks at (ns).
    pub window_ns: f64,
    /// A byte that is moved without computing with it (ns).
    pub move_ns: f64,
    /// A byte of transformed taps, which are read from memory (ns).
    pub taps_ns: f64,
    /// A byte that a kernel reads or writes beside its core's work (ns).
    pub byte_ns: f64,
    /// An element of an addition, a multiplication, a comparison, a (de)quantization in a body (ns).
    pub cheap_ns: f64,
    /// An element of a division or a square root (ns).
    pub divide_ns: f64,
    /// An element of an exponential, a logarithm, an error function (ns).
    pub transcendental_ns: f64,
    /// A look-up in a table of 256 entries (ns).
    pub lookup_ns: f64,
    /// An element of an operator that has no kernel and runs on its reference evaluation (ns). Convolutions and products
    /// on reference evaluation pay it for every multiply-accumulate.
    pub reference_ns: f64,
    /// A node that only gives bytes another shape (ns); not zero, so that fewer nodes are better.
    pub view_ns: f64,
    /// What rule files say about the work of operators.
    pub hints: Vec<CostHint>,
}

impl CostModel {
    /// With what the rule files of a rule set say about operators.
    pub fn hinted(self, rules: &RuleSet) -> Self {
        Self { hints: rules.costs.clone(), ..self }
    }

    /// For kernels that compute on registers of 256 bits; the default is for 128.
    pub fn wide() -> Self {
        let narrow = Self::default();
        Self {
            integer_mac_ns: 0.4 * narrow.integer_mac_ns,
            depthwise_mac_ns: 0.4 * narrow.depthwise_mac_ns,
            window_ns: 0.5 * narrow.window_ns,
            cheap_ns: 0.5 * narrow.cheap_ns,
            divide_ns: 0.5 * narrow.divide_ns,
            lookup_ns: 0.4 * narrow.lookup_ns,
            ..narrow
        }
    }
}

impl Default for CostModel {
    fn default() -> Self {
        Self {
            launch_ns: 400.0,
            integer_mac_ns: 0.055,
            short_weights: 0.65,
            winograd: 1.0,
            float_mac_ns: 0.06,
            depthwise_mac_ns: 0.25,
            window_ns: 0.15,
            move_ns: 0.1,
            taps_ns: 0.05,
            byte_ns: 0.15,
            cheap_ns: 0.1,
            divide_ns: 0.5,
            transcendental_ns: 4.0,
            lookup_ns: 0.6,
            reference_ns: 20.0,
            view_ns: 1.0,
            hints: Vec::new(),
        }
    }
}

/// An input of a kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand<'a> {
    /// Its type.
    pub(crate) ty: &'a TensorType,
    /// Whether it is a constant of the chosen graph.
    pub(crate) constant: bool,
    /// Its value, if it is known and small.
    pub(crate) value: Option<&'a Tensor>,
    /// Bounds of its elements.
    pub(crate) range: Range,
}

/// Operators whose result the body of a kernel can work on before it is stored.
pub(crate) fn is_core(op: Op) -> bool {
    matches!(
        op.name,
        "Conv"
            | "MatMul"
            | "IConv"
            | "IWinograd"
            | "IMatMul"
            | "MaxPool"
            | "AveragePool"
            | "GlobalAveragePool"
            | "ISumPool"
            | "IReduceSum"
            | "ReduceMean"
            | "Softmax"
    )
}

/// Operators that give the same bytes another shape.
pub(crate) fn is_view(op: Op) -> bool {
    matches!(op.name, "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Identity")
}

/// Operators that move elements, each with a kernel.
fn is_move(op: Op) -> bool {
    matches!(op.name, "Transpose" | "Slice" | "Concat" | "Pad" | "Expand")
}

fn elements(ty: &TensorType) -> f64 {
    ty.elements() as f64
}

fn bytes(ty: &TensorType) -> f64 {
    ty.bytes() as f64
}

impl CostModel {
    /// Reading or writing a value.
    pub(crate) fn traffic(&self, ty: &TensorType) -> f64 {
        bytes(ty) * self.byte_ns
    }

    /// An operator as a kernel of its own.
    pub(crate) fn kernel(&self, op: Op, attrs: &Attrs, inputs: &[Option<Operand<'_>>], outputs: &[TensorType]) -> f64 {
        if is_view(op) {
            return self.view_ns;
        }
        let read_and_written = || {
            let read: f64 = inputs.iter().flatten().filter(|i| !i.constant).map(|i| self.traffic(i.ty)).sum();
            read + outputs.iter().map(|t| self.traffic(t)).sum::<f64>()
        };
        if let Some(work) = self.hint(op, attrs, inputs, outputs) {
            return self.launch_ns + work + read_and_written();
        }
        let read =
            |rate: f64| -> f64 { inputs.iter().flatten().filter(|i| !i.constant).map(|i| bytes(i.ty) * rate).sum() };
        let written = |rate: f64| -> f64 { outputs.iter().map(|t| bytes(t) * rate).sum() };
        if is_core(op)
            && let Some(core) = self.core(op, attrs, inputs, &outputs[0])
        {
            return self.launch_ns + core + written(self.byte_ns);
        }
        if is_move(op) || op.name == "Resize" && attrs.str("mode") == Some("nearest") {
            return self.launch_ns + read(self.move_ns) + written(self.move_ns);
        }
        if op.elementwise
            && outputs.len() == 1
            && let Some(work) = self.body_op(op, inputs, &outputs[0])
        {
            return self.launch_ns + read(self.byte_ns) + written(self.byte_ns) + work;
        }
        let types: Vec<Option<&TensorType>> = inputs.iter().map(|i| i.map(|i| i.ty)).collect();
        let macs = (op.macs)(&types, outputs, attrs) as f64;
        let most = inputs.iter().flatten().map(|i| elements(i.ty)).chain(outputs.iter().map(elements));
        self.launch_ns + self.reference_ns * most.fold(macs, f64::max)
    }

    /// What a rule file says about the work of a call; never less than nothing.
    fn hint(&self, op: Op, attrs: &Attrs, inputs: &[Option<Operand<'_>>], outputs: &[TensorType]) -> Option<f64> {
        let hint = self.hints.iter().find(|hint| hint.op == op)?;
        let types: Vec<Option<&TensorType>> = inputs.iter().map(|i| i.map(|i| i.ty)).collect();
        let read: f64 = inputs.iter().flatten().filter(|i| !i.constant).map(|i| bytes(i.ty)).sum();
        let written: f64 = outputs.iter().map(bytes).sum();
        let macs = (op.macs)(&types, outputs, attrs) as f64;
        let work = hint.work.value(outputs.first().map_or(0.0, elements), read + written, macs);
        Some(if work.is_finite() { work.max(0.0) } else { 0.0 })
    }

    /// The core of a kernel: its arithmetic and the values it reads; `None` if no kernel has such a core.
    pub(crate) fn core(
        &self,
        op: Op,
        attrs: &Attrs,
        inputs: &[Option<Operand<'_>>],
        output: &TensorType,
    ) -> Option<f64> {
        let types: Vec<Option<&TensorType>> = inputs.iter().map(|i| i.map(|i| i.ty)).collect();
        let macs = (op.macs)(&types, std::slice::from_ref(output), attrs) as f64;
        let operand = |i: usize| inputs.get(i).copied().flatten();
        let read: f64 = inputs.iter().flatten().filter(|i| !i.constant).map(|i| bytes(i.ty) * self.byte_ns).sum();
        let (x, weights) = (operand(0)?, operand(1));
        let image = attrs.str("layout") == Some("NHWC") && x.ty.rank() == 4 && is_fast(x.ty.dtype);
        let rest_constant = inputs.iter().skip(1).flatten().all(|i| i.constant);
        let pads = attrs.ints("pads").unwrap_or(&[]).iter().any(|&p| p != 0);
        let work = match op.name {
            // A float convolution's bias is a matter of the body.
            "Conv" if operand(2).is_some() => return None,
            "Conv" | "IConv" if image && rest_constant => {
                let rate = if op.name == "IConv" { self.integer_rate(weights?) } else { self.float_mac_ns };
                // A float product is written and read once more before its body.
                let float = if op.name == "Conv" { 2.0 * bytes(output) * self.byte_ns } else { 0.0 };
                let depthwise = attrs.int("group") != Some(1) && weights?.ty.shape.get(1) == Some(&1);
                float + macs * if depthwise { self.depthwise_mac_ns } else { rate }
            }
            "IWinograd" if image && rest_constant => self.winograd(weights?, output),
            "IMatMul" if rest_constant && weights?.ty.rank() == 2 => macs * self.integer_rate(weights?),
            "MatMul" if x.ty.dtype == DType::F32 => macs * self.float_mac_ns,
            // Windows at a padded border have fewer elements.
            "AveragePool" if pads || attrs.int("ceil_mode") != Some(0) => return None,
            "MaxPool" | "AveragePool" | "ISumPool" if image => {
                let window: i64 = attrs.ints("kernel_shape").unwrap_or(&[]).iter().product();
                elements(output) * window as f64 * self.window_ns
            }
            "Softmax" if x.ty.dtype == DType::F32 && attrs.int("axis") == Some(x.ty.rank() as i64 - 1) => {
                elements(x.ty) * self.transcendental_ns
            }
            "GlobalAveragePool" if image => elements(x.ty) * self.window_ns,
            // Everything between the batch and the channels is summed.
            "IReduceSum" | "ReduceMean" if x.ty.rank() == 4 && is_fast(x.ty.dtype) => {
                let axes = match (op.name, weights) {
                    ("ReduceMean", Some(axes)) => axes.value.and_then(Tensor::to_i64_vec)?,
                    _ => attrs.ints("axes")?.to_vec(),
                };
                let keeps = attrs.int("keepdims") == Some(1) || x.ty.shape[0] == 1;
                if !keeps || !matches!(axes[..], [1, 2] | [-3, -2]) {
                    return None;
                }
                elements(x.ty) * self.window_ns
            }
            _ => return None,
        };
        let hinted = self.hint(op, attrs, inputs, std::slice::from_ref(output));
        Some(hinted.unwrap_or(work) + read)
    }

    /// The arithmetic of an integer convolution in tiles of 2x2 outputs with transformed taps.
    fn winograd(&self, taps: Operand<'_>, output: &TensorType) -> f64 {
        // Elements of a tile, and multiply-accumulates that take as long as transforming the windows of an input channel, the
        // sums of an output channel.
        const TILE: (f64, f64, f64) = (16.0, 36.0, 96.0);
        let (elements, window, sums) = TILE;
        // Channels of a register, which windows are transformed by.
        let inputs = taps.ty.shape[1].next_multiple_of(16) as f64;
        let outputs = taps.ty.shape[0] as f64;
        let tiles = output.shape[0] * output.shape[1].div_ceil(2) * output.shape[2].div_ceil(2);
        let products = elements * taps.ty.shape[1] as f64 * outputs * self.winograd;
        let tile = self.integer_mac_ns * (products + window * inputs + sums * outputs);
        // Transformed taps are many bytes, which few tiles do not pay for.
        tiles as f64 * tile + bytes(taps.ty) * self.taps_ns
    }

    /// A multiply-accumulate with weights (ns).
    fn integer_rate(&self, weights: Operand<'_>) -> f64 {
        let Range { lo, hi } = weights.range;
        self.integer_mac_ns * if lo >= -SHORT && hi <= SHORT { self.short_weights } else { 1.0 }
    }

    /// An operator in the body of a kernel, for all elements of its result; `None` if no body can hold it.
    pub(crate) fn body_op(&self, op: Op, inputs: &[Option<Operand<'_>>], output: &TensorType) -> Option<f64> {
        let known = |d: DType| is_fast(d) || d == DType::I32;
        let first = inputs.iter().flatten().next().map(|i| i.ty.dtype);
        if !known(output.dtype) || !first.is_none_or(known) {
            return None;
        }
        // Scales, zero-points, limits and tables are parts of the code.
        let parameters = matches!(op.name, "QuantizeLinear" | "DequantizeLinear" | "Requantize" | "Lookup" | "Clip");
        if parameters && !inputs.iter().skip(1).flatten().all(|i| i.constant) {
            return None;
        }
        let rate = match op.name {
            "Add" | "Sub" | "Mul" | "Neg" | "Abs" | "Min" | "Max" | "Relu" | "Clip" | "Identity" | "Floor" | "Ceil"
            | "Round" | "HardSigmoid" | "HardSwish" | "LeakyRelu" | "DequantizeLinear" | "Requantize" => self.cheap_ns,
            "Cast" if output.dtype == DType::F32 => self.cheap_ns,
            // A true division.
            "Div" | "Sqrt" | "Reciprocal" => self.divide_ns,
            "QuantizeLinear" => self.divide_ns + self.cheap_ns,
            "Exp" | "Sigmoid" | "Tanh" | "Erf" | "Gelu" => self.transcendental_ns,
            // Tables of codes; wider entries are not looked up by vectors.
            "Lookup" | "Flip" if output.dtype.size() == 1 => self.lookup_ns,
            _ => return None,
        };
        // Operators in bodies multiply nothing up, so that their attributes do not count.
        let hinted = self.hint(op, &Attrs::default(), inputs, std::slice::from_ref(output));
        Some(hinted.unwrap_or(rate * elements(output)))
    }
}

/// Largest weight of which two products with codes of 8 bits fit 16 bits.
const SHORT: f64 = 64.0;

fn is_fast(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::U8 | DType::I8)
}
