//! Older forms of ops.

use crate::build::*;
use qcc_onnx::proto::tensor_proto::DataType;
use qcc_onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto};

fn one(opset: i64, node: NodeProto) -> ModelProto {
    model(opset, from_x_to_y([node]))
}

fn with_constants(opset: i64, node: NodeProto, constants: Vec<TensorProto>) -> ModelProto {
    model(opset, GraphProto { initializer: constants, ..from_x_to_y([node]) })
}

#[test]
fn older_forms_become_the_newest() {
    let half = |mut m: ModelProto| {
        m.graph.as_mut().expect("a graph").input[0] = input("x", DataType::Float16, &[2, 3]);
        m
    };
    let relu = |extra: NodeProto| from_x_to_y([node("Relu", &["x"], &["r"]), extra]);
    let batch_norm = || node("BatchNormalization", &["x", "s", "s", "s", "s"], &["y"]);
    let scale = || vec![f32s("s", &[3], &[1.0, 2.0, 3.0])];
    let two = |op: &str| node(op, &["x"], &["y", "z"]);
    let cases = [
        (
            "Clip-6: bounds are inputs",
            one(10, node("Clip", &["x"], &["y"]).with(float("min", 0.0)).with(float("max", 6.0))),
        ),
        ("Clip-6: only an upper bound", one(7, node("Clip", &["x"], &["y"]).with(float("max", 6.0)))),
        (
            "Clip-6: bounds have the type of the data",
            half(one(10, node("Clip", &["x"], &["y"]).with(float("min", 0.5)))),
        ),
        ("Clip-13 stays", with_constants(13, node("Clip", &["x", "", "max"], &["y"]), vec![f32s("max", &[], &[6.0])])),
        ("Dropout-7: the ratio is dropped", one(7, node("Dropout", &["x"], &["y"]).with(float("ratio", 0.5)))),
        (
            "Dropout-13 keeps its inputs",
            with_constants(13, node("Dropout", &["x", "r"], &["y"]), vec![f32s("r", &[], &[0.1])]),
        ),
        (
            "Pad-2: amounts and value are inputs",
            one(
                10,
                node("Pad", &["x"], &["y"]).with(ints("pads", &[0, 0, 1, 1, 0, 0, 1, 1])).with(float("value", 1.5)),
            ),
        ),
        (
            "Slice-1: ranges are inputs",
            one(
                9,
                node("Slice", &["x"], &["y"])
                    .with(ints("starts", &[1]))
                    .with(ints("ends", &[3]))
                    .with(ints("axes", &[2])),
            ),
        ),
        (
            "Slice-1 without axes",
            one(9, node("Slice", &["x"], &["y"]).with(ints("starts", &[0, 1])).with(ints("ends", &[1, 3]))),
        ),
        ("Unsqueeze-11: axes are an input", one(11, node("Unsqueeze", &["x"], &["y"]).with(ints("axes", &[0, 5])))),
        (
            "Squeeze-11 without axes",
            model(
                11,
                GraphProto {
                    input: vec![input("x", DataType::Float, &[1, 3])],
                    ..from_x_to_y([node("Squeeze", &["x"], &["y"])])
                },
            ),
        ),
        (
            "ReduceMean-13: axes are an input",
            one(13, node("ReduceMean", &["x"], &["y"]).with(ints("axes", &[2, 3])).with(int("keepdims", 0))),
        ),
        ("ReduceMax-13 over all axes", one(13, node("ReduceMax", &["x"], &["y"]))),
        ("ReduceSum-11", one(11, node("ReduceSum", &["x"], &["y"]).with(ints("axes", &[-1])))),
        ("Split-11: sizes are an input", one(11, two("Split").with(ints("split", &[1, 2])).with(int("axis", 1)))),
        ("Split-11: equal parts", one(11, two("Split").with(int("axis", 2)))),
        ("Split-13: equal parts", one(13, two("Split").with(int("axis", -1)))),
        (
            "BatchNormalization-7: attributes of training are dropped",
            with_constants(7, batch_norm().with(int("spatial", 1)).with(float("momentum", 0.9)), scale()),
        ),
        ("BatchNormalization-7: spatial = 0", with_constants(7, batch_norm().with(int("spatial", 0)), scale())),
        ("Upsample-7", one(7, node("Upsample", &["x"], &["y"]).with(floats("scales", &[1.0, 1.0, 2.0, 2.0])))),
        (
            "Upsample-9",
            with_constants(9, node("Upsample", &["x", "s"], &["y"]), vec![f32s("s", &[4], &[1.0, 1.0, 2.0, 2.0])]),
        ),
        (
            "Resize-10",
            with_constants(10, node("Resize", &["x", "s"], &["y"]), vec![f32s("s", &[4], &[1.0, 1.0, 2.0, 2.0])]),
        ),
        (
            "Resize-11: empty region and scales are absent",
            with_constants(
                11,
                node("Resize", &["x", "e", "e", "s"], &["y"]),
                vec![f32s("e", &[0], &[]), i64s("s", &[2, 3, 8, 8])],
            ),
        ),
        ("Softmax-11 over the last axis is the same", one(11, node("Softmax", &["x"], &["y"]).with(int("axis", 3)))),
        (
            "Softmax-11 over the last axis of a computed value",
            model(11, relu(node("Softmax", &["r"], &["y"]).with(int("axis", 3)))),
        ),
        ("Softmax-11 over several axes is flattened", one(11, node("Softmax", &["x"], &["y"]))),
        ("Softmax-13 stays", one(13, node("Softmax", &["x"], &["y"]).with(int("axis", 1)))),
        (
            "MaxPool: the order of unread positions is dropped",
            one(12, node("MaxPool", &["x"], &["y"]).with(ints("kernel_shape", &[2, 2])).with(int("storage_order", 1))),
        ),
        (
            "MaxPool: column-major positions",
            one(12, two("MaxPool").with(ints("kernel_shape", &[2, 2])).with(int("storage_order", 1))),
        ),
        ("Sum of three", one(13, node("Sum", &["x", "x", "x"], &["y"]))),
        ("Sum of one", one(13, node("Sum", &["x"], &["y"]))),
        (
            "Cast: the type is a number in the file",
            one(13, node("Cast", &["x"], &["y"]).with(int("to", DataType::Int8 as i64))),
        ),
        ("Cast to strings", one(13, node("Cast", &["x"], &["y"]).with(int("to", DataType::String as i64)))),
        ("Cast to nonsense", one(13, node("Cast", &["x"], &["y"]).with(int("to", 99)))),
        (
            "Gemm-7",
            model(
                7,
                GraphProto {
                    input: vec![input("x", DataType::Float, &[2, 3])],
                    initializer: vec![f32s("w", &[3, 1], &[1.0; 3]), f32s("b", &[1], &[0.0])],
                    ..from_x_to_y([node("Gemm", &["x", "w", "b"], &["y"])])
                },
            ),
        ),
        (
            "Add-7 broadcasts",
            with_constants(7, node("Add", &["x", "s"], &["y"]), vec![f32s("s", &[3, 1, 1], &[1.0, 2.0, 3.0])]),
        ),
        (
            "Add-6 broadcasts from an axis on",
            with_constants(
                6,
                node("Add", &["x", "s"], &["y"]).with(int("broadcast", 1)).with(int("axis", 1)),
                vec![f32s("s", &[3], &[1.0, 2.0, 3.0])],
            ),
        ),
        ("PRelu-6: a slope for each channel", with_constants(6, node("PRelu", &["x", "s"], &["y"]), scale())),
        ("BatchNormalization-6 in training", with_constants(6, batch_norm(), scale())),
        ("BatchNormalization-6", with_constants(6, batch_norm().with(int("is_test", 1)), scale())),
        ("Reshape-1", one(1, node("Reshape", &["x"], &["y"]).with(ints("shape", &[6, -1])))),
        ("Mean of two", one(13, node("Mean", &["x", "x"], &["y"]))),
    ];
    let shown = cases.into_iter().map(|(claim, model)| (claim, typed(&model)));
    insta::assert_snapshot!("upgrades", gallery(shown));
}

#[test]
fn constants_are_values() {
    let constant = |a| from_x_to_y([node("Constant", &[], &["c"]).with(a), node("Add", &["x", "c"], &["y"])]);
    let shape = || i64s("shape", &[2, 2]);
    let filled = |n: NodeProto| GraphProto { initializer: vec![shape()], ..from_x_to_y([n]) };
    let fill = || node("ConstantOfShape", &["shape"], &["y"]);
    let cases = [
        ("value", constant(tensor_attribute("value", f32s("", &[1], &[1.5])))),
        ("value_float", constant(float("value_float", 2.0))),
        ("value_floats", constant(floats("value_floats", &[1.0, 2.0, 3.0, 4.0]))),
        ("value_int, of another type than the data", constant(int("value_int", 3))),
        ("no value", from_x_to_y([node("Constant", &[], &["y"])])),
        (
            "a constant nobody reads is no node",
            from_x_to_y([node("Constant", &[], &["c"]).with(int("value_int", 3)), node("Relu", &["x"], &["y"])]),
        ),
        ("ConstantOfShape", filled(fill())),
        ("ConstantOfShape with a value", filled(fill().with(tensor_attribute("value", i64s("", &[7]))))),
        ("ConstantOfShape with two values", filled(fill().with(tensor_attribute("value", i64s("", &[7, 8]))))),
    ];
    let shown = cases.into_iter().map(|(claim, graph)| (claim, typed(&model(13, graph))));
    insta::assert_snapshot!("constants", gallery(shown));
}
