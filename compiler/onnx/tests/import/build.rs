//! A builder of small models.

use bytes::Bytes;
use prost::Message;
use qcc_diag::{Diagnostic, render};
use qcc_ir::Graph;
use qcc_onnx::proto::attribute_proto::AttributeType;
use qcc_onnx::proto::tensor_proto::DataType;
use qcc_onnx::proto::tensor_shape_proto::{Dimension, dimension};
use qcc_onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

/// A model of one graph.
pub fn model(opset: i64, graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(opset) }],
        graph: Some(graph),
        ..Default::default()
    }
}

/// Nodes that read `x` (f32 `[2,3,4,4]`) and give `y`.
pub fn from_x_to_y(nodes: impl IntoIterator<Item = NodeProto>) -> GraphProto {
    GraphProto {
        name: Some("g".into()),
        node: nodes.into_iter().collect(),
        input: vec![input("x", DataType::Float, &[2, 3, 4, 4])],
        output: vec![value("y")],
        ..Default::default()
    }
}

pub fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: Some(op.into()),
        name: Some(format!("my_{op}")),
        input: inputs.iter().map(|s| s.to_string()).collect(),
        output: outputs.iter().map(|s| s.to_string()).collect(),
        ..Default::default()
    }
}

/// Attributes and other parts, by chaining.
pub trait With: Sized {
    fn with(self, attribute: AttributeProto) -> Self;
    fn named(self, name: &str) -> Self;
}

impl With for NodeProto {
    fn with(mut self, attribute: AttributeProto) -> Self {
        self.attribute.push(attribute);
        self
    }

    fn named(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: Some(name.into()), r#type: Some(kind as i32), ..Default::default() }
}

pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i: Some(i), ..attribute(name, AttributeType::Int) }
}

pub fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f: Some(f), ..attribute(name, AttributeType::Float) }
}

pub fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { ints: ints.to_vec(), ..attribute(name, AttributeType::Ints) }
}

pub fn floats(name: &str, floats: &[f32]) -> AttributeProto {
    AttributeProto { floats: floats.to_vec(), ..attribute(name, AttributeType::Floats) }
}

pub fn tensor_attribute(name: &str, t: TensorProto) -> AttributeProto {
    AttributeProto { t: Some(t), ..attribute(name, AttributeType::Tensor) }
}

pub fn graph_attribute(name: &str, g: GraphProto) -> AttributeProto {
    AttributeProto { g: Some(g), ..attribute(name, AttributeType::Graph) }
}

/// Refers to an attribute of the function that the node stands in.
pub fn reference(name: &str, of: &str) -> AttributeProto {
    AttributeProto { ref_attr_name: Some(of.into()), ..attribute(name, AttributeType::Float) }
}

pub fn value(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.into()), ..Default::default() }
}

/// A graph input; dimension -1 is unknown.
pub fn input(name: &str, dtype: DataType, dims: &[i64]) -> ValueInfoProto {
    let dim = |&d| Dimension { value: Some(dimension::Value::DimValue(d)), denotation: None };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = type_proto::Tensor { elem_type: Some(dtype as i32), shape: Some(shape) };
    let ty = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: Some(name.into()), r#type: Some(ty), ..Default::default() }
}

pub fn tensor(name: &str, dtype: DataType, dims: &[i64]) -> TensorProto {
    TensorProto { name: Some(name.into()), data_type: Some(dtype as i32), dims: dims.to_vec(), ..Default::default() }
}

pub fn f32s(name: &str, dims: &[i64], data: &[f32]) -> TensorProto {
    TensorProto { float_data: data.to_vec(), ..tensor(name, DataType::Float, dims) }
}

pub fn i64s(name: &str, data: &[i64]) -> TensorProto {
    TensorProto { int64_data: data.to_vec(), ..tensor(name, DataType::Int64, &[data.len() as i64]) }
}

pub fn bytes(model: &ModelProto) -> Bytes {
    model.encode_to_vec().into()
}

pub fn import(model: &ModelProto) -> Result<Graph, Vec<Diagnostic>> {
    qcc_onnx::import_bytes(bytes(model), None)
}

/// The graph as text, or the diagnostics.
pub fn shown(result: Result<Graph, Vec<Diagnostic>>) -> String {
    match result {
        Ok(graph) => qcc_ir::print_graph(&graph),
        Err(errors) => rendered(&errors),
    }
}

/// The graph as text with types, or the diagnostics of import, binding or inference.
pub fn typed(model: &ModelProto) -> String {
    let result = import(model)
        .and_then(|graph| qcc_ir::bind(&graph, &Default::default()))
        .and_then(|graph| qcc_ir::infer(&graph));
    match result {
        Ok(graph) => qcc_ir::print(&graph),
        Err(errors) => rendered(&errors),
    }
}

fn rendered(errors: &[Diagnostic]) -> String {
    errors.iter().map(|e| render(e, &Default::default()) + "\n").collect()
}

/// One text of all cases, with their claims as headings.
pub fn gallery(cases: impl IntoIterator<Item = (&'static str, String)>) -> String {
    cases.into_iter().map(|(claim, text)| format!("--- {claim}\n{text}\n")).collect()
}
