//! Local functions are expanded where they are called.

use crate::build::*;
use qcc_onnx::proto::{FunctionProto, ModelProto, NodeProto, OperatorSetIdProto};

fn call(name: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto { domain: Some("acme".into()), ..node(name, inputs, outputs) }
}

fn function(name: &str, inputs: &[&str], outputs: &[&str], nodes: Vec<NodeProto>) -> FunctionProto {
    FunctionProto {
        name: Some(name.into()),
        domain: Some("acme".into()),
        input: inputs.iter().map(|s| s.to_string()).collect(),
        output: outputs.iter().map(|s| s.to_string()).collect(),
        node: nodes,
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(10) }],
        ..Default::default()
    }
}

fn with(functions: Vec<FunctionProto>, nodes: Vec<NodeProto>) -> String {
    typed(&ModelProto { functions, ..model(17, from_x_to_y(nodes)) })
}

#[test]
fn calls_become_bodies() {
    let relu_n = || {
        let clip = node("Clip", &["r"], &["out"]).with(reference("max", "n"));
        let f = function("ReluN", &["in"], &["out"], vec![node("Relu", &["in"], &["r"]), clip]);
        FunctionProto { attribute: vec!["n".into()], ..f }
    };
    let twice = || {
        let inner = |from: &str, to: &str| call("ReluN", &[from], &[to]).with(float("n", 3.0));
        function("Twice", &["a"], &["b"], vec![inner("a", "r").named("one"), inner("r", "b").named("two")])
    };
    let forever = function("Forever", &["a"], &["b"], vec![call("Forever", &["a"], &["b"])]);
    let cases = [
        (
            "the attribute is passed, and the function's operator set counts",
            with(vec![relu_n()], vec![call("ReluN", &["x"], &["y"]).with(float("n", 6.0))]),
        ),
        ("an attribute that is not passed disappears", with(vec![relu_n()], vec![call("ReluN", &["x"], &["y"])])),
        (
            "a function calls a function; inner names stay apart",
            with(vec![relu_n(), twice()], vec![call("Twice", &["x"], &["y"])]),
        ),
        (
            "two calls of one name",
            with(vec![twice(), relu_n()], vec![call("Twice", &["x"], &["z"]), call("Twice", &["z"], &["y"])]),
        ),
        ("recursion", with(vec![forever], vec![call("Forever", &["x"], &["y"])])),
        ("an unknown function", with(vec![relu_n()], vec![call("Other", &["x"], &["y"])])),
    ];
    insta::assert_snapshot!("functions", gallery(cases));
}
