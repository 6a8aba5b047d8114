//! Fixing symbolic dimensions.

use crate::{Dim, Graph, Node};
use qcc_diag::Diagnostic;

/// What the caller knows about the sizes of the inputs.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    /// `--bind N=1`: a symbolic dimension by name.
    pub dims: Vec<(String, usize)>,
    /// `--shape NAME=1x3x48x320`: a whole input by name.
    pub shapes: Vec<(String, Vec<usize>)>,
}

/// Replaces symbolic dimensions of the graph's inputs by numbers. An input whose name is in `shapes` takes that shape;
/// remaining symbols are looked up in `dims`.
///
/// # Errors
/// A dimension that stays unknown, a shape of another rank, a number that contradicts a known dimension, a binding that
/// names nothing.
pub fn bind(graph: &Graph, bindings: &Bindings) -> Result<Graph, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut out = graph.clone();
    let mut used_dims = vec![false; bindings.dims.len()];
    for (name, _) in &bindings.shapes {
        if !graph.inputs().iter().any(|&id| graph.input(id).name == *name) {
            let names: Vec<_> = graph.inputs().iter().map(|&id| graph.input(id).name.as_str()).collect();
            let message = format!("the model has no input `{name}` to give a shape to");
            errors.push(
                Diagnostic::error("unknown-input", message).help(format!("its inputs are: {}", names.join(", "))),
            );
        }
    }
    for &id in graph.inputs() {
        let input = graph.input(id).clone();
        let shape = bindings.shapes.iter().find(|(n, _)| *n == input.name).map(|(_, s)| s);
        let dims = match (&input.dims, shape) {
            (None, None) => {
                let message = format!("input `{}` has no shape in the model", input.name);
                let help = format!("give it one: --shape {}=1x3x224x224", input.name);
                errors.push(Diagnostic::error("unknown-shape", message).help(help));
                continue;
            }
            (None, Some(s)) => s.iter().map(|&d| Dim::Known(d)).collect(),
            (Some(dims), Some(s)) if dims.len() != s.len() => {
                let message =
                    format!("input `{}` has {} dimensions, the given shape has {}", input.name, dims.len(), s.len());
                let help = format!("the model has {}={}", input.name, written(dims));
                errors.push(Diagnostic::error("shape-rank", message).help(help));
                continue;
            }
            (Some(dims), shape) => dims
                .iter()
                .enumerate()
                .map(|(i, dim)| {
                    bind_dim(&input.name, i, dim, shape.map(|s| s[i]), bindings, &mut used_dims, &mut errors)
                })
                .collect::<Vec<Dim>>(),
        };
        if let Node::Input(n) = out.node_mut(id) {
            n.dims = Some(dims);
        }
    }
    for ((name, _), used) in bindings.dims.iter().zip(used_dims) {
        if !used {
            let message = format!("no input has a dimension called `{name}` to bind");
            errors.push(Diagnostic::error("unknown-dimension", message).help(open_dimensions(graph)));
        }
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

/// Dimensions in the form in which a shape is given: `batchx3x48x320`.
fn written(dims: &[Dim]) -> String {
    let sizes = dims.iter().map(|dim| match dim {
        Dim::Known(d) => d.to_string(),
        Dim::Symbol(s) => s.clone(),
    });
    sizes.collect::<Vec<_>>().join("x")
}

/// Which dimensions there are to bind.
fn open_dimensions(graph: &Graph) -> String {
    let mut names: Vec<&str> = Vec::new();
    for dim in graph.inputs().iter().flat_map(|&id| graph.input(id).dims.iter().flatten()) {
        if let Dim::Symbol(name) = dim
            && !names.contains(&name.as_str())
        {
            names.push(name);
        }
    }
    if names.is_empty() {
        "the model leaves no dimension open".into()
    } else {
        format!("open are: {}", names.join(", "))
    }
}

fn bind_dim(
    input: &str,
    axis: usize,
    dim: &Dim,
    given: Option<usize>,
    bindings: &Bindings,
    used: &mut [bool],
    errors: &mut Vec<Diagnostic>,
) -> Dim {
    let by_name = match dim {
        Dim::Known(_) => None,
        Dim::Symbol(s) => bindings.dims.iter().position(|(n, _)| n == s),
    };
    if let Some(i) = by_name {
        used[i] = true;
    }
    match (dim, given, by_name) {
        (Dim::Known(d), Some(g), _) if *d != g => {
            let message = format!("axis {axis} of input `{input}` is {d} in the model, the given shape says {g}");
            let help = format!("give axis {axis} the size {d}; a model with another size there must be exported anew");
            errors.push(Diagnostic::error("shape-mismatch", message).help(help));
            dim.clone()
        }
        (_, Some(g), _) => Dim::Known(g),
        (_, None, Some(i)) => Dim::Known(bindings.dims[i].1),
        (Dim::Symbol(s), None, None) => {
            let message = format!("axis {axis} of input `{input}` is the symbolic dimension `{s}`");
            let help = format!("bind it: --bind {s}=1, or give the input a shape: --shape {input}=...");
            errors.push(Diagnostic::error("unbound-dimension", message).help(help));
            dim.clone()
        }
        (Dim::Known(_), None, _) => dim.clone(),
    }
}
