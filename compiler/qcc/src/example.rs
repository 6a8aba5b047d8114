//! The example built into the program: a network trained on Fashion-MNIST, quantized by training, with its float twin and
//! its test set, so that `qcc compile` shows something real with nothing else at hand.

use crate::arrays;
use crate::failure::Failure;
use qcc_ir::Graph;
use qcc_tensor::Tensor;

/// Name for messages.
pub const NAME: &str = "examples/models/fashion_resnet_qat.onnx";

const QUANTIZED: &[u8] = include_bytes!("../../../examples/models/fashion_resnet_qat.onnx");
const FLOAT: &[u8] = include_bytes!("../../../examples/models/fashion_resnet.onnx");
const TEST_SET: &[u8] = include_bytes!("../../../examples/models/fashion_test.npz");

/// The quantized network.
///
/// # Errors
/// None; it is imported like any file.
pub fn quantized() -> Result<Graph, Failure> {
    qcc_onnx::import_bytes(bytes::Bytes::from_static(QUANTIZED), None).map_err(Failure::Diagnostics)
}

/// The network it was made from.
///
/// # Errors
/// None.
pub fn float() -> Result<Graph, Failure> {
    qcc_onnx::import_bytes(bytes::Bytes::from_static(FLOAT), None).map_err(Failure::Diagnostics)
}

/// 2,000 images as the networks take them, `f32[2000,1,28,28]` with grey values in [0, 1], and their labels.
///
/// # Errors
/// None.
pub fn test_set() -> Result<(Tensor, Vec<i64>), Failure> {
    let arrays = arrays::npz(std::io::Cursor::new(TEST_SET), "fashion_test.npz")?;
    let array = |name: &str| arrays.iter().find(|(n, _)| n == name).map(|(_, t)| t);
    match (array("image"), array("label").and_then(Tensor::to_i64_vec)) {
        (Some(images), Some(labels)) => Ok((grey_values(images), labels)),
        _ => Err(Failure::Bug("the built-in test set has no `image` and `label`".into())),
    }
}

/// 8-bit grey values as floats in [0, 1].
pub fn grey_values(images: &Tensor) -> Tensor {
    let values = images.bytes().iter().map(|&p| f32::from(p) / 255.0).collect();
    Tensor::new(images.shape().iter().copied(), values)
}
