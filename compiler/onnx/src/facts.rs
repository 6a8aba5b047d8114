//! What upgrades must know of a value before types are inferred: its element type and its rank.
//!
//! Inference needs concrete input shapes, which come later. These facts do not, and the few older forms whose meaning
//! depends on them (a bound of `Clip` in the type of its input, the axis of an old `Softmax`) ask only for them.

use qcc_ir::ValueId;
use qcc_ops::Attrs;
use qcc_tensor::{DType, Tensor};
use rustc_hash::FxHashMap;

/// What is known of one value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fact {
    /// Element type.
    pub(crate) dtype: Option<DType>,
    /// Number of axes.
    pub(crate) rank: Option<usize>,
}

/// What is known of each value.
pub(crate) type Facts = FxHashMap<ValueId, Fact>;

/// What follows for the outputs of a node from its inputs.
pub(crate) fn derive(op: &str, attrs: &Attrs, inputs: &[Fact], values: &[Option<&Tensor>]) -> Fact {
    let input = |i: usize| inputs.get(i).copied().unwrap_or_default();
    let value = |i: usize| values.get(i).copied().flatten();
    let first = input(0);
    let dtype = match op {
        "Cast" => attrs.dtype("to"),
        "Shape" | "ArgMax" | "ArgMin" => Some(DType::I64),
        "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "IsNaN" | "Not" | "And" | "Or" => {
            Some(DType::Bool)
        }
        "Where" | "DequantizeLinear" => input(1).dtype,
        "QuantizeLinear" => input(2).dtype.or(Some(DType::U8)),
        "ConstantOfShape" => input(1).dtype.or(Some(DType::F32)),
        "If" | "Loop" | "Scan" => None,
        _ => first.dtype,
    };
    let count = |i: usize| value(i).map(Tensor::elements);
    let broadcast = || inputs.iter().map(|f| f.rank).collect::<Option<Vec<_>>>().and_then(|r| r.into_iter().max());
    let rank = match op {
        "Relu" | "LeakyRelu" | "Sigmoid" | "HardSigmoid" | "HardSwish" | "Tanh" | "Erf" | "Gelu" | "Elu" | "Selu"
        | "Softplus" | "Clip" | "Cast" | "Identity" | "Dropout" | "BatchNormalization" | "LayerNormalization"
        | "Softmax" | "LogSoftmax" | "QuantizeLinear" | "DequantizeLinear" | "Transpose" | "Pad" | "Slice"
        | "Concat" | "Resize" | "AveragePool" | "MaxPool" | "GlobalAveragePool" | "GlobalMaxPool" | "PRelu"
        | "Sqrt" | "Exp" | "Log" | "Neg" | "Abs" | "Floor" | "Ceil" | "Round" | "Reciprocal" | "Split" | "Tile" => {
            first.rank
        }
        "Conv" | "ConvTranspose" => first.rank.or(input(1).rank),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Max" | "Min" | "Where" => broadcast(),
        "Gemm" | "Flatten" => Some(2),
        "Shape" => Some(1),
        "Reshape" | "Expand" | "ConstantOfShape" => count(if op == "ConstantOfShape" { 0 } else { 1 }),
        "Squeeze" => first.rank.zip(count(1)).and_then(|(r, n)| r.checked_sub(n)),
        "Unsqueeze" => first.rank.zip(count(1)).map(|(r, n)| r + n),
        "MatMul" => broadcast().filter(|_| inputs.iter().all(|f| f.rank >= Some(2))),
        "Gather" => first.rank.zip(input(1).rank).and_then(|(d, i)| (d + i).checked_sub(1)),
        _ if op.starts_with("Reduce") && attrs.int("keepdims").unwrap_or(1) == 1 => first.rank,
        _ => None,
    };
    Fact { dtype, rank }
}
