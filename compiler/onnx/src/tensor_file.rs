//! Single tensors as files: `.pb`, a `TensorProto`.

use crate::dtype;
use crate::external::ExternalData;
use crate::proto::TensorProto;
use crate::tensor;
use bytes::Bytes;
use prost::Message;
use qcc_diag::Diagnostic;
use qcc_tensor::Tensor;

const NOT_A_TENSOR: &str = "expected the bytes of an ONNX TensorProto; write it with `onnx.numpy_helper.from_array`";

/// The tensor in the bytes of a `.pb` file; `what` names it in messages.
///
/// # Errors
/// Bytes that are no tensor, or one of an element type that qcc does not have.
pub fn read_tensor(bytes: Bytes, what: &str) -> Result<Tensor, Diagnostic> {
    let proto = TensorProto::decode(bytes)
        .map_err(|e| Diagnostic::error("not-a-tensor", format!("{what} is no ONNX tensor: {e}")).help(NOT_A_TENSOR))?;
    tensor::read(&proto, what, &mut ExternalData::new(None))
}

/// The bytes of a `.pb` file with a tensor.
pub fn write_tensor(tensor: &Tensor, name: &str) -> Vec<u8> {
    let proto = TensorProto {
        dims: tensor.shape().iter().map(|&d| d as i64).collect(),
        data_type: Some(dtype::to_code(tensor.dtype())),
        name: Some(name.to_string()),
        raw_data: Some(tensor.to_packed()),
        ..TensorProto::default()
    };
    proto.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use qcc_tensor::{DType, TensorType};

    #[test]
    fn tensors_of_every_type_come_back() {
        for (dtype, _) in DType::ALL {
            let ty = TensorType::new(dtype, [3]);
            let tensor = Tensor::from_f64(dtype, ty.shape.iter().copied(), &[1.0, 0.0, 1.0]);
            let bytes = write_tensor(&tensor, "t");
            assert_eq!(read_tensor(bytes.into(), "t"), Ok(tensor));
        }
    }

    #[test]
    fn damaged_files_are_errors() {
        let bytes = write_tensor(&Tensor::scalar(1.0f32), "t");
        assert!(read_tensor(bytes[..bytes.len() - 1].to_vec().into(), "t").is_err());
    }
}
