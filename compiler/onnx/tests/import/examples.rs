//! The repository's example models.

use qcc_ir::Bindings;
use std::path::{Path, PathBuf};

/// The one with an operator that only a rule file defines.
const WITH_OWN_OPERATOR: &str = "fashion_soft_relu.onnx";

fn models() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models");
    let mut models: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "onnx") && !path.ends_with(WITH_OWN_OPERATOR))
        .collect();
    models.sort();
    models
}

#[test]
fn all_import_and_have_types() {
    let models = models();
    assert!(!models.is_empty(), "there are no example models");
    for path in models {
        let graph = qcc_onnx::import_file(&path).unwrap_or_else(|e| panic!("{}: {e:#?}", path.display()));
        let symbolic = graph.inputs().iter().any(|&id| format!("{:?}", graph.input(id).dims).contains("Symbol"));
        let dims = if symbolic { vec![("N".to_string(), 1)] } else { vec![] };
        let bound = qcc_ir::bind(&graph, &Bindings { dims, shapes: vec![] })
            .unwrap_or_else(|e| panic!("{}: {e:#?}", path.display()));
        let typed = qcc_ir::infer(&bound).unwrap_or_else(|e| panic!("{}: {e:#?}", path.display()));
        qcc_ir::verify(&typed).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(qcc_ir::print(&typed).contains("Conv("));
    }
}

#[test]
fn an_operator_nobody_defines_is_named_with_what_to_write() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models").join(WITH_OWN_OPERATOR);
    let refused = format!("{:?}", qcc_onnx::import_file(&path).expect_err("nothing says what the operator computes"));
    assert!(refused.contains("SoftRelu") && refused.contains("def acme.vision::SoftRelu(x)"), "{refused}");
}
