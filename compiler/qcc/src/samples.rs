//! Batches whose samples are computed one after the other.
//!
//! What a network computes between its input and its output is larger than a batch of it leaves in the caches: a program for
//! one sample that runs once for each finds what it wrote. Weights are read for every sample then, so that it pays where they
//! stay in the caches, or products have less of them than of what is a sample's own.

use qcc_ir::{Bindings, Graph, NodeId, TypedGraph, samples};

/// Weights, of one or two bytes each, that stay in a second-level cache from one sample to the next.
const CACHED: usize = 256 << 10;

/// How a batch is computed.
pub enum Batch {
    /// One sample after the other, by the graph for one; how many there are.
    Apart(Box<TypedGraph>, usize),
    /// At once, and why.
    Whole(String),
}

/// How the batch that a graph was typed for is best computed; `None` without a batch.
pub fn batch(graph: &Graph, batch: &TypedGraph) -> Option<Batch> {
    let inputs = || batch.graph().inputs();
    let first = batch.ty(inputs().first()?.output(0)).shape.first().copied();
    if first.is_none_or(|samples| samples < 2)
        || inputs().iter().any(|id| batch.ty(id.output(0)).shape.first() != first.as_ref())
    {
        return None;
    }
    let one = |id: &NodeId| {
        let mut shape = batch.ty(id.output(0)).shape.to_vec();
        shape[0] = 1;
        (batch.graph().input(*id).name.clone(), shape)
    };
    // Sizes that were given by name follow from the shapes.
    let single = Bindings { dims: Vec::new(), shapes: inputs().iter().map(one).collect() };
    // A model that says how long axis 0 is has no batch that it knows of.
    let typed = crate::pipeline::typed(graph, &single).ok()?;
    Some(match samples::apart(batch, &typed) {
        Err(why) => Batch::Whole(why),
        Ok(apart) if apart.shared > CACHED.max(apart.own) => {
            Batch::Whole(format!("products share {} weights, a sample's own are {} numbers", apart.shared, apart.own))
        }
        Ok(apart) => Batch::Apart(Box::new(typed), apart.samples),
    })
}
