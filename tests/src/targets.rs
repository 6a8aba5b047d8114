//! Every parser as a function of bytes that must return, whatever the bytes are. The corpus test replays the files of
//! `tests/corpus/NAME` and damaged versions of them; `tests/fuzz` drives the same functions by coverage.

use qcc::pipeline;
use qcc::standard_rules::{self, Selection};
use qcc_diag::render;
use qcc_dsl::{LoadError, Source};
use qcc_ir::{Bindings, Dim, Graph};
use qcc_kernel::program::Limits;
use qcc_ops::Budget;
use qcc_session::{Options, Session, artifact};
use qcc_tensor::Tensor;
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

/// A parser.
pub struct Target {
    /// Name: its folder below `tests/corpus`.
    pub name: &'static str,
    /// Reads the bytes; a panic or an endless loop is the failure.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "onnx", run: onnx },
    Target { name: "npy", run: npy },
    Target { name: "npz", run: npz },
    Target { name: "pb", run: pb },
    Target { name: "qcc", run: qcc },
    Target { name: "rules", run: rules },
    Target { name: "qir", run: qir },
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == name)
}

/// The corpus of a target: its files by name. Artifacts are compiled from the models of the corpus, so that they always
/// have the format of today.
pub fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<(String, Vec<u8>)> = entries
        .filter_map(|e| Some((e.file_name().to_string_lossy().into_owned(), std::fs::read(e.path()).ok()?)))
        .collect();
    files.sort();
    if name == "qcc" {
        files.extend(corpus("onnx").into_iter().filter_map(|(name, bytes)| Some((name, compiled(&bytes)?))));
    }
    files
}

/// The artifact of a model, if it compiles; open dimensions are 2.
pub fn compiled(model: &[u8]) -> Option<Vec<u8>> {
    let graph = qcc_onnx::import_bytes(model.to_vec().into(), None).ok()?;
    let rules = standard_rules::compile(&Selection::default()).ok()?.0;
    let compiled =
        pipeline::compile(&graph, &bindings(&graph), &rules, qcc_lower::Target::default(), &mut |_| ()).ok()?;
    Some(artifact::encode(&compiled.program))
}

/// What an artifact of unknown origin may need here: milliseconds.
pub const LIMITS: Limits = Limits { memory: 16 << 20, work: 1 << 22, instructions: 1 << 14 };

/// The same for what follows the steps of a model whose shapes depend on its data.
pub const TAIL: Budget = Budget { work: LIMITS.work, memory: LIMITS.memory };

/// A model: imported, its open dimensions bound, typed.
fn onnx(bytes: &[u8]) {
    match qcc_onnx::import_bytes(bytes.to_vec().into(), None) {
        Ok(graph) => typed(&graph),
        Err(errors) => errors.iter().for_each(|d| assert!(!render(d, &Default::default()).is_empty())),
    }
}

/// Every open dimension is 2.
pub fn bindings(graph: &Graph) -> Bindings {
    let mut bindings = Bindings::default();
    for &id in graph.inputs() {
        for dim in graph.input(id).dims.iter().flatten() {
            if let Dim::Symbol(name) = dim
                && !bindings.dims.iter().any(|(known, _)| known == name)
            {
                bindings.dims.push((name.clone(), 2));
            }
        }
    }
    bindings
}

fn typed(graph: &Graph) {
    if let Ok(bound) = qcc_ir::bind(graph, &bindings(graph))
        && let Ok(split) = qcc_ir::split(&bound.pruned())
    {
        qcc_ir::verify(&split.head).unwrap_or_else(|e| panic!("{e}\n{}", qcc_ir::print(&split.head)));
    }
}

fn npy(bytes: &[u8]) {
    if let Ok(tensor) = qcc::npy::read(&mut &bytes[..], bytes.len() as u64) {
        assert!(tensor.bytes().len() <= bytes.len(), "{} from {} bytes", tensor.ty(), bytes.len());
    }
}

/// An archive of arrays: read whole, and sample by sample.
fn npz(bytes: &[u8]) {
    let _ = qcc::arrays::npz(Cursor::new(bytes), "archive");
    let mut file = tempfile::NamedTempFile::new().expect("a file can be made");
    file.write_all(bytes).expect("it can be written");
    for (_, array) in qcc::stored::open(file.path()).into_iter().flatten() {
        let _ = array.slice(0);
    }
}

fn pb(bytes: &[u8]) {
    if let Ok(tensor) = qcc_onnx::read_tensor(bytes.to_vec().into(), "tensor") {
        let again = qcc_onnx::read_tensor(qcc_onnx::write_tensor(&tensor, "tensor").into(), "tensor");
        assert_eq!(again.as_ref(), Ok(&tensor), "a tensor comes back");
    }
}

/// An artifact: sealed, so that more than its checksum is looked at; if it is accepted, it runs.
fn qcc(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    if bytes.len() >= 40 {
        artifact::seal(&mut bytes);
    }
    if let Ok(program) = artifact::decode(bytes.into(), &LIMITS) {
        let inputs: Vec<Tensor> = program.inputs.iter().map(|port| Tensor::zeros(port.ty.clone())).collect();
        let options = Options { tail: TAIL, ..Options::default() };
        if let Ok(mut session) = Session::new(Arc::new(program), &options) {
            let _ = session.run(&inputs);
        }
    }
}

/// A rule file: compiled beside the standard rules' classes, and formatted.
fn rules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let source = Source { path: "own.rules".into(), text: text.into() };
    let mut load = |path: &str| Err(LoadError::NotFound(format!("there is no file {path}")));
    match qcc_dsl::compile(&[source], &mut load) {
        Ok((set, warnings)) => warnings.iter().for_each(|d| assert!(!render(d, &set.sources).is_empty())),
        Err((map, errors)) => errors.iter().for_each(|d| assert!(!render(d, &map).is_empty())),
    }
    if let Ok(formatted) = qcc_dsl::format("own.rules", text) {
        assert_eq!(qcc_dsl::format("own.rules", &formatted).ok(), Some(formatted), "formatted text stays as it is");
    }
}

fn qir(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(graph) = qcc_ir::parse(text) {
        assert!(!qcc_ir::print_graph(&graph).is_empty());
        typed(&graph);
    }
}
