//! A model with open dimensions, compiled for the shapes it meets: once for each, in one session.
//!
//! The programs of the last [`Capacity`] shapes are kept; the one that was used longest ago makes room. What is kept is
//! bounded by the number of shapes and by the bytes of arenas and constants.

use crate::failure::Failure;
use crate::pipeline;
use qcc_dsl::RuleSet;
use qcc_ir::{Bindings, Graph};
use qcc_lower::Target;
use qcc_session::{Engine, Session};
use qcc_tensor::{Shape, Tensor};

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Shapes; at least the one in use is kept.
    pub shapes: usize,
    /// Bytes of working memory and constants of all kept programs; one alone may have more.
    pub bytes: usize,
}

/// Sixteen shapes, 1 GiB: a text model meets some dozen lengths if its user rounds them, an image network a handful of
/// sizes of some 10 MB each.
impl Default for Capacity {
    fn default() -> Capacity {
        Capacity { shapes: 16, bytes: 1 << 30 }
    }
}

/// How a model is compiled and run.
pub struct Settings {
    /// The rules.
    pub rules: RuleSet,
    /// Dimensions that are fixed; the others follow from the inputs.
    pub bindings: Bindings,
    /// The CPU.
    pub target: Target,
    /// How kernels are executed.
    pub engine: Engine,
    /// Threads of a run.
    pub threads: usize,
    /// How much is kept.
    pub capacity: Capacity,
}

/// What was done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Runs for a shape whose program was there.
    pub hits: u64,
    /// Programs that were compiled.
    pub compiled: u64,
    /// Programs that made room for others.
    pub dropped: u64,
}

/// A model and the programs of the shapes it met last.
pub struct Specialized {
    graph: Graph,
    settings: Settings,
    /// The one used last is the last.
    kept: Vec<Kept>,
    statistics: Statistics,
}

struct Kept {
    shapes: Vec<Shape>,
    session: Session,
    bytes: usize,
}

impl Specialized {
    /// A model that meets its first shape with its first run.
    pub fn new(graph: Graph, settings: Settings) -> Specialized {
        Specialized { graph, settings, kept: Vec::new(), statistics: Statistics::default() }
    }

    /// Runs the model on inputs of any shapes that it allows; compiles it first if it has not met them lately.
    ///
    /// # Errors
    /// Inputs of another number than the model's, shapes or types that it does not allow; as [`pipeline::compile`] and
    /// [`Session::run`].
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Failure> {
        let shapes: Vec<Shape> = inputs.iter().map(|t| Shape::from_slice(t.shape())).collect();
        match self.kept.iter().position(|kept| kept.shapes == shapes) {
            Some(at) => {
                self.statistics.hits += 1;
                self.kept[at..].rotate_left(1);
            }
            None => {
                let kept = self.compile(shapes, inputs)?;
                self.make_room(kept.bytes);
                self.kept.push(kept);
            }
        }
        let last = self.kept.last_mut().ok_or_else(|| Failure::Bug("no program was kept".into()))?;
        Ok(last.session.run(inputs)?)
    }

    /// What was done so far.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Programs that are kept.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Bytes of working memory and constants of the programs that are kept.
    pub fn kept_bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.bytes).sum()
    }

    fn compile(&mut self, shapes: Vec<Shape>, inputs: &[Tensor]) -> Result<Kept, Failure> {
        let expected = self.graph.inputs().len();
        if inputs.len() != expected {
            return Err(Failure::input(format!("the model has {expected} inputs, {} were given", inputs.len())));
        }
        let names = self.graph.inputs().iter().map(|&id| self.graph.input(id).name.clone());
        let bindings = Bindings {
            dims: self.settings.bindings.dims.clone(),
            shapes: names.zip(&shapes).map(|(name, shape)| (name, shape.to_vec())).collect(),
        };
        let Settings { rules, target, engine, threads, .. } = &self.settings;
        let compiled = pipeline::compile(&self.graph, &bindings, rules, *target, &mut |_| ())?;
        let bytes = compiled.program.arena_bytes + compiled.program.constants.len();
        let session = pipeline::session(&compiled.program, *threads, *engine)?;
        self.statistics.compiled += 1;
        Ok(Kept { shapes, session, bytes })
    }

    /// Drops programs until another one of so many bytes may be kept.
    fn make_room(&mut self, bytes: usize) {
        let Capacity { shapes, bytes: most } = self.settings.capacity;
        while !self.kept.is_empty() && (self.kept.len() >= shapes || self.kept_bytes() + bytes > most) {
            self.kept.remove(0);
            self.statistics.dropped += 1;
        }
    }
}
