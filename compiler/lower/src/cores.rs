//! Cores and the generators that compute them.

use crate::body_of::Given;
use crate::fast::CoreCall;
use crate::halo::{self, Border};
use crate::kernels::Generated;
use crate::kernels::body::Body;
use crate::kernels::conv::{ConvSpec, MatMulSpec, conv_for, matmul_for};
use crate::kernels::depthwise_f32::{self, DepthwiseF32Spec};
use crate::kernels::layout::TensorLayout;
use crate::kernels::normalize::{self, NormalizeKind, NormalizeSpec};
use crate::kernels::pool::{self, PoolKind, PoolSpec};
use crate::kernels::product_codes::{self, ProductCodesSpec};
use crate::kernels::product_f32::{self, ProductF32Spec};
use crate::kernels::reduce::{self, ReduceSpec};
use crate::kernels::softmax::{self, SoftmaxSpec};
use crate::kernels::winograd;
use crate::lower::Walk;
use qcc_ir::{NodeId, ValueId};
use qcc_kernel::Width;
use qcc_kernel::program::BufferId;
use qcc_ops::Attrs;
use qcc_tensor::{DType, Tensor};

/// What a kernel is to do with the core's value.
pub struct Wanted<'n> {
    /// Name for dumps and profiles.
    pub name: &'n str,
    /// Where the result goes.
    pub output: TensorLayout,
    /// Applied to every value.
    pub body: Body,
}

/// A kernel and the buffer of its only run-time input.
type Kernel = Result<(Generated, BufferId), String>;

impl Walk<'_, '_> {
    /// The kernel of a core that is no float product.
    ///
    /// # Errors
    /// Why there is none.
    pub fn core_kernel(&mut self, core: &CoreCall<'_>, wanted: Wanted<'_>) -> Kernel {
        let x = core.inputs.first().copied().flatten().ok_or("the core has no input")?;
        match core.op.name {
            "IConv" => self.integer_convolution(core, x, wanted),
            "IWinograd" => self.winograd_convolution(core, x, wanted),
            "IMatMul" => self.integer_product(core, x, wanted),
            "Conv" if self.is_depthwise(core) => self.depthwise_convolution(core, x, wanted),
            "Conv" => self.float_convolution(core, x, wanted),
            "MatMul" => self.float_matrix_product(core, x, wanted),
            "CodedMatMul" => self.coded_product(core, x, wanted),
            "MaxPool" | "ISumPool" | "AveragePool" => self.pool(core, x, wanted),
            "IReduceSum" | "GlobalAveragePool" | "ReduceMean" | "ReduceSum" => self.whole_image(core, x, wanted),
            "Softmax" => self.softmax(core, x, wanted),
            "LayerNormalization" => self.normalisation(core, x, wanted),
            other => Err(format!("{other} has no kernel")),
        }
    }

    fn integer_convolution(&mut self, core: &CoreCall<'_>, x: ValueId, wanted: Wanted<'_>) -> Kernel {
        self.check_image(core, x)?;
        let w = self.weights(core)?;
        let (border, home, input) = self.windowed(core, x)?;
        let spec = ConvSpec {
            input,
            output: wanted.output,
            kernel: [w.shape()[2], w.shape()[3]],
            strides: two(core.attrs, "strides")?,
            dilations: two(core.attrs, "dilations")?,
            pads: pads(border),
            group: core.attrs.int("group").unwrap_or(1) as usize,
            weights: codes(&w),
            input_zero: self.zero_point(core, 2)?,
            weight_zero: self.weight_zero_points(core)?,
            bias: self.numbers(core, 4)?,
            input_range: self.code_range(x)?,
            body: wanted.body,
        };
        Ok((conv_for(&spec, self.options.target)?, home))
    }

    fn winograd_convolution(&mut self, core: &CoreCall<'_>, x: ValueId, wanted: Wanted<'_>) -> Kernel {
        self.check_image(core, x)?;
        let transformed = self.weights(core)?;
        let weights = winograd::taps(transformed.slice::<i16>()).ok_or("weights that are no transformed taps")?;
        let (border, home, input) = self.windowed(core, x)?;
        let spec = ConvSpec {
            input,
            output: wanted.output,
            kernel: [3; 2],
            strides: [1; 2],
            dilations: [1; 2],
            pads: pads(border),
            group: 1,
            weights,
            input_zero: self.zero_point(core, 2)?,
            weight_zero: vec![0],
            bias: self.numbers(core, 3)?,
            input_range: self.code_range(x)?,
            body: wanted.body,
        };
        Ok((winograd::generate(&spec, self.options.target)?, home))
    }

    fn integer_product(&mut self, core: &CoreCall<'_>, x: ValueId, wanted: Wanted<'_>) -> Kernel {
        let w = self.weights(core)?;
        if w.rank() != 2 {
            return Err("a product with a batch of weights".into());
        }
        let spec = MatMulSpec {
            input: self.layout(x)?,
            output: wanted.output,
            weights: codes(&w),
            input_zero: self.zero_point(core, 2)?,
            weight_zero: self.weight_zero_points(core)?,
            bias: self.numbers(core, 4)?,
            input_range: self.code_range(x)?,
            body: wanted.body,
        };
        Ok((matmul_for(&spec, self.options.target)?, self.homes[&x].buffer))
    }

    fn depthwise_convolution(&mut self, core: &CoreCall<'_>, x: ValueId, wanted: Wanted<'_>) -> Kernel {
        self.check_image(core, x)?;
        if core.inputs.get(2).copied().flatten().is_some() {
            return Err("a convolution with a bias of its own".into());
        }
        let w = self.weights(core)?;
        let (border, home, input) = self.windowed(core, x)?;
        let spec = DepthwiseF32Spec {
            name: wanted.name.into(),
            input,
            output: wanted.output,
            weights: w.slice::<f32>().to_vec(),
            kernel: [w.shape()[2], w.shape()[3]],
            strides: two(core.attrs, "strides")?,
            dilations: two(core.attrs, "dilations")?,
            pads: border.map_or([0; 2], |b| [b.halo.top, b.halo.left]),
            body: wanted.body,
        };
        Ok((depthwise_f32::generate(&spec, self.options.target.width)?, home))
    }

    fn float_convolution(&mut self, core: &CoreCall<'_>, x: ValueId, wanted: Wanted<'_>) -> Kernel {
        let w = self.weights(core)?;
        let (border, home, input) = self.windowed(core, x)?;
        let spec = ProductF32Spec {
            input,
            output: wanted.output,
            weights: w.slice::<f32>().to_vec(),
            kernel: [w.shape()[2], w.shape()[3]],
            strides: two(core.attrs, "strides")?,
            dilations: two(core.attrs, "dilations")?,
            pads: pads(border),
            group: core.attrs.int("group").unwrap_or(1) as usize,
            body: wanted.body,
        };
        Ok((product_f32::generate(&spec)?, home))
    }

    fn float_matrix_product(&mut self, core: &CoreCall<'_>, x: ValueId, wanted: Wanted<'_>) -> Kernel {
        let w = self.weights(core)?;
        let &[.., k, n] = w.shape() else { return Err("a product with a vector".into()) };
        let values = w.slice::<f32>();
        let spec = ProductF32Spec {
            input: self.layout(x)?,
            output: wanted.output,
            weights: (0..n).flat_map(|o| (0..k).map(move |i| values[i * n + o])).collect(),
            kernel: [1; 2],
            strides: [1; 2],
            dilations: [1; 2],
            pads: [0; 4],
            group: 1,
            body: wanted.body,
        };
        Ok((product_f32::generate(&spec)?, self.homes[&x].buffer))
    }

    fn coded_product(&mut self, core: &CoreCall<'_>, x: ValueId, wanted: Wanted<'_>) -> Kernel {
        let w = self.weights(core)?;
        let &[k, n] = w.shape() else { return Err("a product with a batch of weights".into()) };
        if w.elements() == 0 {
            return Err("a product without weights".into());
        }
        let scale = core.inputs.get(2).copied().flatten().and_then(|scale| self.constant_of(scale));
        let scale = scale.ok_or("scales that are run-time values")?;
        let axis = core.attrs.int("axis").unwrap_or(0);
        let block = match core.attrs.int("block_size").unwrap_or(0) as usize {
            0 if scale.elements() == 1 || axis == 1 => k,
            block if block > 0 && axis == 0 => block,
            _ => return Err("weights whose scales do not follow the columns".into()),
        };
        let count = k.div_ceil(block) * n;
        // One for all, or one for each place.
        let scales: Vec<f32> = scale.slice::<f32>().iter().copied().cycle().take(count).collect();
        let zeros = self.numbers(core, 3)?.into_iter().map(|zero| zero as i16);
        let zeros: Vec<i16> = if zeros.len() == 0 { vec![0; count] } else { zeros.collect() };
        let spec = ProductCodesSpec {
            input: self.layout(x)?,
            output: wanted.output,
            codes: codes(&w),
            bits: w.dtype().bits(),
            block,
            scales,
            zeros: zeros.into_iter().cycle().take(count).collect(),
            body: wanted.body,
        };
        Ok((product_codes::generate(&spec)?, self.homes[&x].buffer))
    }

    /// Whether a float product is computed in tiles: with constant weights that are no batch, where registers are wide.
    pub fn has_tiles(&self, core: &CoreCall<'_>) -> bool {
        let types = (core.inputs.first().copied().flatten(), core.inputs.get(1).copied().flatten());
        let (Some(x), Some(right)) = types else { return false };
        let (left, weights) = (self.graph.ty(x), self.graph.ty(right));
        let constant = self.constant_of(right).is_some() && weights.dtype == DType::F32 && weights.elements() > 0;
        let fits = match core.op.name {
            "Conv" => self.check_image(core, x).is_ok() && core.inputs.get(2).copied().flatten().is_none(),
            _ => left.rank() >= 2 && weights.rank() >= 2 && weights.shape[..weights.rank() - 2].iter().all(|&n| n == 1),
        };
        self.options.target.width == Width::V256 && constant && fits && left.elements() > 0
    }

    /// The border that windows read, and the input with it.
    fn windowed(
        &mut self,
        core: &CoreCall<'_>,
        x: ValueId,
    ) -> Result<(Option<Border>, BufferId, TensorLayout), String> {
        let zero = halo::zero_point(self.graph, core.op, core.inputs);
        let border = halo::border_of(core.op, core.attrs, zero, self.options.target.width)?;
        let (home, input) = self.bordered(x, border)?;
        Ok((border, home, input))
    }

    fn pool(&mut self, core: &CoreCall<'_>, x: ValueId, wanted: Wanted<'_>) -> Kernel {
        self.check_image(core, x)?;
        let (_, home, input) = self.windowed(core, x)?;
        let kind = match core.op.name {
            "MaxPool" => PoolKind::Max,
            "ISumPool" => PoolKind::Sum { zero_point: self.zero_point(core, 1)? },
            _ => PoolKind::Sum { zero_point: 0 },
        };
        let pads = core.attrs.ints("pads").unwrap_or(&[]);
        let &[top, left, ..] = pads else { return Err("a pool over other than two axes".into()) };
        let spec = PoolSpec {
            name: wanted.name.into(),
            kind,
            input,
            output: wanted.output,
            kernel: two(core.attrs, "kernel_shape")?,
            strides: two(core.attrs, "strides")?,
            dilations: two(core.attrs, "dilations")?,
            pads: [top.max(0) as usize, left.max(0) as usize],
            body: wanted.body,
        };
        Ok((pool::generate(&spec, self.options.target.width)?, home))
    }

    fn whole_image(&mut self, core: &CoreCall<'_>, x: ValueId, wanted: Wanted<'_>) -> Kernel {
        let input = self.layout(x)?;
        let zero_point = if core.op.name == "IReduceSum" { self.zero_point(core, 1)? } else { 0 };
        let output = TensorLayout { n: input.n, h: 1, w: 1, ..wanted.output };
        let spec = ReduceSpec { name: wanted.name.into(), input, zero_point, output, body: wanted.body };
        Ok((reduce::generate(&spec, self.options.target.width)?, self.homes[&x].buffer))
    }

    fn softmax(&mut self, core: &CoreCall<'_>, x: ValueId, wanted: Wanted<'_>) -> Kernel {
        if core.attrs.int("axis") != Some(self.graph.ty(x).rank() as i64 - 1) {
            return Err("a softmax along another axis than the last".into());
        }
        let (input, output) = (self.layout(x)?, wanted.output);
        let spec = SoftmaxSpec { name: wanted.name.into(), input, output, body: wanted.body };
        Ok((softmax::generate(&spec)?, self.homes[&x].buffer))
    }

    fn normalisation(&mut self, core: &CoreCall<'_>, x: ValueId, wanted: Wanted<'_>) -> Kernel {
        if core.attrs.int("axis") != Some(self.graph.ty(x).rank() as i64 - 1) {
            return Err("a normalisation of other axes than the last".into());
        }
        let scale = self.weights(core)?;
        let plain = scale.dtype() == DType::F32 && scale.slice::<f32>().iter().all(|&v| v == 1.0);
        if !plain || core.inputs.get(2).copied().flatten().is_some() {
            return Err("a normalisation with scale or bias of its own".into());
        }
        let kind = NormalizeKind::Layer { epsilon: core.attrs.float("epsilon").unwrap_or(1e-5) };
        let (input, output) = (self.layout(x)?, wanted.output);
        let spec = NormalizeSpec { name: wanted.name.into(), kind, input, output, body: wanted.body };
        Ok((normalize::generate(&spec)?, self.homes[&x].buffer))
    }

    fn check_image(&self, core: &CoreCall<'_>, x: ValueId) -> Result<(), String> {
        if core.attrs.str("layout") == Some("NHWC") && self.graph.ty(x).rank() == 4 {
            return Ok(());
        }
        Err(format!("{} that is not channels-last over two axes", core.op.name))
    }

    fn weights(&self, core: &CoreCall<'_>) -> Result<Tensor, String> {
        let w = core.inputs.get(1).copied().flatten().ok_or("the core has no weights")?;
        self.constant_of(w).cloned().ok_or_else(|| "the weights are a run-time value".into())
    }

    /// The integers of a constant input; none if it is absent.
    fn numbers(&self, core: &CoreCall<'_>, input: usize) -> Result<Vec<i32>, String> {
        let Some(value) = core.inputs.get(input).copied().flatten() else { return Ok(Vec::new()) };
        let tensor = self.constant_of(value).ok_or("a zero-point or bias is a run-time value")?;
        let numbers = tensor.to_i64_vec().ok_or("a zero-point that is no integer")?;
        Ok(numbers.into_iter().map(|v| v as i32).collect())
    }

    fn zero_point(&self, core: &CoreCall<'_>, input: usize) -> Result<i32, String> {
        Ok(self.numbers(core, input)?.first().copied().unwrap_or(0))
    }

    fn weight_zero_points(&self, core: &CoreCall<'_>) -> Result<Vec<i32>, String> {
        let zeros = self.numbers(core, 3)?;
        Ok(if zeros.is_empty() { vec![0] } else { zeros })
    }

    /// Whether a float convolution has one filter per channel.
    pub fn is_depthwise(&self, core: &CoreCall<'_>) -> bool {
        let types = (core.inputs.first().copied().flatten(), core.inputs.get(1).copied().flatten());
        let (Some(x), Some(w)) = types else { return false };
        let (x, w) = (self.graph.ty(x), self.graph.ty(w));
        let group = core.attrs.int("group").unwrap_or(1) as usize;
        core.op.name == "Conv"
            && x.dtype == DType::F32
            && group > 1
            && w.rank() == 4
            && w.shape[0] == group
            && w.shape[1] == 1
    }

    /// What the body of a core sees as the core's value.
    ///
    /// # Errors
    /// Windows or axes that no kernel reduces over.
    pub fn core_value(&self, core: &CoreCall<'_>, id: NodeId) -> Result<Given, String> {
        let x = core.inputs.first().copied().flatten().ok_or("the core has no input")?;
        let (input, attrs) = (self.graph.ty(x), core.attrs);
        let whole = || "a mean over other axes than the two of an image".to_string();
        match core.op.name {
            "AveragePool" => {
                let pads = attrs.ints("pads").unwrap_or(&[]).iter().any(|&p| p != 0);
                if pads || attrs.int("ceil_mode") != Some(0) {
                    return Err("a mean over windows of different sizes".into());
                }
                Ok(Given::Mean(two(attrs, "kernel_shape")?.iter().product()))
            }
            "GlobalAveragePool" if attrs.str("layout") == Some("NHWC") && input.rank() == 4 => {
                Ok(Given::Mean(input.shape[1] * input.shape[2]))
            }
            "GlobalAveragePool" => Err(whole()),
            "ReduceMean" | "ReduceSum" | "IReduceSum" => {
                let mean = core.op.name == "ReduceMean";
                let axes = match core.inputs.get(1).copied().flatten() {
                    Some(axes) if core.op.name != "IReduceSum" => self.constant_of(axes).and_then(Tensor::to_i64_vec),
                    _ => attrs.ints("axes").map(<[i64]>::to_vec),
                };
                let images = input.shape.first().copied();
                let keeps = attrs.int("keepdims") == Some(1) || images == Some(1);
                if input.rank() != 4 || !keeps || !matches!(axes.as_deref(), Some([1, 2] | [-3, -2])) {
                    return Err(whole());
                }
                debug_assert!(self.graph.ty(id.output(0)).elements().is_multiple_of(input.shape[3]));
                Ok(if mean { Given::Mean(input.shape[1] * input.shape[2]) } else { Given::Core })
            }
            _ => Ok(Given::Core),
        }
    }

    /// Proven bounds of the codes of a value.
    fn code_range(&self, value: ValueId) -> Result<(i32, i32), String> {
        match (self.homes[&value].range, self.graph.ty(value).dtype) {
            (Some(range), _) => Ok(range),
            (None, DType::U8) => Ok((0, 255)),
            (None, DType::I8) => Ok((-128, 127)),
            (None, DType::I16) => Ok((-32768, 32767)),
            (None, other) => Err(format!("codes of type {other}")),
        }
    }
}

/// An attribute with one positive number per axis of an image.
///
/// # Errors
/// Another number of axes.
pub fn two(attrs: &Attrs, name: &str) -> Result<[usize; 2], String> {
    match attrs.ints(name) {
        Some(&[a, b]) if a > 0 && b > 0 => Ok([a as usize, b as usize]),
        _ => Err(format!("{name} over other than two axes")),
    }
}

/// Padding as windows have it: top, left, bottom, right.
fn pads(border: Option<Border>) -> [usize; 4] {
    border.map_or([0; 4], |b| [b.halo.top, b.halo.left, b.halo.bottom, b.halo.right])
}

fn codes(tensor: &Tensor) -> Vec<i16> {
    match tensor.dtype() {
        DType::I8 | DType::I4 | DType::I2 => tensor.bytes().iter().map(|&v| i16::from(v as i8)).collect(),
        _ => tensor.bytes().iter().map(|&v| i16::from(v)).collect(),
    }
}
