//! Graphs as ONNX files.
//!
//! What is written is standard: operators of the internal domain, kernels and other layouts than that of ONNX are refused,
//! attributes that say what is the case anyway are left out. `Swish` is written as the product it stands for, because few
//! runtimes know it.

use crate::dtype;
use crate::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType, tensor_shape_proto::Dimension,
    tensor_shape_proto::dimension::Value as DimValue, type_proto, type_proto::Value as TypeValue,
};
use prost::Message;
use qcc_diag::Diagnostic;
use qcc_ir::{Node, NodeId, OpNode, TypedGraph, ValueId};
use qcc_ops::{AttrValue, Attrs, Default, Op};
use qcc_tensor::{Tensor, TensorType};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::hash_map::Entry;

/// Operator set of written files: the first in which `DequantizeLinear` says its type.
const OPSET: i64 = 21;

/// Version of the file format that goes with it.
const IR_VERSION: i64 = 10;

/// Operators that are younger than [`OPSET`].
const YOUNGER: &[(&str, i64)] = &[("RMSNormalization", 23)];

/// The bytes of an ONNX file with the graph.
///
/// # Errors
/// Nodes that ONNX cannot express, all of them.
pub fn export(graph: &TypedGraph) -> Result<Vec<u8>, Vec<Diagnostic>> {
    let mut names = Names::default();
    let mut errors = Vec::new();
    let mut opset = OPSET;
    let proto = graph_proto(graph, &FxHashMap::default(), &mut names, &mut opset, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let entry =
        |(key, value): &(String, String)| StringStringEntryProto { key: Some(key.clone()), value: Some(value.clone()) };
    let model = ModelProto {
        ir_version: Some(IR_VERSION),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(opset) }],
        producer_name: Some("qcc".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(proto),
        metadata_props: graph.graph().metadata.iter().map(entry).collect(),
        ..ModelProto::default()
    };
    Ok(model.encode_to_vec())
}

/// Names that are taken.
#[derive(Default)]
struct Names(FxHashSet<String>);

impl Names {
    /// A name like `wanted` that nobody has.
    fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_string();
        let mut n = 1;
        while !self.0.insert(name.clone()) {
            n += 1;
            name = format!("{wanted}_{n}");
        }
        name
    }
}

/// A graph. In a nested one, inputs are values of the graphs around it, whose names are `captured`.
fn graph_proto(
    graph: &TypedGraph,
    captured: &FxHashMap<ValueId, String>,
    names: &mut Names,
    opset: &mut i64,
    errors: &mut Vec<Diagnostic>,
) -> GraphProto {
    let g = graph.graph();
    let mut out = GraphProto {
        name: Some(if g.name.is_empty() { "graph".into() } else { g.name.clone() }),
        ..GraphProto::default()
    };
    let mut values: FxHashMap<ValueId, String> = captured.clone();
    for &id in g.inputs() {
        let value = id.output(0);
        if let Entry::Vacant(unnamed) = values.entry(value) {
            let name = names.fresh(&g.input(id).name);
            out.input.push(value_info(&name, graph.ty(value)));
            unnamed.insert(name);
        }
    }
    // A value that is computed here gets the name of the output it is; what else is an output is copied.
    let mut copies = Vec::new();
    for (name, value) in g.outputs() {
        let name = names.fresh(name);
        out.output.push(value_info(&name, graph.ty(*value)));
        let computed = matches!(g.node(value.node), Node::Op(_)) && !values.contains_key(value);
        if computed {
            values.insert(*value, name);
        } else {
            copies.push((*value, name));
        }
    }
    for id in g.node_ids() {
        match g.node(id) {
            Node::Input(_) => {}
            Node::Const(tensor) => {
                let name = names.fresh(&format!("constant_{}", id.0));
                out.initializer.push(tensor_proto(&name, tensor));
                values.insert(id.output(0), name);
            }
            Node::Op(node) => {
                for i in 0..node.outputs as u32 {
                    let wanted = if node.name.is_empty() { format!("{}_{}", node.op, id.0) } else { node.name.clone() };
                    values.entry(id.output(i)).or_insert_with(|| names.fresh(&wanted));
                }
                match written(graph, id, node, &values, names, opset, errors) {
                    Ok(nodes) => out.node.extend(nodes),
                    Err(e) => errors.push(e),
                }
            }
            Node::Fused(node) => errors.push(refused(&node.name, "a kernel")),
        }
    }
    for (value, name) in copies {
        let wanted = names.fresh("Identity");
        out.node.push(node_proto(&wanted, "Identity", vec![values[&value].clone()], vec![name]));
    }
    out
}

fn refused(name: &str, what: &str) -> Diagnostic {
    Diagnostic::unsupported("not-onnx", format!("node `{name}` is {what}, which ONNX files cannot hold"))
}

fn written(
    graph: &TypedGraph,
    id: NodeId,
    node: &OpNode,
    values: &FxHashMap<ValueId, String>,
    names: &mut Names,
    opset: &mut i64,
    errors: &mut Vec<Diagnostic>,
) -> Result<Vec<NodeProto>, Diagnostic> {
    let mut inputs: Vec<String> = node.inputs.iter().map(|v| v.map_or(String::new(), |v| values[&v].clone())).collect();
    let outputs: Vec<String> = (0..node.outputs as u32).map(|i| values[&id.output(i)].clone()).collect();
    let name = names.fresh(if node.name.is_empty() { node.op.name } else { &node.name });
    if !node.op.domain.is_empty() {
        return Err(refused(&node.name, &format!("the internal operator {}", node.op)));
    }
    if node.op.name == "Swish" && node.attrs.float("alpha").unwrap_or(1.0) == 1.0 {
        let gate = names.fresh(&format!("{name}_gate"));
        let sigmoid = node_proto(&gate, "Sigmoid", inputs.clone(), vec![gate.clone()]);
        return Ok(vec![sigmoid, node_proto(&name, "Mul", vec![inputs[0].clone(), gate], outputs)]);
    }
    if let Some((_, since)) = YOUNGER.iter().find(|(op, _)| *op == node.op.name) {
        *opset = (*opset).max(*since);
    }
    if !node.regions.is_empty() {
        inputs.truncate(1);
    }
    let mut proto = node_proto(&name, node.op.name, inputs, outputs);
    proto.attribute = attributes(node.op, &node.attrs)?;
    for (region, branch) in graph.regions(id).iter().zip(["then_branch", "else_branch"]) {
        let given = node.inputs.iter().skip(1).flatten();
        let captured = region.graph().inputs().iter().zip(given).map(|(r, v)| (r.output(0), values[v].clone()));
        let nested = graph_proto(region, &captured.collect(), names, opset, errors);
        proto.attribute.push(AttributeProto {
            name: Some(branch.into()),
            r#type: Some(AttributeType::Graph.into()),
            g: Some(nested),
            ..AttributeProto::default()
        });
    }
    Ok(vec![proto])
}

fn node_proto(name: &str, op: &str, mut inputs: Vec<String>, outputs: Vec<String>) -> NodeProto {
    while inputs.last().is_some_and(String::is_empty) {
        inputs.pop();
    }
    NodeProto {
        name: Some(name.into()),
        op_type: Some(op.into()),
        input: inputs,
        output: outputs,
        ..NodeProto::default()
    }
}

/// The attributes that are not what they are anyway.
fn attributes(op: Op, attrs: &Attrs) -> Result<Vec<AttributeProto>, Diagnostic> {
    let implied = |name: &str, value: &AttrValue| {
        let default = op.attrs.iter().find(|d| d.name == name).map(|d| d.default);
        match (default, value) {
            (Some(Default::Int(d)), AttrValue::Int(v)) => d == *v,
            (Some(Default::Float(d)), AttrValue::Float(v)) => d == *v,
            (Some(Default::Str(d)), AttrValue::Str(v)) => d == v,
            (Some(Default::Ints(d)), AttrValue::Ints(v)) => d == v,
            (Some(Default::Type(d)), AttrValue::Type(v)) => d == *v,
            // Runtimes that know older operators refuse what they do not know, even where it says nothing.
            (Some(Default::Computed), AttrValue::Ints(v)) if matches!(name, "strides" | "dilations") => {
                v.iter().all(|n| *n == 1)
            }
            (Some(Default::Computed), AttrValue::Ints(v)) if name == "pads" => v.iter().all(|n| *n == 0),
            // The zero-point says it.
            (_, AttrValue::Type(_)) => name == "output_dtype",
            _ => false,
        }
    };
    if attrs.str("layout").is_some_and(|l| l != "NCHW") {
        return Err(refused(op.name, "channels-last"));
    }
    let kept = attrs.iter().filter(|(name, value)| *name != "layout" && !implied(name, value));
    Ok(kept.map(|(name, value)| attribute(name, value)).collect())
}

fn attribute(name: &str, value: &AttrValue) -> AttributeProto {
    let mut out = AttributeProto { name: Some(name.into()), ..AttributeProto::default() };
    let kind = match value {
        AttrValue::Int(v) => {
            out.i = Some(*v);
            AttributeType::Int
        }
        AttrValue::Float(v) => {
            out.f = Some(*v);
            AttributeType::Float
        }
        AttrValue::Str(v) => {
            out.s = Some(v.clone().into_bytes().into());
            AttributeType::String
        }
        AttrValue::Ints(v) => {
            out.ints = v.clone();
            AttributeType::Ints
        }
        AttrValue::Floats(v) => {
            out.floats = v.clone();
            AttributeType::Floats
        }
        AttrValue::Strs(v) => {
            out.strings = v.iter().map(|s| s.clone().into_bytes().into()).collect();
            AttributeType::Strings
        }
        AttrValue::Type(v) => {
            out.i = Some(i64::from(dtype::to_code(*v)));
            AttributeType::Int
        }
    };
    out.r#type = Some(kind.into());
    out
}

fn tensor_proto(name: &str, tensor: &Tensor) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: tensor.shape().iter().map(|&d| d as i64).collect(),
        data_type: Some(dtype::to_code(tensor.dtype())),
        raw_data: Some(tensor.to_packed()),
        ..TensorProto::default()
    }
}

fn value_info(name: &str, ty: &TensorType) -> ValueInfoProto {
    let dim = |&d: &usize| Dimension { value: Some(DimValue::DimValue(d as i64)), ..Dimension::default() };
    let shape = TensorShapeProto { dim: ty.shape.iter().map(dim).collect() };
    let tensor = type_proto::Tensor { elem_type: Some(dtype::to_code(ty.dtype)), shape: Some(shape) };
    let ty = TypeProto { value: Some(TypeValue::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: Some(name.into()), r#type: Some(ty), ..ValueInfoProto::default() }
}
