//! Branches of `If` are closed: what they read from outside is passed to them.

use crate::build::*;
use qcc_onnx::proto::tensor_proto::DataType;
use qcc_onnx::proto::{GraphProto, NodeProto, TensorProto};

fn branch(nodes: impl IntoIterator<Item = NodeProto>, output: &str) -> GraphProto {
    GraphProto {
        name: Some(format!("gives {output}")),
        node: nodes.into_iter().collect(),
        output: vec![value(output)],
        ..Default::default()
    }
}

fn choice(then: GraphProto, other: GraphProto) -> NodeProto {
    node("If", &["c"], &["y"]).with(graph_attribute("then_branch", then)).with(graph_attribute("else_branch", other))
}

fn with_condition(nodes: impl IntoIterator<Item = NodeProto>, initializer: Vec<TensorProto>) -> GraphProto {
    GraphProto {
        input: vec![input("x", DataType::Float, &[2]), input("c", DataType::Bool, &[])],
        initializer,
        ..from_x_to_y(nodes)
    }
}

#[test]
fn branches_receive_values_and_copy_constants() {
    let w = || vec![f32s("w", &[2], &[1.0, 2.0])];
    let relu = |from: &str, to: &str| node("Relu", &[from], &[to]);
    let inner = choice(branch([node("Mul", &["a", "b"], &["m"])], "m"), branch([relu("w", "n")], "n"));
    let inner = NodeProto { output: vec!["deep".into()], ..inner };
    let cases = [
        (
            "captures of both branches in order of first use",
            with_condition(
                [
                    relu("x", "a"),
                    node("Abs", &["x"], &["b"]),
                    choice(branch([relu("b", "t")], "t"), branch([node("Add", &["a", "b"], &["e"])], "e")),
                ],
                vec![],
            ),
        ),
        (
            "initializers and constants of the outer graph are copied",
            with_condition(
                [
                    node("Constant", &[], &["k"]).with(float("value_float", 3.0)),
                    choice(
                        branch([node("Mul", &["x", "w"], &["t"])], "t"),
                        branch([node("Mul", &["x", "k"], &["e"])], "e"),
                    ),
                ],
                w(),
            ),
        ),
        (
            "a branch has its own constants",
            with_condition(
                [choice(
                    GraphProto { initializer: w(), ..branch([node("Mul", &["x", "w"], &["t"])], "t") },
                    branch([relu("x", "e")], "e"),
                )],
                vec![],
            ),
        ),
        (
            "a branch that hands an outer value on",
            with_condition([choice(branch([], "x"), branch([relu("x", "e")], "e"))], vec![]),
        ),
        (
            "a branch in a branch",
            with_condition(
                [
                    relu("x", "a"),
                    node("Abs", &["x"], &["b"]),
                    choice(branch([inner], "deep"), branch([relu("a", "e")], "e")),
                ],
                w(),
            ),
        ),
        (
            "the node that gives the captured value may stand behind",
            with_condition(
                [choice(branch([relu("a", "t")], "t"), branch([relu("x", "e")], "e")), relu("x", "a")],
                vec![],
            ),
        ),
        (
            "an undefined value in a branch",
            with_condition([choice(branch([relu("ghost", "t")], "t"), branch([relu("x", "e")], "e"))], vec![]),
        ),
        (
            "branches of different shapes",
            with_condition(
                [choice(branch([node("Shape", &["x"], &["t"])], "t"), branch([relu("x", "e")], "e"))],
                vec![],
            ),
        ),
        (
            "a missing branch",
            with_condition(
                [node("If", &["c"], &["y"]).with(graph_attribute("then_branch", branch([relu("x", "t")], "t")))],
                vec![],
            ),
        ),
        (
            "an op that is not supported in a branch",
            with_condition(
                [choice(branch([node("TfIdfVectorizer", &["x"], &["t"])], "t"), branch([relu("x", "e")], "e"))],
                vec![],
            ),
        ),
    ];
    let shown = cases.into_iter().map(|(claim, graph)| (claim, typed(&model(17, graph))));
    insta::assert_snapshot!("nested", gallery(shown));
}

#[test]
fn bodies_of_loops_take_their_values_and_then_captures() {
    let body = GraphProto {
        input: vec![
            input("i", DataType::Int64, &[]),
            input("go", DataType::Bool, &[]),
            input("v", DataType::Float, &[2]),
        ],
        node: vec![node("Add", &["v", "x"], &["sum"]), node("Mul", &["sum", "w"], &["next"])],
        output: vec![value("go"), value("next"), value("sum")],
        ..Default::default()
    };
    let looped = |body: GraphProto, outputs: &[&str]| {
        let node = node("Loop", &["n", "", "x"], outputs).with(graph_attribute("body", body));
        let initializer = vec![f32s("w", &[2], &[1.0, 2.0]), i64s("n", &[3])];
        GraphProto { input: vec![input("x", DataType::Float, &[2])], initializer, ..from_x_to_y([node]) }
    };
    let fewer = GraphProto { output: vec![value("go")], ..body.clone() };
    let cases = [
        ("a slice and a value that goes around", looped(body.clone(), &["last", "y"])),
        ("an output nobody reads", looped(body, &["y"])),
        ("a body of too few outputs", looped(fewer, &["last", "y"])),
    ];
    let shown = cases.into_iter().map(|(claim, graph)| (claim, shown(import(&model(17, graph)))));
    insta::assert_snapshot!("loops", gallery(shown));
}
