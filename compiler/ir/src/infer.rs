//! Types for every value.

use crate::{Dim, Graph, Node, NodeId, OpNode, ValueId};
use qcc_diag::Diagnostic;
use qcc_ops::{InferInput, OpError};
use qcc_tensor::{Tensor, TensorType};
use rustc_hash::{FxHashMap, FxHashSet};

/// Largest number of elements of a value that inference computes so that shapes, axes and pads are known: shape
/// arithmetic works on vectors of a handful of elements, weights have thousands.
const KNOWN_ELEMENTS: usize = 1024;

/// Code of the diagnostic that says that a type follows from values that are known at run time only.
pub const DYNAMIC: &str = "dynamic-shape";

/// A graph whose every value has a concrete type and whose attributes are canonical.
#[derive(Debug, Clone)]
pub struct TypedGraph {
    graph: Graph,
    types: FxHashMap<ValueId, TensorType>,
    /// Constants, and small values that follow from constants and shapes.
    values: FxHashMap<ValueId, Tensor>,
    /// Types of the nested graphs' nodes, by node, in the order of its regions (a fused node's body is its only region).
    regions: FxHashMap<NodeId, Vec<TypedGraph>>,
}

impl TypedGraph {
    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Type of a value.
    pub fn ty(&self, value: ValueId) -> &TensorType {
        &self.types[&value]
    }

    /// The value itself, if it is a constant, or small and follows from constants and shapes alone.
    pub fn value(&self, value: ValueId) -> Option<&Tensor> {
        self.values.get(&value)
    }

    /// The typed nested graphs of a node.
    pub fn regions(&self, node: NodeId) -> &[TypedGraph] {
        self.regions.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Types of the outputs, in order.
    pub fn output_types(&self) -> Vec<&TensorType> {
        self.graph.outputs().iter().map(|(_, v)| self.ty(*v)).collect()
    }
}

/// Types every value; attributes become canonical. Input dimensions must be known ([`crate::bind`]).
///
/// Values that follow from constants and shapes alone (shape arithmetic) are computed on the way, because other shapes
/// depend on them; the graph keeps its nodes, folding them is the business of rules.
///
/// # Errors
/// Every node that cannot be typed, with its name; nodes that depend on it are not reported.
pub fn infer(graph: &Graph) -> Result<TypedGraph, Vec<Diagnostic>> {
    infer_or_defer(graph, None)
}

/// As [`infer`]; nodes whose types follow from values that are known at run time only, and those that read them, are
/// collected in `deferred`, with the reason, instead of being errors.
pub(crate) fn infer_or_defer(
    graph: &Graph,
    mut deferred: Option<&mut Vec<(NodeId, String)>>,
) -> Result<TypedGraph, Vec<Diagnostic>> {
    let mut late: FxHashSet<NodeId> = FxHashSet::default();
    let mut out = TypedGraph {
        graph: graph.clone(),
        types: FxHashMap::default(),
        values: FxHashMap::default(),
        regions: FxHashMap::default(),
    };
    let mut errors = Vec::new();
    for id in graph.node_ids() {
        match graph.node(id) {
            Node::Input(input) => match concrete(&input.dims) {
                Some(shape) => {
                    let ty = TensorType::new(input.dtype, shape);
                    if ty.fits_memory() {
                        out.types.insert(id.output(0), ty);
                    } else {
                        let help = "give it smaller sizes: --bind DIM=SIZE, or --shape NAME=SIZES";
                        errors.push(too_large(&format!("input `{}`", input.name), &ty).help(help));
                    }
                }
                None => errors.push(Diagnostic::error(
                    "unbound-dimension",
                    format!("input `{}` still has symbolic dimensions", input.name),
                )),
            },
            Node::Const(t) => {
                out.types.insert(id.output(0), t.ty().clone());
                out.values.insert(id.output(0), t.clone());
            }
            Node::Op(node) => {
                let after = node.inputs.iter().flatten().any(|v| late.contains(&v.node));
                let typed = node.inputs.iter().flatten().all(|v| out.types.contains_key(v));
                let result = if typed { infer_op(id, node, &mut out) } else { Ok(()) };
                match (result, &mut deferred) {
                    (Err(e), Some(deferred)) if e.iter().all(|e| e.code == DYNAMIC) => {
                        deferred.push((id, e.into_iter().map(|e| e.message).collect::<Vec<_>>().join("; ")));
                        late.insert(id);
                    }
                    (Err(e), _) => errors.extend(e),
                    (Ok(()), Some(deferred)) if after => {
                        deferred.push((id, describe(node)));
                        late.insert(id);
                    }
                    (Ok(()), _) => {}
                }
            }
            Node::Fused(node) => {
                if node.inputs.iter().flatten().all(|v| out.types.contains_key(v)) {
                    match infer_fused(node, &out.types, &out.values) {
                        Ok((ty, body)) => {
                            out.types.insert(id.output(0), ty);
                            out.regions.insert(id, vec![body]);
                        }
                        Err(e) => errors.extend(e),
                    }
                }
            }
        }
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

fn concrete(dims: &Option<Vec<Dim>>) -> Option<Vec<usize>> {
    dims.as_ref()?
        .iter()
        .map(|d| match d {
            Dim::Known(d) => Some(*d),
            Dim::Symbol(_) => None,
        })
        .collect()
}

fn describe(node: &OpNode) -> String {
    if node.name.is_empty() { format!("{} node", node.op) } else { format!("node `{}` ({})", node.name, node.op) }
}

/// Sizes are multiplied wherever types are used: what no memory holds ends here.
fn too_large(what: &str, ty: &TensorType) -> Diagnostic {
    Diagnostic::error("too-large", format!("{what} is {ty}, which has more bytes than memory has addresses"))
}

fn op_error(node: &str, error: OpError) -> Vec<Diagnostic> {
    vec![match error {
        OpError::Invalid(m) => Diagnostic::error("invalid-node", format!("{node}: {m}")),
        OpError::Unsupported(m) => {
            Diagnostic::unsupported("unsupported-node", format!("{node}: not supported yet: {m}"))
        }
        OpError::Dynamic(m) => Diagnostic::unsupported(DYNAMIC, format!("{node}: {m}")),
        OpError::Limit(m) => Diagnostic::error("limit", format!("{node}: {m}")),
    }]
}

/// The errors of a node, with how its op is called and how it was called.
fn with_usage(errors: Vec<Diagnostic>, node: &OpNode, inputs: &[Option<InferInput<'_>>]) -> Vec<Diagnostic> {
    let given: Vec<String> =
        inputs.iter().map(|input| input.as_ref().map_or("nothing".into(), |input| input.ty.to_string())).collect();
    let help = format!("the op is `{}`; it is given {}", node.op.usage(), given.join(", "));
    errors.into_iter().map(|e| if e.code == DYNAMIC { e } else { e.help(help.clone()) }).collect()
}

fn infer_op(id: NodeId, node: &OpNode, out: &mut TypedGraph) -> Result<(), Vec<Diagnostic>> {
    let mut attrs = node.attrs.clone();
    let types = if node.regions.is_empty() {
        let inputs: Vec<Option<InferInput<'_>>> = node
            .inputs
            .iter()
            .map(|v| v.map(|v| InferInput { ty: &out.types[&v], value: out.values.get(&v) }))
            .collect();
        node.op
            .infer(&inputs, &mut attrs, node.outputs)
            .map_err(|e| with_usage(op_error(&describe(node), e), node, &inputs))?
    } else {
        let (types, regions) = infer_regions(node, &out.types)?;
        out.regions.insert(id, regions);
        types
    };
    if types.len() != node.outputs {
        let message = format!("{} has {} outputs, its op gives {}", describe(node), node.outputs, types.len());
        return Err(vec![Diagnostic::error("invalid-node", message)]);
    }
    if let Some(ty) = types.iter().find(|ty| !ty.fits_memory()) {
        return Err(vec![too_large(&format!("a result of {}", describe(node)), ty)]);
    }
    for (i, value) in known_values(node, &attrs, &types, out).into_iter().enumerate() {
        out.values.insert(id.output(i as u32), value);
    }
    for (i, ty) in types.into_iter().enumerate() {
        out.types.insert(id.output(i as u32), ty);
    }
    if let Node::Op(n) = out.graph.node_mut(id) {
        n.attrs = attrs;
        for (slot, typed) in n.regions.iter_mut().zip(out.regions.get(&id).into_iter().flatten()) {
            *slot = typed.graph.clone();
        }
    }
    Ok(())
}

/// The outputs' values, if they are small and follow from known values (or, for `Shape`, from the type).
fn known_values(node: &OpNode, attrs: &qcc_ops::Attrs, types: &[TensorType], out: &TypedGraph) -> Vec<Tensor> {
    if !node.regions.is_empty() || types.iter().map(TensorType::elements).sum::<usize>() > KNOWN_ELEMENTS {
        return Vec::new();
    }
    if node.op.name == "Shape" {
        let shape = &out.types[&node.inputs[0].expect("checked by inference")].shape;
        let start = attrs.int("start").unwrap_or(0) as usize;
        let dims: Vec<i64> = shape[start..start + types[0].elements()].iter().map(|&d| d as i64).collect();
        return vec![Tensor::new([dims.len()], dims)];
    }
    let inputs: Option<Vec<Option<&Tensor>>> =
        node.inputs.iter().map(|v| v.map_or(Some(None), |v| out.values.get(&v).map(Some))).collect();
    let small = |t: &&Tensor| t.elements() <= KNOWN_ELEMENTS;
    match inputs {
        Some(inputs) if inputs.iter().flatten().all(small) => {
            node.op.eval(&inputs, attrs, node.outputs).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn infer_regions(
    node: &OpNode,
    types: &FxHashMap<ValueId, TensorType>,
) -> Result<(Vec<TensorType>, Vec<TypedGraph>), Vec<Diagnostic>> {
    if node.op.name != "If" {
        let message = "its nested graph runs as often as its values say".to_string();
        return Err(op_error(&describe(node), OpError::Dynamic(message)));
    }
    let captured: Vec<&TensorType> = node.inputs.iter().skip(1).flatten().map(|v| &types[v]).collect();
    let mut typed: Vec<TypedGraph> = Vec::new();
    for region in &node.regions {
        typed.push(infer(&with_input_types(region, &captured))?);
    }
    let first: Vec<TensorType> = typed[0].output_types().into_iter().cloned().collect();
    for other in &typed[1..] {
        if !other.output_types().into_iter().eq(first.iter()) {
            let message = format!("{}: its branches give different shapes or types", describe(node));
            return Err(vec![Diagnostic::unsupported(DYNAMIC, message)]);
        }
    }
    Ok((first, typed))
}

/// The region with its inputs' types set from the values it captures.
fn with_input_types(region: &Graph, types: &[&TensorType]) -> Graph {
    let mut out = region.clone();
    for (&id, ty) in region.inputs().iter().zip(types) {
        if let Node::Input(n) = out.node_mut(id) {
            n.dtype = ty.dtype;
            n.dims = Some(ty.shape.iter().map(|&d| Dim::Known(d)).collect());
        }
    }
    out
}

fn infer_fused(
    node: &crate::FusedNode,
    types: &FxHashMap<ValueId, TensorType>,
    values: &FxHashMap<ValueId, Tensor>,
) -> Result<(TensorType, TypedGraph), Vec<Diagnostic>> {
    let what = format!("kernel `{}`", node.name);
    let mut body_types: Vec<TensorType> = Vec::new();
    let core_inputs = node.core.as_ref().map_or(0, |c| c.inputs);
    if let Some(core) = &node.core {
        let input = |v: ValueId| InferInput { ty: &types[&v], value: values.get(&v) };
        let inputs: Vec<Option<InferInput<'_>>> = node.inputs[..core_inputs].iter().map(|v| v.map(input)).collect();
        let mut attrs = core.attrs.clone();
        body_types.extend(core.op.infer(&inputs, &mut attrs, 1).map_err(|e| op_error(&what, e))?);
    }
    body_types.extend(node.inputs[core_inputs..].iter().flatten().map(|v| types[v].clone()));
    let typed = infer(&with_input_types(&node.body, &body_types.iter().collect::<Vec<_>>()))?;
    Ok((typed.ty(typed.graph.outputs()[0].1).clone(), typed))
}
