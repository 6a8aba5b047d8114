//! Local functions: their calls are replaced by their bodies before the graph is built.

use crate::model::{Opsets, canonical_domain};
use crate::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto};
use qcc_diag::Diagnostic;
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::rc::Rc;

/// Functions may call functions this deep. The standard forbids recursion; real models nest three or four.
const DEPTH: usize = 32;
/// Nodes and calls that one graph may expand to. Nested calls multiply; the largest real models have ten thousand nodes.
const NODES: usize = 1_000_000;

/// A node to be imported, and the operator sets it is written for.
pub(crate) struct Planned<'p> {
    /// The node, its names made unique if it comes from a function.
    pub(crate) proto: Cow<'p, NodeProto>,
    /// Name for messages and for the graph.
    pub(crate) name: String,
    /// Operator sets of the model or of the function.
    pub(crate) opsets: Rc<Opsets>,
}

impl Planned<'_> {
    /// Domain of the op.
    pub(crate) fn domain(&self) -> &str {
        canonical_domain(self.proto.domain())
    }

    /// Number of outputs, without trailing absent ones.
    pub(crate) fn outputs(&self) -> usize {
        self.proto.output.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1)
    }

    /// The node in messages.
    pub(crate) fn what(&self) -> String {
        format!("node `{}` ({})", self.name, self.proto.op_type())
    }
}

/// Calls that go too deep or become too many.
struct Endless;

/// A local function.
pub(crate) struct Function<'p> {
    proto: &'p FunctionProto,
    opsets: Rc<Opsets>,
}

impl<'p> Function<'p> {
    /// A function; without operator sets of its own it uses the model's.
    pub(crate) fn new(proto: &'p FunctionProto, model: &Rc<Opsets>) -> Self {
        let own = !proto.opset_import.is_empty();
        let opsets = if own { Rc::new(Opsets::new(&proto.opset_import)) } else { model.clone() };
        Self { proto, opsets }
    }
}

/// All local functions of a model.
pub(crate) struct Functions<'p>(pub(crate) Vec<Function<'p>>);

impl<'p> Functions<'p> {
    fn find(&self, node: &NodeProto) -> Option<&Function<'p>> {
        self.0.iter().find(|f| {
            canonical_domain(f.proto.domain()) == canonical_domain(node.domain())
                && f.proto.name() == node.op_type()
                && f.proto.overload() == node.overload()
        })
    }

    /// The nodes of a graph with all calls of local functions expanded. Nameless nodes are called `Op_<index>`.
    pub(crate) fn plan<'n>(&self, nodes: &'n [NodeProto], opsets: &Rc<Opsets>) -> Result<Vec<Planned<'n>>, Diagnostic> {
        let mut out = Vec::new();
        let mut budget = NODES;
        for (index, proto) in nodes.iter().enumerate() {
            let name = match proto.name() {
                "" => format!("{}_{index}", proto.op_type()),
                name => name.to_string(),
            };
            let node = Planned { proto: Cow::Borrowed(proto), name, opsets: opsets.clone() };
            let what = node.what();
            self.expand(node, DEPTH, &mut budget, &mut out).map_err(|Endless| {
                Diagnostic::error("recursive-function", format!("{what}: its function calls itself, or never ends"))
                    .help("functions must not call themselves, not even through others")
            })?;
        }
        Ok(out)
    }

    fn expand<'n>(
        &self,
        node: Planned<'n>,
        depth: usize,
        budget: &mut usize,
        out: &mut Vec<Planned<'n>>,
    ) -> Result<(), Endless> {
        *budget = budget.checked_sub(1).ok_or(Endless)?;
        let Some(function) = self.find(&node.proto) else {
            out.push(node);
            return Ok(());
        };
        let depth = depth.checked_sub(1).ok_or(Endless)?;
        // Node names may repeat, names of values may not: the number keeps the values of two calls apart.
        let prefix = format!("{}#{}", node.name, NODES - *budget);
        let names = call_names(function.proto, &node);
        let attributes = call_attributes(function.proto, &node.proto);
        for (index, inner) in function.proto.node.iter().enumerate() {
            let mut proto = inner.clone();
            rename_node(&mut proto, &names, &prefix);
            substitute(&mut proto, &attributes);
            let own =
                if inner.name().is_empty() { format!("{}_{index}", inner.op_type()) } else { inner.name().into() };
            let name = format!("{}/{own}", node.name);
            let node = Planned { proto: Cow::Owned(proto), name, opsets: function.opsets.clone() };
            self.expand(node, depth, budget, out)?;
        }
        Ok(())
    }
}

/// The caller's names for the inputs and outputs of the function.
fn call_names(function: &FunctionProto, call: &Planned<'_>) -> FxHashMap<String, String> {
    let pairs = |formal: &[String], actual: &[String]| {
        let absent = std::iter::repeat_with(String::new);
        formal.iter().cloned().zip(actual.iter().cloned().chain(absent)).collect::<Vec<_>>()
    };
    let mut names: FxHashMap<String, String> = pairs(&function.input, &call.proto.input).into_iter().collect();
    let outputs = pairs(&function.output, &call.proto.output);
    names.extend(outputs.into_iter().filter(|(_, actual)| !actual.is_empty()));
    names
}

fn call_attributes<'a>(function: &'a FunctionProto, call: &'a NodeProto) -> Vec<&'a AttributeProto> {
    call.attribute.iter().chain(&function.attribute_proto).collect()
}

/// Names of the function's own values are prefixed by the call, so that they differ from all others.
fn rename(name: &mut String, names: &FxHashMap<String, String>, prefix: &str) {
    if let Some(actual) = names.get(name) {
        *name = actual.clone();
    } else if !name.is_empty() {
        *name = format!("{prefix}/{name}");
    }
}

fn rename_node(node: &mut NodeProto, names: &FxHashMap<String, String>, prefix: &str) {
    node.input.iter_mut().chain(&mut node.output).for_each(|n| rename(n, names, prefix));
    for graph in node.attribute.iter_mut().filter_map(|a| a.g.as_mut()) {
        rename_graph(graph, names, prefix);
    }
}

fn rename_graph(graph: &mut GraphProto, names: &FxHashMap<String, String>, prefix: &str) {
    let values = graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info).map(|v| &mut v.name);
    let tensors = graph.initializer.iter_mut().map(|t| &mut t.name);
    values.chain(tensors).flatten().for_each(|n| rename(n, names, prefix));
    graph.node.iter_mut().for_each(|n| rename_node(n, names, prefix));
}

/// Replaces references to the function's attributes by their values; a reference to an absent one disappears.
fn substitute(node: &mut NodeProto, attributes: &[&AttributeProto]) {
    node.attribute.retain_mut(|a| {
        if a.ref_attr_name().is_empty() {
            if let Some(graph) = &mut a.g {
                graph.node.iter_mut().for_each(|n| substitute(n, attributes));
            }
            return true;
        }
        let found = attributes.iter().find(|actual| actual.name() == a.ref_attr_name());
        if let Some(actual) = found {
            let name = a.name.take();
            *a = AttributeProto { name, ..(*actual).clone() };
        }
        found.is_some()
    });
}
