//! Older forms of ops, brought to the newest one.
//!
//! [`UPGRADES`] says for each op up to which operator set a form was used and how it becomes the next. A form that moved
//! from an attribute to an input becomes a constant input. Most upgrades change the call in place; a few replace it by
//! other nodes. Source: the change log of the ONNX operators (`docs/Changelog.md`).

mod axes;
mod broadcast;
mod clip;
mod constant;
mod dft;
mod dropout;
mod first_sets;
mod mean;
mod normalize;
mod pad;
mod pool;
mod quantized;
mod resize;
mod roi_align;
mod slice;
mod softmax;
mod split;
mod sum;
mod top_k;

use crate::scope::Scope;
use qcc_ir::ValueId;
use qcc_ops::{AttrValue, Attrs, OpError};
use qcc_tensor::Tensor;

pub(crate) use self::upgrade as newest;
pub(crate) use constant::constant;
pub(crate) use quantized::requantized;

/// A node of the file with its inputs resolved.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Name of the node.
    pub(crate) name: String,
    /// Name of the op.
    pub(crate) op: String,
    /// Operator set it is written for.
    pub(crate) version: i64,
    /// Attributes that are not tensors.
    pub(crate) attrs: Attrs,
    /// Attributes that are tensors.
    pub(crate) tensors: Vec<(String, Tensor)>,
    /// Inputs, without trailing absent ones.
    pub(crate) inputs: Vec<Option<ValueId>>,
    /// Number of outputs.
    pub(crate) outputs: usize,
}

impl Call {
    /// Input `i`, which must be there.
    fn input(&self, i: usize) -> Result<ValueId, OpError> {
        let missing = || OpError::invalid(format!("input {i} is missing"));
        self.inputs.get(i).copied().flatten().ok_or_else(missing)
    }

    /// Sets input `i`; inputs between become absent.
    fn set_input(&mut self, i: usize, value: ValueId) {
        if self.inputs.len() <= i {
            self.inputs.resize(i + 1, None);
        }
        self.inputs[i] = Some(value);
    }

    /// Removes a list of integers.
    fn take_ints(&mut self, name: &str) -> Result<Option<Vec<i64>>, OpError> {
        match self.attrs.remove(name) {
            None => Ok(None),
            Some(AttrValue::Ints(x)) => Ok(Some(x)),
            Some(other) => Err(OpError::invalid(format!("attribute `{name}` must be integers, got {other}"))),
        }
    }

    /// Removes a float.
    fn take_float(&mut self, name: &str) -> Result<Option<f32>, OpError> {
        match self.attrs.remove(name) {
            None => Ok(None),
            Some(AttrValue::Float(x)) => Ok(Some(x)),
            Some(other) => Err(OpError::invalid(format!("attribute `{name}` must be a float, got {other}"))),
        }
    }

    /// Moves a list of integers from an attribute to input `i`.
    fn ints_to_input(&mut self, name: &str, i: usize, scope: &mut Scope<'_>) -> Result<(), OpError> {
        if let Some(ints) = self.take_ints(name)? {
            let value = scope.constant(Tensor::new([ints.len()], ints));
            self.set_input(i, value);
        }
        Ok(())
    }
}

/// How a form becomes the next one.
enum Change {
    /// The call is changed.
    InPlace(fn(&mut Call, &mut Scope<'_>) -> Result<(), OpError>),
    /// The call becomes other nodes; the result is its outputs.
    Replace(fn(Call, &mut Scope<'_>) -> Result<Vec<ValueId>, OpError>),
}

use Change::{InPlace, Replace};

/// One form of an op.
struct Upgrade {
    op: &'static str,
    /// The form was used before this operator set.
    before: i64,
    change: Change,
}

const fn row(op: &'static str, before: i64, change: Change) -> Upgrade {
    Upgrade { op, before, change }
}

/// The form is that of every operator set so far, but qcc writes it in another way.
const EVER: i64 = i64::MAX;

/// All upgrades, applied from top to bottom.
static UPGRADES: &[Upgrade] = &[
    row("Add", 7, InPlace(broadcast::operands)),
    row("And", 7, InPlace(broadcast::operands)),
    row("Div", 7, InPlace(broadcast::operands)),
    row("Equal", 7, InPlace(broadcast::operands)),
    row("Greater", 7, InPlace(broadcast::operands)),
    row("Less", 7, InPlace(broadcast::operands)),
    row("Mul", 7, InPlace(broadcast::operands)),
    row("Or", 7, InPlace(broadcast::operands)),
    row("Pow", 7, InPlace(broadcast::operands)),
    row("Sub", 7, InPlace(broadcast::operands)),
    row("Xor", 7, InPlace(broadcast::operands)),
    row("BatchNormalization", 7, InPlace(first_sets::inference_only)),
    row("Concat", 4, InPlace(first_sets::concat)),
    row("DFT", 20, InPlace(dft::axis)),
    row("Dropout", 7, InPlace(first_sets::inference_only)),
    row("Gemm", 7, InPlace(broadcast::drop_flag)),
    row("PRelu", 7, InPlace(broadcast::slope)),
    row("Reshape", 5, InPlace(first_sets::reshape)),
    row("Tile", 6, InPlace(first_sets::tile)),
    row("BatchNormalization", EVER, InPlace(normalize::batch_normalization)),
    row("Clip", 11, InPlace(clip::bounds)),
    row("ConstantOfShape", EVER, InPlace(constant::of_shape)),
    row("Dropout", 12, InPlace(dropout::ratio)),
    row("GroupNormalization", 21, InPlace(normalize::group_normalization)),
    row("MaxPool", EVER, InPlace(pool::storage_order)),
    row("Mean", EVER, Replace(mean::quotient)),
    row("Pad", 11, InPlace(pad::attributes)),
    row("QLinearConv", EVER, Replace(quantized::conv)),
    row("QLinearMatMul", EVER, Replace(quantized::matmul)),
    row("ReduceL1", 18, InPlace(axes::to_input)),
    row("ReduceL2", 18, InPlace(axes::to_input)),
    row("ReduceLogSum", 18, InPlace(axes::to_input)),
    row("ReduceLogSumExp", 18, InPlace(axes::to_input)),
    row("ReduceMax", 18, InPlace(axes::to_input)),
    row("ReduceMean", 18, InPlace(axes::to_input)),
    row("ReduceMin", 18, InPlace(axes::to_input)),
    row("ReduceProd", 18, InPlace(axes::to_input)),
    row("ReduceSum", 13, InPlace(axes::to_input)),
    row("ReduceSumSquare", 18, InPlace(axes::to_input)),
    row("Upsample", 9, InPlace(resize::upsample_scales)),
    row("Upsample", EVER, InPlace(resize::upsample)),
    row("Resize", 11, InPlace(resize::without_modes)),
    row("Resize", EVER, InPlace(resize::drop_empty_inputs)),
    row("RoiAlign", 16, InPlace(roi_align::coordinates)),
    row(
        "Scatter",
        EVER,
        InPlace(|call, _| {
            call.op = "ScatterElements".to_string();
            Ok(())
        }),
    ),
    row("Slice", 10, InPlace(slice::attributes)),
    row("Split", 13, InPlace(split::sizes)),
    row("Split", 18, InPlace(split::count)),
    row("Squeeze", 13, InPlace(axes::to_input)),
    row("Sum", EVER, Replace(sum::chain)),
    row("TopK", 10, InPlace(top_k::k)),
    row("Unsqueeze", 13, InPlace(axes::to_input)),
    row("Hardmax", 13, Replace(softmax::over_flattened)),
    row("LogSoftmax", 13, Replace(softmax::over_flattened)),
    row("Softmax", 13, Replace(softmax::over_flattened)),
];

/// Whether calls of this op can be imported: it is in the registry, or an upgrade turns it into ops that are.
pub(crate) fn knows(op: &str, version: i64) -> bool {
    let renamed = match op {
        "Constant" => return true,
        "Sum" | "Mean" => "Add",
        "QLinearConv" => "ConvInteger",
        "QLinearMatMul" => "MatMulInteger",
        "Scatter" if version < 11 => "ScatterElements",
        "Upsample" if version < 10 => "Resize",
        op => op,
    };
    qcc_ops::find_in("", renamed).is_some()
}

/// Adds the nodes of a call to the graph and returns its outputs.
pub(crate) fn upgrade(mut call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    if call.version < 6 {
        first_sets::drop_consumed(&mut call);
    }
    for row in UPGRADES {
        if row.op == call.op && call.version < row.before {
            match row.change {
                InPlace(change) => change(&mut call, scope)?,
                Replace(change) => return change(call, scope),
            }
        }
    }
    emit(call, scope)
}

/// Adds the node of a call that is in the newest form.
fn emit(call: Call, scope: &mut Scope<'_>) -> Result<Vec<ValueId>, OpError> {
    if let Some((name, _)) = call.tensors.first() {
        return Err(OpError::unsupported(format!("its attribute `{name}`, a tensor")));
    }
    let outputs = call.outputs as u32;
    let id = scope.node(call, Vec::new())?;
    Ok((0..outputs).map(|i| id.output(i)).collect())
}
