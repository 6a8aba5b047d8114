//! The model around the graph: versions, functions, free texts.

use crate::custom::Definitions;
use crate::external::ExternalData;
use crate::function::{Function, Functions};
use crate::graph;
use crate::proto::{ModelProto, OperatorSetIdProto};
use bytes::Bytes;
use prost::Message;
use qcc_diag::{Diagnostic, Severity, nearest};
use qcc_ir::Graph;
use std::path::Path;
use std::rc::Rc;

/// Oldest operator set that is read: the first.
pub const OLDEST_OPSET: i64 = 1;
/// Newest operator set that is read.
pub const NEWEST_OPSET: i64 = 28;

/// What the steps of an import share.
pub(crate) struct Import<'p> {
    /// Local functions.
    pub(crate) functions: Functions<'p>,
    /// Meaning of operators of other domains.
    pub(crate) definitions: &'p dyn Definitions,
    /// Data files.
    pub(crate) external: ExternalData,
    /// Problems found so far.
    pub(crate) errors: Vec<Diagnostic>,
    /// Ops that are not supported, each reported once.
    pub(crate) unsupported: Vec<UnsupportedOp>,
}

/// An op that qcc does not have, and the nodes that need it.
pub(crate) struct UnsupportedOp {
    /// Domain, empty for the standard one.
    pub(crate) domain: String,
    /// Name of the op.
    pub(crate) op: String,
    /// Names of the nodes, in the order of the file.
    pub(crate) nodes: Vec<String>,
}

/// Operator sets by domain; the standard domain is empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Opsets(Vec<(String, i64)>);

impl Opsets {
    pub(crate) fn new(protos: &[OperatorSetIdProto]) -> Self {
        Self(protos.iter().map(|o| (canonical_domain(o.domain()).to_string(), o.version())).collect())
    }

    /// Version of a domain, the largest if it is named repeatedly.
    pub(crate) fn version(&self, domain: &str) -> Option<i64> {
        self.0.iter().filter(|(d, _)| d == domain).map(|(_, v)| *v).max()
    }
}

/// The standard domain has two names.
pub(crate) fn canonical_domain(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// Imports a model from its bytes.
pub(crate) fn import(
    bytes: Bytes,
    folder: Option<&Path>,
    definitions: &dyn Definitions,
) -> Result<Graph, Vec<Diagnostic>> {
    let model = decode(bytes).map_err(|e| vec![e])?;
    let (Some(root), opsets) = (&model.graph, Opsets::new(&model.opset_import)) else {
        let message = "the file holds no graph, so it is not an ONNX model";
        return Err(vec![Diagnostic::error("not-onnx", message).help(NOT_ONNX)]);
    };
    check_opsets(&opsets).map_err(|e| vec![e])?;
    let opsets = Rc::new(opsets);
    let functions = model.functions.iter().map(|f| Function::new(f, &opsets)).collect();
    let mut import = Import {
        functions: Functions(functions),
        definitions,
        external: ExternalData::new(folder),
        errors: Vec::new(),
        unsupported: Vec::new(),
    };
    let mut graph = graph::import_root(&mut import, root, &opsets);
    graph.metadata = model.metadata_props.iter().map(|e| (e.key().to_string(), e.value().to_string())).collect();
    let mut errors = import.errors;
    errors.extend(import.unsupported.iter().map(UnsupportedOp::diagnostic));
    errors.sort_by_key(|e| e.severity == Severity::Unsupported);
    if errors.is_empty() { Ok(graph) } else { Err(errors) }
}

const NOT_ONNX: &str = "expected the bytes of an ONNX ModelProto; the file may be truncated or of another format";

/// The first bytes of a compiled model.
const COMPILED: &[u8] = b"qcc\0";

fn decode(bytes: Bytes) -> Result<ModelProto, Diagnostic> {
    if bytes.is_empty() {
        return Err(Diagnostic::error("not-onnx", "the model file is empty").help(NOT_ONNX));
    }
    if bytes.starts_with(COMPILED) {
        return Err(Diagnostic::error("not-onnx", "the file is a compiled model, not an ONNX model")
            .help("run it as it is: `qcc run`; or compile the .onnx file that it came from again"));
    }
    ModelProto::decode(bytes)
        .map_err(|e| Diagnostic::error("not-onnx", format!("the file is not an ONNX model: {e}")).help(NOT_ONNX))
}

fn check_opsets(opsets: &Opsets) -> Result<(), Diagnostic> {
    let help = format!("qcc reads operator sets {OLDEST_OPSET} to {NEWEST_OPSET}");
    match opsets.version("") {
        Some(v) if v < OLDEST_OPSET => {
            let message = format!("the model uses operator set {v}, which does not exist");
            Err(Diagnostic::error("opset", message).help(help))
        }
        Some(v) if v > NEWEST_OPSET => {
            let message = format!("the model uses operator set {v}, which is newer than qcc");
            Err(Diagnostic::unsupported("opset", message).help(help))
        }
        _ => Ok(()),
    }
}

impl Import<'_> {
    /// Reports a node whose op is not supported.
    pub(crate) fn unsupported_op(&mut self, domain: &str, op: &str, node: &str) {
        let known = self.unsupported.iter_mut().find(|u| u.domain == domain && u.op == op);
        match known {
            Some(known) => known.nodes.push(node.to_string()),
            None => self.unsupported.push(UnsupportedOp {
                domain: domain.to_string(),
                op: op.to_string(),
                nodes: vec![node.to_string()],
            }),
        }
    }
}

impl UnsupportedOp {
    fn diagnostic(&self) -> Diagnostic {
        let nodes = match &self.nodes[..] {
            [one] => format!("node `{one}`"),
            [one, rest @ ..] => format!("node `{one}` and {} more", rest.len()),
            [] => "a node".to_string(),
        };
        if self.domain.is_empty() {
            let message = format!("{nodes}: the op `{}` is not supported yet", self.op);
            let known = qcc_ops::registry().filter(|op| op.domain.is_empty()).map(|op| op.name);
            let help = match nearest(&self.op, known) {
                Some(other) => format!("did you mean `{other}`?"),
                None => "export the model with other ops of the standard, or without this part".into(),
            };
            return Diagnostic::unsupported("unsupported-op", message).help(help);
        }
        let message = format!("{nodes}: the op `{}` of the domain `{}` is not supported", self.op, self.domain);
        let help = "it is not an op of the ONNX standard; export the model with standard ops, \
                    or with the op's definition as a local function";
        let define =
            format!("or say what it computes: `def {}::{}(x) = …` in a file given with --rules", self.domain, self.op);
        Diagnostic::unsupported("unsupported-op", message).help(help).help(define)
    }
}
