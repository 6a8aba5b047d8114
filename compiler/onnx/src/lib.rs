//! ONNX files as [`Graph`]s: the first step of the compiler. And graphs as ONNX files, for [`export`].
//!
//! Reading is strict where the file could be misread and lenient where it cannot: nodes may stand in any order, but every
//! name must be defined exactly once; every size is checked before memory is reserved; external data must lie beside the
//! model. Operator sets 1 to [`NEWEST_OPSET`] are read; `upgrade` brings each older form of an op to the newest one,
//! which is the only one the rest of the compiler knows. Weights are not copied: tensors are slices of the mapped file.
//!
//! All problems of a file are collected. A broken file gives errors; a sound file that needs something qcc does not have
//! gives [`qcc_diag::Severity::Unsupported`].

mod attribute;
mod contrib;
mod custom;
mod dtype;
mod export;
mod external;
mod facts;
mod function;
mod graph;
mod map;
mod model;
mod order;
mod scope;
mod tensor;
mod tensor_file;
mod upgrade;

#[allow(missing_docs, clippy::all, reason = "generated from onnx.proto, where the documentation is")]
pub mod proto;

use bytes::Bytes;
use qcc_diag::Diagnostic;
use qcc_ir::Graph;
use std::path::Path;

pub use custom::{CustomCall, Definitions, ExpandedNode, Expansion, NoDefinitions, Operand};
pub use export::export;
pub use model::{NEWEST_OPSET, OLDEST_OPSET};
pub use tensor_file::{read_tensor, write_tensor};

/// Reads a model; its weights stay slices of the mapped file (and of its external data files).
///
/// # Errors
/// Everything that is wrong with the file or not supported, in the order of the file.
pub fn import_file(path: &Path) -> Result<Graph, Vec<Diagnostic>> {
    import_file_with(path, &NoDefinitions)
}

/// Reads a model whose nodes of other domains have the meaning that `definitions` give them.
///
/// # Errors
/// As [`import_file`].
pub fn import_file_with(path: &Path, definitions: &dyn Definitions) -> Result<Graph, Vec<Diagnostic>> {
    let bytes = map::map_file(path).map_err(|e| {
        let message = format!("cannot read the model `{}`: {e}", path.display());
        vec![Diagnostic::error("unreadable-file", message).help("give the path of an .onnx file that may be read")]
    })?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    model::import(bytes, Some(folder), definitions)
}

/// Reads a model from memory. External data is looked for in `folder` only; without a folder it is an error.
///
/// # Errors
/// As [`import_file`].
pub fn import_bytes(bytes: Bytes, folder: Option<&Path>) -> Result<Graph, Vec<Diagnostic>> {
    model::import(bytes, folder, &NoDefinitions)
}
