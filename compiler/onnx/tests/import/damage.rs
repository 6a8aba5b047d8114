//! Damaged files are errors or other models, never panics.

use bytes::Bytes;
use std::path::Path;

/// Variants of the file; each takes a few milliseconds.
const VARIANTS: usize = 400;

/// What could go wrong later must not panic either: a damaged model that imports is typed.
fn compile(bytes: Vec<u8>) {
    let Ok(graph) = qcc_onnx::import_bytes(Bytes::from(bytes), None) else { return };
    let Ok(bound) = qcc_ir::bind(&graph, &Default::default()) else { return };
    let _ = qcc_ir::infer(&bound);
}

#[test]
fn flipped_and_truncated_files_never_panic() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/fashion_resnet_early_exit.onnx");
    let model = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut state = 1u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for variant in 0..VARIANTS {
        let mut damaged = model.clone();
        match variant % 4 {
            0 => damaged.truncate(random(model.len())),
            1 => damaged[..200].fill_with(|| random(256) as u8),
            _ => (0..=variant % 8).for_each(|_| damaged[random(model.len())] = random(256) as u8),
        }
        compile(damaged);
    }
}

/// Weights are most of a file, so damage to whole files seldom hits its structure; this model has none.
#[test]
fn every_single_damaged_byte_of_a_small_file_is_survived() {
    use crate::build::*;
    let graph = from_x_to_y([
        node("Pad", &["x"], &["p"]).with(ints("pads", &[0, 0, 1, 1, 0, 0, 1, 1])),
        node("Softmax", &["p"], &["s"]).with(int("axis", 1)),
        node("Split", &["s"], &["y", "z"]).with(int("axis", 2)),
    ]);
    let whole = bytes(&model(10, graph)).to_vec();
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, whole[at] ^ 1, whole[at].wrapping_add(8)] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            compile(damaged);
        }
    }
}
