//! From a file to a running program: the steps of the compiler in order, with a check after each.

use crate::defined::Defined;
use crate::failure::{Failure, RAISE_LIMITS};
use crate::machine;
use crate::samples::{self, Batch};
use qcc_cost::{Machine, Unit};
use qcc_dsl::{Def, RuleSet};
use qcc_egraph::{CostModel, Extracted, Report, Saturated};
use qcc_ir::{Bindings, Graph, Split, Tail, TypedGraph};
use qcc_kernel::program::{self, Limits, Program};
use qcc_lower::Target;
use qcc_session::artifact::ArtifactError;
use qcc_session::{Engine, Session, artifact};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Imports a model.
///
/// # Errors
/// What is wrong with the file, or what of it is not supported.
pub fn import(path: &Path) -> Result<Graph, Failure> {
    import_with(path, &[])
}

/// Imports a model whose nodes of other domains have the meaning that definitions of rule files give them.
///
/// # Errors
/// As [`import`].
pub fn import_with(path: &Path, defs: &[Def]) -> Result<Graph, Failure> {
    qcc_onnx::import_file_with(path, &Defined(defs)).map_err(Failure::Diagnostics)
}

/// Fixes symbolic dimensions, types every value, verifies the result.
///
/// # Errors
/// Dimensions that stay unknown, nodes that cannot be typed, shapes that depend on data. A violated invariant is a bug in
/// qcc.
pub fn typed(graph: &Graph, bindings: &Bindings) -> Result<TypedGraph, Failure> {
    let bound = qcc_ir::bind(graph, bindings).map_err(Failure::Diagnostics)?;
    let typed = qcc_ir::infer(&bound.pruned()).map_err(Failure::Diagnostics)?;
    qcc_ir::verify(&typed).map_err(Failure::Bug)?;
    Ok(typed)
}

/// A model's graph, typed and saturated with its history kept, for questions about rules.
///
/// # Errors
/// As [`typed`]; rules that contradict each other.
pub fn recorded(
    graph: &Graph,
    bindings: &Bindings,
    rules: &RuleSet,
    options: qcc_egraph::Options,
) -> Result<Saturated, Failure> {
    let options = qcc_egraph::Options { record: qcc_egraph::Record::History, ..options };
    qcc_egraph::saturate(&typed(graph, bindings)?, rules, &options).map_err(|e| Failure::Bug(e.to_string()))
}

/// The schedule of rules that make a graph canonical.
const CANONICAL: &str = "canonical";

/// What an element of an operator on reference evaluation costs where a graph is made canonical (ns): an idiom as one
/// operator must be cheaper than its parts, whether or not it has a kernel.
const CANONICAL_REFERENCE_NS: f64 = 0.05;

/// The graph with its constants folded and its idioms as single operators, as quantization wants it. Without rules for that
/// it stays as it is.
///
/// # Errors
/// Rules that contradict each other.
pub fn canonical(typed: &TypedGraph, rules: &RuleSet) -> Result<TypedGraph, Failure> {
    if !rules.schedules.contains_key(CANONICAL) {
        return Ok(typed.clone());
    }
    let options = qcc_egraph::Options { schedule: CANONICAL.into(), ..qcc_egraph::Options::default() };
    let saturated = qcc_egraph::saturate(typed, rules, &options).map_err(|e| Failure::Bug(e.to_string()))?;
    let chosen = qcc_egraph::extract(&saturated, &schedule_costs(CANONICAL, rules))?;
    qcc_ir::verify(&chosen.graph).map_err(Failure::Bug)?;
    Ok(chosen.graph)
}

/// What kernels cost where a graph is chosen under a schedule, whatever the CPU, and what rule files say about it.
pub fn schedule_costs(schedule: &str, rules: &RuleSet) -> CostModel {
    let mut machine = Machine::narrow();
    if schedule == CANONICAL {
        machine.set(Unit::Reference, CANONICAL_REFERENCE_NS);
    }
    CostModel::on(machine).hinted(rules)
}

/// As [`typed`], with what depends on data split off.
///
/// # Errors
/// As [`typed`].
pub fn split(graph: &Graph, bindings: &Bindings) -> Result<Split, Failure> {
    let bound = qcc_ir::bind(graph, bindings).map_err(Failure::Diagnostics)?;
    let split = qcc_ir::split(&bound.pruned()).map_err(Failure::Diagnostics)?;
    qcc_ir::verify(&split.head).map_err(Failure::Bug)?;
    Ok(split)
}

/// A compiled model with everything that was learned on the way.
pub struct Compiled {
    /// The imported graph, typed; without what depends on data.
    pub typed: TypedGraph,
    /// What saturation did.
    pub report: Report,
    /// The chosen graph and its cost.
    pub chosen: Extracted,
    /// What a session runs.
    pub program: Arc<Program>,
    /// Why a batch is computed at once, if it is.
    pub whole_batch: Option<String>,
    /// Wall-clock time of each step, in order.
    pub times: Vec<(&'static str, Duration)>,
}

/// A step of [`compile`] begins; for progress on long work.
pub type OnStep<'a> = &'a mut dyn FnMut(&'static str);

/// Types, saturates, chooses, lowers for a CPU.
///
/// # Errors
/// As [`typed`]; a graph that cannot be lowered. A product that fails its check is a bug in qcc.
pub fn compile(
    graph: &Graph,
    bindings: &Bindings,
    rules: &RuleSet,
    target: Target,
    on_step: OnStep<'_>,
) -> Result<Compiled, Failure> {
    let mut clock = Clock { times: Vec::new(), on_step };
    let Split { head: typed, tail } = clock.step("type", || split(graph, bindings))?;
    let batch = if tail.is_none() { samples::batch(graph, &typed) } else { None };
    let (one, samples, whole_batch) = match batch {
        Some(Batch::Apart(one, samples)) => (Some(one), samples, None),
        Some(Batch::Whole(why)) => (None, 1, Some(why)),
        None => (None, 1, None),
    };
    let source = one.as_deref().unwrap_or(&typed);
    let saturated = clock.step("saturate", || {
        qcc_egraph::saturate(source, rules, &qcc_egraph::Options::default()).map_err(|e| Failure::Bug(e.to_string()))
    })?;
    let costs = costs(target, rules)?;
    let chosen = clock.step("choose", || qcc_egraph::extract(&saturated, &costs).map_err(Failure::from))?;
    // The constants of all forms that were not chosen need not be there any more.
    let report = saturated.report().clone();
    drop(saturated);
    qcc_ir::verify(&chosen.graph).map_err(Failure::Bug)?;
    let mut program = clock.step("lower", || lower(&chosen.graph, target, &costs))?;
    if let Some(Tail { block, outputs, reason }) = tail {
        Arc::make_mut(&mut program).tail = Some(program::Tail { block, outputs, reason });
        program::check(&program).map_err(|e| Failure::Bug(e.to_string()))?;
    }
    if samples > 1 {
        let program = Arc::make_mut(&mut program);
        program.samples = samples;
        program.inputs.iter_mut().chain(&mut program.outputs).for_each(|port| port.ty.shape[0] = samples);
        program::check(program).map_err(|e| Failure::Bug(e.to_string()))?;
    }
    Ok(Compiled { report, typed, chosen, program, whole_batch, times: clock.times })
}

/// What kernels cost on a CPU, and what rule files say about it.
///
/// # Errors
/// As [`machine::machine`].
pub fn costs(target: Target, rules: &RuleSet) -> Result<CostModel, Failure> {
    Ok(CostModel::on(machine::machine(target)?).hinted(rules))
}

/// The program of a graph as it stands.
///
/// # Errors
/// Nodes that cannot run.
pub fn lower(graph: &TypedGraph, target: Target, costs: &CostModel) -> Result<Arc<Program>, Failure> {
    let options = qcc_lower::Options { fast: qcc_lower::Fast::All, target, costs: costs.clone() };
    let program = qcc_lower::lower(graph, &options).map_err(Failure::Diagnostics)?;
    qcc_kernel::program::check(&program).map_err(|e| Failure::Bug(e.to_string()))?;
    Ok(Arc::new(program))
}

/// Generates machine code for this CPU.
///
/// # Errors
/// A program that does not pass its check.
pub fn session(program: &Arc<Program>, threads: usize, engine: Engine) -> Result<Session, Failure> {
    session_within(program, threads, engine, &Limits::default())
}

/// As [`session`]; what follows the steps of a model whose shapes depend on its data stays within the limits.
///
/// # Errors
/// As [`session`].
pub fn session_within(
    program: &Arc<Program>,
    threads: usize,
    engine: Engine,
    limits: &Limits,
) -> Result<Session, Failure> {
    let tail = qcc_ops::Budget { work: limits.work, memory: limits.memory };
    let options = qcc_session::Options { threads, engine, tail };
    Ok(Session::new(Arc::clone(program), &options)?)
}

/// Reads a compiled model.
///
/// # Errors
/// A file that is no artifact, of another version, or damaged; a program that needs more than the limits.
pub fn load(path: &Path, limits: &Limits) -> Result<Arc<Program>, Failure> {
    artifact::load(path, limits).map_err(|e| {
        let help = match e {
            ArtifactError::Limit(_) => RAISE_LIMITS,
            _ => return Failure::input(format!("cannot load `{}`: {e}", path.display())),
        };
        Failure::input_with_help(format!("cannot load `{}`: {e}", path.display()), help)
    })
}

struct Clock<'a> {
    times: Vec<(&'static str, Duration)>,
    on_step: OnStep<'a>,
}

impl Clock<'_> {
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        (self.on_step)(name);
        let start = Instant::now();
        let product = work();
        self.times.push((name, start.elapsed()));
        product
    }
}
