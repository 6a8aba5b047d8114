//! One graph of the file, and the graphs nested in it.

use crate::attribute;
use crate::contrib;
use crate::custom;
use crate::dtype::{self, BadType};
use crate::facts::Fact;
use crate::function::Planned;
use crate::model::{Import, NEWEST_OPSET, Opsets};
use crate::order;
use crate::proto::{
    AttributeProto, GraphProto, TypeProto, ValueInfoProto, tensor_shape_proto::dimension::Value as DimValue,
    type_proto::Value as TypeValue,
};
use crate::scope::{Lookup, Scope};
use crate::tensor;
use crate::upgrade::{self, Call};
use qcc_diag::Diagnostic;
use qcc_ir::{Dim, Graph, InputNode, ValueId};
use qcc_ops::{AttrValue, OpError};
use qcc_tensor::{DType, Tensor};
use std::rc::Rc;

/// The model's graph. Problems are collected in `import`; the graph is meaningful if there are none.
pub(crate) fn import_root(import: &mut Import<'_>, proto: &GraphProto, opsets: &Rc<Opsets>) -> Graph {
    let mut scope = Scope::new(Graph::new(proto.name()), None);
    define_constants(import, proto, &mut scope);
    for input in &proto.input {
        define_input(import, input, &mut scope);
    }
    if proto.output.is_empty() {
        import.errors.push(
            Diagnostic::error("no-outputs", "the model's graph has no outputs").help("a model must compute something"),
        );
    }
    import_nodes(import, proto, opsets, &mut scope);
    scope.graph
}

/// A nested graph whose inputs are its own and then `captures`.
fn import_region(
    import: &mut Import<'_>,
    proto: &GraphProto,
    opsets: &Rc<Opsets>,
    parent: &Scope<'_>,
    captures: &[(String, Fact)],
) -> Graph {
    let mut scope = Scope::new(Graph::new(proto.name()), Some(parent));
    for input in &proto.input {
        let fact = tensor_type(input.r#type.as_ref())
            .map_or(Fact::default(), |(dtype, dims)| Fact { dtype: dtype.ok(), rank: dims.map(|d| d.len()) });
        scope.define_capture(input.name(), fact);
    }
    for (name, fact) in captures {
        scope.define_capture(name, *fact);
    }
    define_constants(import, proto, &mut scope);
    import_nodes(import, proto, opsets, &mut scope);
    scope.graph
}

fn define_constants(import: &mut Import<'_>, proto: &GraphProto, scope: &mut Scope<'_>) {
    for init in &proto.initializer {
        let name = init.name();
        if scope.defines(name) {
            import.errors.push(duplicate(name, "an initializer"));
            continue;
        }
        match tensor::read(init, &format!("initializer `{name}`"), &mut import.external) {
            Ok(tensor) => scope.define_constant(name, tensor),
            Err(e) => {
                import.errors.push(e);
                scope.define_broken(name);
            }
        }
    }
    for sparse in &proto.sparse_initializer {
        let name = sparse.values.as_ref().map_or("", |v| v.name());
        let message = format!("initializer `{name}` is sparse, which is not supported yet");
        import.errors.push(Diagnostic::unsupported("sparse-tensor", message).help("store it as a dense tensor"));
        scope.define_broken(name);
    }
}

/// Inputs that are also initializers are defaults of old files: the initializer counts and nobody is asked.
fn define_input(import: &mut Import<'_>, proto: &ValueInfoProto, scope: &mut Scope<'_>) {
    let name = proto.name();
    if scope.defines(name) {
        if scope.graph.inputs().iter().any(|&id| scope.graph.input(id).name == name) {
            import.errors.push(duplicate(name, "a graph input"));
        }
        return;
    }
    let broken = match tensor_type(proto.r#type.as_ref()) {
        Ok((Ok(dtype), dims)) => {
            scope.define_input(InputNode { name: name.to_string(), dtype, dims });
            return;
        }
        Ok((Err(e @ BadType::Unsupported(_)), _)) => {
            Diagnostic::unsupported("unsupported-type", format!("graph input `{name}`: {e}")).help(BadType::HELP)
        }
        Ok((Err(e), _)) => Diagnostic::error("bad-type", format!("graph input `{name}`: {e}")),
        Err(None) => Diagnostic::error("bad-type", format!("graph input `{name}` has no type")),
        Err(Some(kind)) => {
            Diagnostic::unsupported("unsupported-type", format!("graph input `{name}` is a {kind}, not a tensor"))
        }
    };
    import.errors.push(broken);
    scope.define_broken(name);
}

type ElementType = Result<DType, BadType>;

/// Element type and dimensions of a tensor type; the error is what it is instead.
fn tensor_type(proto: Option<&TypeProto>) -> Result<(ElementType, Option<Vec<Dim>>), Option<&'static str>> {
    match proto.and_then(|t| t.value.as_ref()) {
        Some(TypeValue::TensorType(t)) => {
            let dim = |d: &Option<DimValue>| match d {
                Some(DimValue::DimValue(n)) => usize::try_from(*n).map_or_else(|_| unnamed(), Dim::Known),
                Some(DimValue::DimParam(s)) if !s.is_empty() => Dim::Symbol(s.clone()),
                _ => unnamed(),
            };
            let dims = t.shape.as_ref().map(|s| s.dim.iter().map(|d| dim(&d.value)).collect());
            Ok((dtype::from_code(t.elem_type()), dims))
        }
        Some(TypeValue::SequenceType(_)) => Err(Some("sequence")),
        Some(TypeValue::MapType(_)) => Err(Some("map")),
        Some(TypeValue::OptionalType(_)) => Err(Some("optional")),
        Some(TypeValue::SparseTensorType(_)) => Err(Some("sparse tensor")),
        Some(TypeValue::OpaqueType(_)) => Err(Some("opaque value")),
        None => Err(None),
    }
}

fn unnamed() -> Dim {
    Dim::Symbol("?".to_string())
}

fn duplicate(name: &str, what: &str) -> Diagnostic {
    Diagnostic::error("duplicate-name", format!("the name `{name}` of {what} is already taken by another value"))
        .help("every value of an ONNX graph is defined once")
}

fn import_nodes(import: &mut Import<'_>, proto: &GraphProto, opsets: &Rc<Opsets>, scope: &mut Scope<'_>) {
    for info in &proto.value_info {
        if let Ok((dtype, dims)) = tensor_type(info.r#type.as_ref()) {
            scope.hint(info.name(), Fact { dtype: dtype.ok(), rank: dims.map(|d| d.len()) });
        }
    }
    let nodes = match import.functions.plan(&proto.node, opsets) {
        Ok(nodes) => nodes,
        Err(e) => return import.errors.push(e),
    };
    let order = match order::topological(&nodes, |name| scope.defines(name)) {
        Ok(order) => order,
        Err(cycle) => return import.errors.push(cycle_error(&nodes, &cycle)),
    };
    for i in order {
        import_node(import, &nodes[i], scope);
    }
    for output in &proto.output {
        let name = output.name();
        match scope.lookup(name) {
            Lookup::Found(value) => scope.graph.add_output(name, value),
            Lookup::Broken => {}
            Lookup::Undefined => {
                let message = format!("graph output `{name}` is not defined by any node, input or initializer");
                let help = "every graph output must be a graph input, an initializer or the output of a node";
                import.errors.push(Diagnostic::error("undefined-output", message).help(help));
            }
        }
    }
}

fn cycle_error(nodes: &[Planned<'_>], cycle: &[usize]) -> Diagnostic {
    /// Nodes of a cycle that a message names; more do not help.
    const NAMED: usize = 6;
    let mut names: Vec<String> = cycle.iter().take(NAMED).map(|&i| nodes[i].what()).collect();
    if cycle.len() > NAMED {
        names.push(format!("{} more", cycle.len() - NAMED));
    }
    Diagnostic::error("cycle", format!("the graph has a cycle: {} -> the first again", names.join(" -> ")))
        .help("no node may need its own result")
}

fn import_node(import: &mut Import<'_>, node: &Planned<'_>, scope: &mut Scope<'_>) {
    let values = try_import_node(import, node, scope);
    if let Err(Some(e)) = &values {
        import.errors.push(e.clone());
    }
    for (i, name) in node.proto.output.iter().enumerate().filter(|(_, n)| !n.is_empty()) {
        if scope.defines(name) {
            import.errors.push(duplicate(name, &format!("output {i} of {}", node.what())));
            continue;
        }
        match &values {
            Ok(Imported::Constant(tensor)) if i == 0 => scope.define_constant(name, tensor.clone()),
            Ok(Imported::Values(values)) if i < values.len() => scope.define_value(name, values[i]),
            _ => scope.define_broken(name),
        }
    }
}

/// What a node became.
enum Imported {
    Constant(Tensor),
    Values(Vec<ValueId>),
}

/// `Err(None)` means that the problem is reported elsewhere: an input that is broken, an op that is not supported.
fn try_import_node(
    import: &mut Import<'_>,
    node: &Planned<'_>,
    scope: &mut Scope<'_>,
) -> Result<Imported, Option<Diagnostic>> {
    let what = node.what();
    let proto = &*node.proto;
    let op = proto.op_type();
    let inputs = resolve_inputs(import, node, scope);
    let version = node.opsets.version(node.domain());
    if import.definitions.defines(node.domain(), op)
        && let Some(values) = try_custom(import, node, &inputs, scope)?
    {
        return Ok(Imported::Values(values));
    }
    let contributed = contrib::find(node.domain(), op);
    let standard = node.domain().is_empty() && upgrade::knows(op, version.unwrap_or(NEWEST_OPSET));
    if !standard && contributed.is_none() {
        import.unsupported_op(node.domain(), op, &node.name);
        return Err(None);
    }
    if node.outputs() == 0 {
        // It computes nothing.
        return Ok(Imported::Values(Vec::new()));
    }
    let version = if contributed.is_some() { Some(NEWEST_OPSET) } else { version };
    let version = version.ok_or_else(|| {
        let message = format!("{what}: the model does not say which version of the standard operator set it uses");
        Some(Diagnostic::error("opset", message).help("`opset_import` must have an entry for the domain \"\""))
    })?;
    let attributes = attribute::read(&proto.attribute, &what, &mut import.external)?;
    let mut call = Call {
        name: node.name.clone(),
        op: op.to_string(),
        version,
        attrs: attributes.plain,
        tensors: attributes.tensors,
        inputs: inputs.ok_or(None)?,
        outputs: node.outputs(),
    };
    let failed = |e: OpError| Some(node_error(&what, e));
    if op == "Constant" {
        return upgrade::constant(&call).map(Imported::Constant).map_err(failed);
    }
    type_attributes(&mut call).map_err(failed)?;
    if let Some((_, graphs)) = NESTED.iter().find(|(name, _)| *name == op) {
        return import_nested(import, node, call, graphs, scope).map(Imported::Values);
    }
    if let Some((name, _)) = attributes.graphs.first() {
        let message = format!("{what}: its nested graph `{name}` is not supported yet");
        return Err(Some(Diagnostic::unsupported("unsupported-node", message)));
    }
    match contributed {
        Some(import) => import(call, scope).map(Imported::Values).map_err(failed),
        None => upgrade::upgrade(call, scope).map(Imported::Values).map_err(failed),
    }
}

/// The values of a node of another domain that somebody defines.
fn try_custom(
    import: &mut Import<'_>,
    node: &Planned<'_>,
    inputs: &Option<Vec<Option<ValueId>>>,
    scope: &mut Scope<'_>,
) -> Result<Option<Vec<ValueId>>, Option<Diagnostic>> {
    let Some(inputs) = inputs.clone() else { return Ok(None) };
    let what = node.what();
    let attributes = attribute::read(&node.proto.attribute, &what, &mut import.external)?;
    let call = Call {
        name: node.name.clone(),
        op: node.proto.op_type().to_string(),
        version: NEWEST_OPSET,
        attrs: attributes.plain,
        tensors: attributes.tensors,
        inputs,
        outputs: node.outputs(),
    };
    custom::import_custom(import, node.domain(), &what, &call, scope).transpose().map_err(Some)
}

pub(crate) fn node_error(what: &str, error: OpError) -> Diagnostic {
    match error {
        OpError::Invalid(m) => Diagnostic::error("invalid-node", format!("{what}: {m}")),
        OpError::Unsupported(m) => {
            Diagnostic::unsupported("unsupported-node", format!("{what}: not supported yet: {m}"))
        }
        OpError::Dynamic(m) | OpError::Limit(m) => Diagnostic::unsupported("unsupported-node", format!("{what}: {m}")),
    }
}

/// The node's inputs, without trailing absent ones; `None` if one of them is undefined or broken.
fn resolve_inputs(import: &mut Import<'_>, node: &Planned<'_>, scope: &mut Scope<'_>) -> Option<Vec<Option<ValueId>>> {
    let mut inputs = Vec::new();
    let mut whole = true;
    for (i, name) in node.proto.input.iter().enumerate() {
        if name.is_empty() {
            inputs.push(None);
            continue;
        }
        match scope.lookup(name) {
            Lookup::Found(value) => inputs.push(Some(value)),
            Lookup::Broken => whole = false,
            Lookup::Undefined => {
                whole = false;
                let message = format!("{}: its input {i}, `{name}`, is not defined", node.what());
                let help = "every input must be a graph input, an initializer or the output of another node";
                import.errors.push(Diagnostic::error("undefined-name", message).help(help));
            }
        }
    }
    while inputs.last() == Some(&None) {
        inputs.pop();
    }
    whole.then_some(inputs)
}

/// Attributes that hold an element type are integers in the file.
fn type_attributes(call: &mut Call) -> Result<(), OpError> {
    let Some(op) = qcc_ops::find_in("", &call.op) else { return Ok(()) };
    for def in op.attrs.iter().filter(|d| d.kind == qcc_ops::AttrKind::Type) {
        if let Some(code) = call.attrs.int(def.name) {
            call.attrs.remove(def.name);
            if code == 0 {
                continue;
            }
            let dtype = dtype::from_code(i32::try_from(code).unwrap_or(-1)).map_err(|e| match e {
                BadType::Unsupported(name) => OpError::unsupported(format!("the {name} in attribute `{}`", def.name)),
                BadType::Unknown(_) => OpError::invalid(format!("attribute `{}`: {e}", def.name)),
            })?;
            call.attrs.set(def.name, AttrValue::Type(dtype));
        }
    }
    Ok(())
}

/// Ops with nested graphs, and the attributes that hold them.
const NESTED: [(&str, &[&str]); 3] =
    [("If", &["then_branch", "else_branch"]), ("Loop", &["body"]), ("Scan", &["body"])];

/// Nested graphs become closed: what they read from outside is passed to them, except constants, which are copied.
fn import_nested(
    import: &mut Import<'_>,
    node: &Planned<'_>,
    mut call: Call,
    graphs: &[&str],
    scope: &mut Scope<'_>,
) -> Result<Vec<ValueId>, Option<Diagnostic>> {
    let what = node.what();
    let invalid = |message: String| Some(Diagnostic::error("invalid-node", format!("{what}: {message}")));
    let mut captured = Vec::new();
    for name in order::captures(&node.proto) {
        if scope.constant_named(name).is_some() {
            continue;
        }
        match scope.lookup(name) {
            Lookup::Found(value) => captured.push((name.to_string(), value)),
            Lookup::Broken => return Err(None),
            // The nested graph that reads the name reports it, with the node that needs it.
            Lookup::Undefined => {}
        }
    }
    let facts: Vec<(String, Fact)> =
        captured.iter().map(|(name, value)| (name.clone(), scope.fact(Some(*value)))).collect();
    let inputs = nested_inputs(&mut call, node.proto.input.len()).map_err(|e| Some(node_error(&what, e)))?;
    let before = import.errors.len() + import.unsupported.len();
    let mut regions = Vec::new();
    for name in graphs {
        let found: Option<&AttributeProto> = node.proto.attribute.iter().find(|a| a.name() == *name);
        let graph = found.and_then(|a| a.g.as_ref()).ok_or_else(|| invalid(format!("it has no `{name}`")))?;
        // The condition is an output of a loop's body but not of the loop.
        let outputs = call.outputs + usize::from(call.op == "Loop");
        if graph.input.len() != inputs || graph.output.len() < outputs {
            let (has_in, has_out) = (graph.input.len(), graph.output.len());
            let message =
                format!("its `{name}` must have {inputs} inputs and {outputs} outputs, it has {has_in} and {has_out}");
            return Err(invalid(message));
        }
        if call.op != "If" {
            call.outputs = graph.output.len() - usize::from(call.op == "Loop");
        } else if graph.output.len() != outputs {
            return Err(invalid(format!("its `{name}` must have {outputs} outputs, it has {}", graph.output.len())));
        }
        regions.push(import_region(import, graph, &node.opsets, scope, &facts));
    }
    if import.errors.len() + import.unsupported.len() > before {
        return Err(None);
    }
    if call.op != "If" {
        call.attrs.set("captures", AttrValue::Int(captured.len() as i64));
    }
    call.inputs.extend(captured.into_iter().map(|(_, value)| Some(value)));
    let outputs = call.outputs as u32;
    let id = scope.node(call, regions).map_err(|e| Some(node_error(&what, e)))?;
    Ok((0..outputs).map(|i| id.output(i)).collect())
}

/// Brings the inputs of a node with nested graphs to their number, and returns how many each nested graph must have.
fn nested_inputs(call: &mut Call, given: usize) -> Result<usize, OpError> {
    if call.op == "If" {
        return match call.inputs[..] {
            [Some(_)] => Ok(0),
            _ => Err(OpError::invalid("it must have one input, its condition")),
        };
    }
    call.inputs.resize(given.max(if call.op == "Loop" { 2 } else { 0 }), None);
    if call.op == "Scan" && call.version < 9 {
        return Err(OpError::unsupported("a Scan over batches (before operator set 9)"));
    }
    Ok(call.inputs.len())
}
