//! `qcc-onnx`.
