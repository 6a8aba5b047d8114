//! Models that are broken: a clear error with the right exit code, never a panic.

use bytes::Bytes;
use qcc::failure::Failure;
use qcc_ir::{Bindings, infer};
use std::path::PathBuf;

fn example() -> Vec<u8> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/models/fashion_resnet_qat.onnx"));
    std::fs::read(path).expect("the example can be read")
}

fn import(bytes: Vec<u8>) -> Result<qcc_ir::Graph, Failure> {
    qcc_onnx::import_bytes(Bytes::from(bytes), None).map_err(Failure::Diagnostics)
}

#[test]
fn every_truncation_is_an_error_and_no_panic() {
    let whole = example();
    for length in (0..whole.len()).step_by(997) {
        let failure = import(whole[..length].to_vec()).expect_err("a truncated file is no model");
        assert_eq!(failure.exit_code(), 2, "{failure}");
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let whole = example();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % bytes.len();
            bytes[at] ^= (state >> 20) as u8 | 1;
        }
        // Either it still is a model, then it types or is refused; or it is refused at once.
        if let Ok(graph) = import(bytes)
            && let Ok(bound) = qcc_ir::bind(&graph, &Bindings::default())
        {
            let _ = infer(&bound);
        }
    }
}

#[test]
fn a_renamed_op_is_unsupported_and_named() {
    let mut bytes = example();
    let at = bytes.windows(7).position(|w| w == b"MaxPool").expect("the example has a MaxPool");
    let at =
        (at..bytes.len() - 7).rev().find(|&i| &bytes[i..i + 7] == b"MaxPool" && bytes[i - 2] == 0x22).unwrap_or(at);
    bytes[at..at + 7].copy_from_slice(b"MaxFool");
    let failure = import(bytes).expect_err("there is no MaxFool");
    assert_eq!(failure.exit_code(), 3, "{failure}");
    assert!(failure.to_string().contains("MaxFool"), "{failure}");
}
