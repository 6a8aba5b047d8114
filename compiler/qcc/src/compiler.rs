//! Graphs compiled for this machine, to run samples through. What was compiled last is not compiled again: the same graph is
//! judged by several sets of samples.

use crate::failure::Failure;
use crate::pipeline;
use qcc_dsl::RuleSet;
use qcc_ir::{Bindings, Graph};
use qcc_kernel::program::Program;
use qcc_lower::Target;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Programs that are kept: between two uses of one, corrections compile that many others.
const KEPT: usize = 4;

/// Compiles graphs with rules.
pub struct Compiler<'a> {
    rules: &'a RuleSet,
    last: Mutex<VecDeque<(Graph, Arc<Program>)>>,
}

impl<'a> Compiler<'a> {
    /// With these rules.
    pub fn new(rules: &'a RuleSet) -> Self {
        Self { rules, last: Mutex::default() }
    }

    /// The program of a graph whose sizes are known.
    ///
    /// # Errors
    /// As [`pipeline::compile`].
    pub fn program(&self, graph: &Graph) -> Result<Arc<Program>, Failure> {
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, program)) = last().iter().find(|(known, _)| known == graph) {
            return Ok(Arc::clone(program));
        }
        let compiled = pipeline::compile(graph, &Bindings::default(), self.rules, Target::host(), &mut |_| ())?;
        let mut last = last();
        last.truncate(KEPT - 1);
        last.push_front((graph.clone(), Arc::clone(&compiled.program)));
        Ok(compiled.program)
    }
}
