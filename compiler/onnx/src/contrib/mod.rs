//! Quantized ops that the common runtime adds to the standard (domain `com.microsoft`), as ops of the standard.
//!
//! Each becomes values (`DequantizeLinear`), the op on values or an integer core, and codes again. Where its text adds the
//! zero-point before rounding, so does [`codes::zero_point_inside`]; the standard's `QuantizeLinear` adds it after.
//! Source: `docs/ContribOperators.md` of onnxruntime.

mod codes;
mod dynamic_quantize_lstm;
mod elementwise;
mod matmul_n_bits;
mod pool;
mod qgemm;
mod softmax;

use crate::scope::Scope;
use crate::upgrade::Call;
use qcc_ir::ValueId;
use qcc_ops::OpError;

/// The domain of these ops.
const DOMAIN: &str = "com.microsoft";

type Import = fn(Call, &mut Scope<'_>) -> Result<Vec<ValueId>, OpError>;

/// All ops that are imported, by name.
static OPS: &[(&str, Import)] = &[
    ("DequantizeLinear", codes::as_standard),
    ("DynamicQuantizeLSTM", dynamic_quantize_lstm::import),
    ("MatMulNBits", matmul_n_bits::import),
    ("QGemm", qgemm::import),
    ("QLinearAdd", elementwise::add),
    ("QLinearAveragePool", pool::average),
    ("QLinearConcat", elementwise::concat),
    ("QLinearGlobalAveragePool", pool::global_average),
    ("QLinearLeakyRelu", elementwise::leaky_relu),
    ("QLinearMul", elementwise::mul),
    ("QLinearSigmoid", elementwise::sigmoid),
    ("QLinearSoftmax", softmax::import),
    ("QuantizeLinear", codes::as_standard),
];

/// How calls of an op are imported; `None` if they are not.
pub(crate) fn find(domain: &str, op: &str) -> Option<Import> {
    OPS.iter().find(|(name, _)| domain == DOMAIN && *name == op).map(|(_, import)| *import)
}
