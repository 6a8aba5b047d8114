//! From a file to a typed graph, one step after the other, with a check after each.

use crate::failure::Failure;
use qcc_ir::{Bindings, Graph, TypedGraph};
use std::path::Path;

/// Imports a model.
///
/// # Errors
/// What is wrong with the file, or what of it is not supported.
pub fn import(path: &Path) -> Result<Graph, Failure> {
    qcc_onnx::import_file(path).map_err(Failure::Diagnostics)
}

/// Fixes symbolic dimensions, types every value, verifies the result.
///
/// # Errors
/// Dimensions that stay unknown, nodes that cannot be typed. A violated invariant is a bug in qcc.
pub fn typed(graph: &Graph, bindings: &Bindings) -> Result<TypedGraph, Failure> {
    let bound = qcc_ir::bind(graph, bindings).map_err(Failure::Diagnostics)?;
    let typed = qcc_ir::infer(&bound.pruned()).map_err(Failure::Diagnostics)?;
    qcc_ir::verify(&typed).map_err(Failure::Bug)?;
    Ok(typed)
}
