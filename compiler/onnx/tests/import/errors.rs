//! Files that are broken, and sound files that need what qcc does not have.

use crate::build::*;
use bytes::Bytes;
use qcc_diag::Severity;
use qcc_onnx::proto::tensor_proto::DataType;
use qcc_onnx::proto::{GraphProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto, type_proto};

fn relu(from: &str, to: &str) -> NodeProto {
    node("Relu", &[from], &[to])
}

#[test]
fn every_problem_is_named() {
    let weights = || f32s("w", &[3], &[1.0, 2.0, 3.0]);
    let with = |initializer: Vec<TensorProto>, n: NodeProto| GraphProto { initializer, ..from_x_to_y([n]) };
    let add_w = || node("Add", &["x", "w"], &["y"]);
    let cases = [
        (
            "an op that is not supported, once for all its nodes",
            from_x_to_y([
                node("TfIdfVectorizer", &["x"], &["a"]).named("first"),
                node("TfIdfVectorizer", &["a"], &["b"]).named("second"),
                node("SequenceMap", &["a"], &["c"]),
                relu("b", "y"),
            ]),
        ),
        (
            "another domain",
            from_x_to_y([NodeProto { domain: Some("com.acme".into()), ..node("Warp", &["x"], &["y"]) }]),
        ),
        (
            "an op of qcc's own domain is none of the file's",
            from_x_to_y([NodeProto { domain: Some("qcc".into()), ..node("Flip", &["x"], &["y"]) }]),
        ),
        (
            "a cycle",
            from_x_to_y([
                relu("x", "a").named("before"),
                node("Add", &["a", "d"], &["b"]).named("one"),
                relu("b", "c").named("two"),
                relu("c", "d").named("three"),
                relu("d", "y").named("after"),
            ]),
        ),
        ("a node that reads itself", from_x_to_y([node("Add", &["x", "y"], &["y"])])),
        (
            "undefined inputs, all of them",
            from_x_to_y([node("Add", &["ghost", "spectre"], &["a"]), node("Mul", &["a", "phantom"], &["y"])]),
        ),
        ("an undefined output", from_x_to_y([relu("x", "z")])),
        ("no outputs", GraphProto { output: vec![], ..from_x_to_y([relu("x", "y")]) }),
        ("a name defined by two nodes", from_x_to_y([relu("x", "y"), node("Abs", &["x"], &["y"])])),
        ("a node that redefines an input", from_x_to_y([relu("x", "x"), relu("x", "y")])),
        ("an initializer twice", with(vec![weights(), weights()], add_w())),
        (
            "a graph input twice",
            GraphProto {
                input: vec![input("x", DataType::Float, &[1]), input("x", DataType::Float, &[1])],
                ..from_x_to_y([relu("x", "y")])
            },
        ),
        ("an element type that does not exist", with(vec![TensorProto { data_type: Some(77), ..weights() }], add_w())),
        ("an element type that is not supported", with(vec![tensor("w", DataType::Complex64, &[1])], add_w())),
        ("too few elements", with(vec![f32s("w", &[4], &[1.0])], add_w())),
        (
            "too few bytes",
            with(
                vec![TensorProto { raw_data: Some(Bytes::from_static(&[0; 7])), ..tensor("w", DataType::Float, &[2]) }],
                add_w(),
            ),
        ),
        ("a negative dimension", with(vec![f32s("w", &[-1], &[1.0])], add_w())),
        ("more elements than memory", with(vec![f32s("w", &[i64::MAX, i64::MAX], &[])], add_w())),
        ("many elements, no data", with(vec![f32s("w", &[1 << 40], &[])], add_w())),
        ("shapes that do not fit", with(vec![f32s("w", &[5], &[0.0; 5])], add_w())),
        ("an attribute of another kind", from_x_to_y([node("Flatten", &["x"], &["y"]).with(float("axis", 1.0))])),
        ("an attribute that the op does not have", from_x_to_y([relu("x", "y").with(int("slope", 1))])),
        (
            "an attribute twice",
            from_x_to_y([node("Flatten", &["x"], &["y"]).with(int("axis", 1)).with(int("axis", 2))]),
        ),
        ("an attribute without a value", from_x_to_y([node("Flatten", &["x"], &["y"]).with(Default::default())])),
        ("a missing input", from_x_to_y([node("Add", &["x"], &["y"])])),
        ("too many inputs", from_x_to_y([node("Relu", &["x", "x"], &["y"])])),
        ("too many outputs", from_x_to_y([node("Relu", &["x"], &["y", "z"])])),
        (
            "an input of strings",
            GraphProto { input: vec![input("x", DataType::String, &[1])], ..from_x_to_y([relu("x", "y")]) },
        ),
        ("an input without a type", GraphProto { input: vec![value("x")], ..from_x_to_y([relu("x", "y")]) }),
        ("an input that is a sequence", {
            let mut g = from_x_to_y([relu("x", "y")]);
            let ty = g.input[0].r#type.as_mut().expect("a type");
            ty.value = Some(type_proto::Value::SequenceType(Default::default()));
            g
        }),
    ];
    let shown = cases.into_iter().map(|(claim, graph)| (claim, typed(&model(13, graph))));
    insta::assert_snapshot!("errors", gallery(shown));
}

#[test]
fn the_file_around_the_graph_is_checked() {
    let sound = || model(13, from_x_to_y([relu("x", "y")]));
    let opset = |version: Option<i64>| {
        let mut m = sound();
        m.opset_import = version.map(|v| OperatorSetIdProto { domain: None, version: Some(v) }).into_iter().collect();
        shown(import(&m))
    };
    let raw = |bytes: &[u8]| shown(qcc_onnx::import_bytes(Bytes::copy_from_slice(bytes), None));
    let whole = bytes(&sound());
    let cases = [
        ("an empty file", raw(b"")),
        ("a text", raw(b"hello, this is no model")),
        ("half a model", raw(&whole[..whole.len() / 2])),
        ("no graph", raw(&bytes(&qcc_onnx::proto::ModelProto { graph: None, ..sound() }))),
        ("an impossible operator set", opset(Some(0))),
        ("a new operator set", opset(Some(99))),
        ("no operator set", opset(None)),
    ];
    insta::assert_snapshot!("files", gallery(cases));
    let missing = qcc_onnx::import_file(std::path::Path::new("no/such/model.onnx")).expect_err("no file");
    assert_eq!(missing[0].code, "unreadable-file");
}

#[test]
fn unsupported_is_told_from_broken() {
    let severity = |graph| import(&model(13, graph)).expect_err("a problem")[0].severity;
    assert_eq!(severity(from_x_to_y([node("TfIdfVectorizer", &["x"], &["y"])])), Severity::Unsupported);
    assert_eq!(severity(from_x_to_y([relu("ghost", "y")])), Severity::Error);
    // Errors come first: a broken file is broken whatever else it needs.
    assert_eq!(severity(from_x_to_y([node("TfIdfVectorizer", &["x"], &["z"]), relu("ghost", "y")])), Severity::Error);
}

#[test]
fn nodes_may_stand_in_any_order_and_names_are_kept() {
    let graph = from_x_to_y([
        relu("b", "y").named("last"),
        node("Abs", &["a"], &["b"]).named(""),
        relu("x", "a").named("first"),
    ]);
    let mut m = model(13, graph);
    m.metadata_props = vec![StringStringEntryProto { key: Some("labels".into()), value: Some("cat,dog".into()) }];
    insta::assert_snapshot!("order", shown(import(&m)));
}

#[test]
fn initializers_that_are_inputs_are_not_asked_for() {
    let graph = GraphProto {
        input: vec![input("x", DataType::Float, &[2, 3]), input("w", DataType::Float, &[3])],
        initializer: vec![f32s("w", &[3], &[1.0, 2.0, 3.0])],
        ..from_x_to_y([node("Mul", &["x", "w"], &["y"])])
    };
    let graph = import(&model(7, graph)).expect("a sound model");
    assert_eq!(graph.inputs().len(), 1);
}
