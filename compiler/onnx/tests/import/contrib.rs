//! Quantized ops become integer cores and bodies.

use crate::build::*;
use qcc_onnx::proto::tensor_proto::DataType;
use qcc_onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto};

fn codes(name: &str, dims: &[i64], data: &[i32]) -> TensorProto {
    TensorProto { int32_data: data.to_vec(), ..tensor(name, DataType::Uint8, dims) }
}

fn quantized(domain: &str, node: NodeProto, shape: &[i64], constants: Vec<TensorProto>) -> ModelProto {
    let scale = |name: &str, s: f32| f32s(name, &[], &[s]);
    let zero = |name: &str, z: i32| codes(name, &[], &[z]);
    let mut initializer = vec![scale("xs", 0.5), zero("xz", 7), scale("ws", 0.25), zero("wz", 128)];
    initializer.extend([scale("ys", 1.0), zero("yz", 3), zero("ye", 4)]);
    initializer.extend(constants);
    let node = NodeProto { domain: Some(domain.to_string()), ..node };
    let input = vec![input("x", DataType::Uint8, shape)];
    model(13, GraphProto { input, initializer, ..from_x_to_y([node]) })
}

/// Two steps of one unit.
fn lstm() -> ModelProto {
    let names = ["x", "w", "r", "", "", "", "", "", "ws", "wz", "rs", "rz"];
    let node = node("DynamicQuantizeLSTM", &names, &["y"]).with(int("hidden_size", 1));
    let initializer = vec![
        codes("w", &[1, 2, 4], &[1, 2, 3, 4, 5, 6, 7, 8]),
        codes("r", &[1, 1, 4], &[9, 8, 7, 6]),
        f32s("ws", &[1], &[0.5]),
        codes("wz", &[1], &[3]),
        f32s("rs", &[1, 4], &[0.5, 0.25, 1.0, 2.0]),
        codes("rz", &[1, 4], &[7, 7, 8, 8]),
    ];
    let node = NodeProto { domain: Some("com.microsoft".into()), ..node };
    let input = vec![input("x", DataType::Float, &[2, 1, 2])];
    model(13, GraphProto { input, initializer, ..from_x_to_y([node]) })
}

#[test]
fn quantized_ops_become_cores_and_bodies() {
    let w = || codes("w", &[2, 2], &[1, 2, 3, 4]);
    let common = |node, shape: &[i64], constants| quantized("com.microsoft", node, shape, constants);
    let cases = [
        (
            "QLinearConv with a bias",
            quantized(
                "",
                node("QLinearConv", &["x", "xs", "xz", "k", "ws", "wz", "ys", "yz", "b"], &["y"]),
                &[1, 1, 3, 3],
                vec![
                    codes("k", &[1, 1, 2, 2], &[1, 2, 3, 4]),
                    TensorProto { int32_data: vec![9], ..tensor("b", DataType::Int32, &[1]) },
                ],
            ),
        ),
        (
            "QLinearMatMul",
            quantized(
                "",
                node("QLinearMatMul", &["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"], &["y"]),
                &[3, 2],
                vec![w()],
            ),
        ),
        (
            "QLinearAdd adds an odd zero-point before rounding",
            common(node("QLinearAdd", &["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"], &["y"]), &[2, 2], vec![w()]),
        ),
        (
            "QLinearAdd with an even zero-point",
            common(node("QLinearAdd", &["x", "xs", "xz", "w", "ws", "wz", "ys", "ye"], &["y"]), &[2, 2], vec![w()]),
        ),
        ("QLinearSigmoid", common(node("QLinearSigmoid", &["x", "xs", "xz", "ys", "yz"], &["y"]), &[2], vec![])),
        (
            "QLinearConcat",
            common(
                node("QLinearConcat", &["ys", "yz", "x", "xs", "xz", "w", "ws", "wz"], &["y"]).with(int("axis", 0)),
                &[2, 2],
                vec![w()],
            ),
        ),
        (
            "QGemm with values",
            common(
                node("QGemm", &["x", "xs", "xz", "w", "ws", "wz"], &["y"]).with(int("transB", 1)),
                &[3, 2],
                vec![w()],
            ),
        ),
        ("DynamicQuantizeLSTM with a scale for each unit of the recurrence", lstm()),
        ("an op of the domain that is not supported", common(node("BeamSearch", &["x"], &["y"]), &[2], vec![])),
    ];
    let shown = cases.into_iter().map(|(claim, model)| (claim, typed(&model)));
    insta::assert_snapshot!("contrib", gallery(shown));
}
