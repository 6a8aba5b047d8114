//! Many samples through one model: how samples lie in arrays, and how results are stacked again.

use crate::failure::Failure;
use crate::pipeline;
use qcc_ir::{Bindings, Dim, Graph, TypedGraph};
use qcc_tensor::{Tensor, TensorType};
use rayon::prelude::*;

/// The arrays of one model input each, in the order of the graph's inputs, matched by name and else by position.
///
/// # Errors
/// Too few arrays, with the names that were expected.
pub fn matched(graph: &Graph, arrays: Vec<(String, Tensor)>) -> Result<Vec<Tensor>, Failure> {
    let names: Vec<&str> = graph.inputs().iter().map(|&id| graph.input(id).name.as_str()).collect();
    let by_name: Option<Vec<Tensor>> =
        names.iter().map(|n| arrays.iter().find(|(name, _)| name == n).map(|(_, t)| t.clone())).collect();
    match by_name {
        Some(found) => Ok(found),
        None if arrays.len() == names.len() => Ok(arrays.into_iter().map(|(_, t)| t).collect()),
        None => {
            let given: Vec<&str> = arrays.iter().map(|(n, _)| n.as_str()).collect();
            Err(Failure::input(format!(
                "the model's inputs are {}; the file holds {}",
                names.join(", "),
                given.join(", ")
            )))
        }
    }
}

/// Sample `index` of an array: `x[i:i+1]`, or `x[i]` if the array has one axis more than the model's input.
fn sample(array: &Tensor, rank: Option<usize>, index: usize) -> Result<Tensor, Failure> {
    let count = array.shape()[0];
    let size = array.bytes().len() / count;
    let bytes = array.to_shared().slice(index * size..(index + 1) * size);
    let whole = rank == Some(array.rank() - 1);
    let shape = array.shape()[1..].iter().copied();
    let ty = if whole {
        TensorType::new(array.dtype(), shape)
    } else {
        TensorType::new(array.dtype(), std::iter::once(1).chain(shape))
    };
    Tensor::from_bytes(ty, bytes).map_err(|e| Failure::Bug(e.to_string()))
}

/// Bindings that give the model's inputs the shapes of `inputs`.
pub fn shapes_of(graph: &Graph, inputs: &[Tensor]) -> Bindings {
    let dynamic = |dims: &Option<Vec<Dim>>| match dims {
        None => true,
        Some(dims) => dims.iter().any(|d| matches!(d, Dim::Symbol(_))),
    };
    let shapes = graph.inputs().iter().zip(inputs).filter(|(id, _)| dynamic(&graph.input(**id).dims));
    Bindings {
        dims: Vec::new(),
        shapes: shapes.map(|(&id, t)| (graph.input(id).name.clone(), t.shape().to_vec())).collect(),
    }
}

/// Runs every sample of `arrays` (one array per model input, samples along axis 0), samples in parallel, and stacks the
/// outputs along axis 0. `progress` is called after each sample.
///
/// # Errors
/// Arrays that do not fit the model; ops that cannot be evaluated.
pub fn run(graph: &Graph, arrays: &[Tensor], progress: impl Fn() + Sync) -> Result<Vec<(String, Tensor)>, Failure> {
    let count = arrays.first().and_then(|a| a.shape().first().copied()).unwrap_or(0);
    if count == 0 || arrays.iter().any(|a| a.shape().first() != Some(&count)) {
        return Err(Failure::input("every array must hold the same number of samples along axis 0, at least one"));
    }
    let ranks: Vec<Option<usize>> =
        graph.inputs().iter().map(|&id| graph.input(id).dims.as_ref().map(Vec::len)).collect();
    let whole = arrays.iter().zip(&ranks).any(|(a, r)| *r == Some(a.rank() - 1));
    let feed = |i: usize| -> Result<Vec<Tensor>, Failure> {
        arrays.iter().zip(&ranks).map(|(a, r)| sample(a, *r, i)).collect()
    };
    let typed: TypedGraph = pipeline::typed(graph, &shapes_of(graph, &feed(0)?))?;
    let results: Vec<Vec<Tensor>> = (0..count)
        .into_par_iter()
        .map(|i| {
            let outputs = qcc_ir::evaluate(&typed, &feed(i)?)?;
            progress();
            Ok(outputs)
        })
        .collect::<Result<_, Failure>>()?;
    let names = graph.outputs().iter().map(|(n, _)| n.clone());
    Ok(names.enumerate().map(|(j, name)| (name, stacked(results.iter().map(|r| &r[j]), whole))).collect())
}

/// Equal-shaped tensors along axis 0: joined, or with a new axis in front.
fn stacked<'a>(parts: impl Iterator<Item = &'a Tensor> + Clone, new_axis: bool) -> Tensor {
    let first = parts.clone().next().expect("there is at least one sample").ty().clone();
    let count = parts.clone().count();
    let bytes: Vec<u8> = parts.flat_map(|t| t.bytes()).copied().collect();
    let shape: Vec<usize> = if new_axis || first.rank() == 0 {
        std::iter::once(count).chain(first.shape.iter().copied()).collect()
    } else {
        std::iter::once(count * first.shape[0]).chain(first.shape[1..].iter().copied()).collect()
    };
    Tensor::from_bytes(TensorType::new(first.dtype, shape), bytes.into()).expect("outputs of one graph have one shape")
}
