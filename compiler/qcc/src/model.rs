//! A model file as the commands take it: an `.onnx` file, which is compiled first, or a compiled `.qcc` file.

use crate::failure::Failure;
use crate::standard_rules::{self, Selection};
use crate::{batch, pipeline};
use qcc_ir::{Bindings, Dim, Graph};
use qcc_kernel::program::{Limits, Program};
use qcc_lower::Target;
use qcc_session::artifact;
use qcc_tensor::Tensor;
use std::path::Path;
use std::sync::Arc;

/// A model, not yet compiled if it came as ONNX.
pub enum Model {
    /// Imported.
    Graph(Box<Graph>),
    /// Compiled.
    Program(Arc<Program>),
}

impl Model {
    /// Reads a model file; what it is is read off its first bytes.
    ///
    /// # Errors
    /// As [`pipeline::import`] and [`pipeline::load`].
    pub fn open(path: &Path) -> Result<Model, Failure> {
        Self::open_with(path, &Selection::default(), &Limits::default())
    }

    /// Reads a model file whose nodes of other domains the selected rule files define; a compiled model may not need more
    /// than the limits.
    ///
    /// # Errors
    /// As [`Model::open`]; wrong rule files.
    pub fn open_with(path: &Path, rules: &Selection, limits: &Limits) -> Result<Model, Failure> {
        if artifact::is_artifact(path) {
            Ok(Model::Program(pipeline::load(path, limits)?))
        } else {
            let defs = standard_rules::definitions(rules)?;
            Ok(Model::Graph(Box::new(pipeline::import_with(path, &defs)?)))
        }
    }

    /// Names of the inputs, in order.
    pub fn input_names(&self) -> Vec<String> {
        match self {
            Model::Graph(g) => g.inputs().iter().map(|&id| g.input(id).name.clone()).collect(),
            Model::Program(p) => p.inputs.iter().map(|port| port.name.clone()).collect(),
        }
    }

    /// Number of axes of each input; `None` where the model does not say.
    pub fn input_ranks(&self) -> Vec<Option<usize>> {
        match self {
            Model::Graph(g) => g.inputs().iter().map(|&id| g.input(id).dims.as_ref().map(Vec::len)).collect(),
            Model::Program(p) => p.inputs.iter().map(|port| Some(port.ty.rank())).collect(),
        }
    }

    /// The program for inputs of the shapes of `inputs`; compiled with the selected rules for
    /// this CPU if it is not yet.
    ///
    /// # Errors
    /// As [`pipeline::compile`].
    pub fn program(&self, bindings: &Bindings, rules: &Selection) -> Result<Arc<Program>, Failure> {
        match self {
            Model::Program(program) => Ok(Arc::clone(program)),
            Model::Graph(graph) => {
                let (rules, _) = standard_rules::compile(rules)?;
                Ok(pipeline::compile(graph, bindings, &rules, Target::host(), &mut |_| ())?.program)
            }
        }
    }

    /// `given`, or, where nothing is given, bindings that fix the model's open dimensions to the shapes of `inputs`.
    pub fn bindings(&self, given: Bindings, inputs: &[Tensor]) -> Bindings {
        match self {
            Model::Graph(graph) if given.dims.is_empty() && given.shapes.is_empty() => shapes_of(graph, inputs),
            _ => given,
        }
    }

    /// The arrays of one input each, in the order of the inputs, matched by name and else by position.
    ///
    /// # Errors
    /// Too few arrays, with the names that were expected.
    pub fn matched<A>(&self, arrays: Vec<(String, A)>) -> Result<Vec<A>, Failure> {
        batch::matched(&self.input_names(), arrays)
    }
}

fn shapes_of(graph: &Graph, inputs: &[Tensor]) -> Bindings {
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
