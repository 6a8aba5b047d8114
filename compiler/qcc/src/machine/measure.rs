//! Measuring the cases.

use super::{cases, fit, table};
use crate::failure::Failure;
use crate::{inputs, pipeline};
use qcc_cost::{CostModel, Machine, Work};
use qcc_ir::{Node, TypedGraph};
use qcc_lower::Target;
use qcc_session::Engine;
use std::time::{Duration, Instant};

/// How long all cases are repeated in one round.
const ROUND: Duration = Duration::from_millis(4);

/// Rounds over all cases: the fastest counts, since a machine may be busy with something else.
const ROUNDS: usize = 10;

/// What was measured.
pub struct Measured {
    /// The machine that explains it.
    pub machine: Machine,
    /// What each case was predicted to take by that machine, and what it took (ns).
    pub cases: Vec<(f64, f64)>,
}

/// Measures this machine on one thread; takes a few seconds.
///
/// # Errors
/// A bug in qcc only.
pub fn measure() -> Result<Measured, Failure> {
    let target = Target::host();
    let model = CostModel::on(table(target));
    let mut ready: Vec<Case> =
        cases::cases().iter().map(|text| Case::new(text, target, &model)).collect::<Result<_, _>>()?;
    for _ in 0..ROUNDS {
        ready.iter_mut().try_for_each(Case::repeat)?;
    }
    let times: Vec<(Work, f64)> = ready.iter().map(|case| (case.work, case.ns)).collect();
    let machine = fit::fit(&times, &model.machine);
    let cases = times.iter().map(|(work, ns)| (machine.ns(work), *ns)).collect();
    Ok(Measured { machine, cases })
}

struct Case {
    session: qcc_session::Session,
    inputs: Vec<qcc_tensor::Tensor>,
    work: Work,
    ns: f64,
}

impl Case {
    fn new(text: &str, target: Target, model: &CostModel) -> Result<Case, Failure> {
        let graph = qcc_ir::parse(text).map_err(|e| Failure::Bug(e.message))?;
        let graph = qcc_ir::infer(&graph).map_err(Failure::Diagnostics)?;
        let program = pipeline::lower(&graph, target, model)?;
        let session = pipeline::session(&program, 1, Engine::Jit)?;
        let inputs = inputs::random(session.inputs().iter().map(|port| &port.ty), inputs::SEED);
        Ok(Case { session, inputs, work: work(&graph, model), ns: f64::INFINITY })
    }

    /// The median of the runs of a round counts if it is the least so far.
    fn repeat(&mut self) -> Result<(), Failure> {
        let begin = Instant::now();
        let mut times = Vec::new();
        while times.len() < 3 || begin.elapsed() < ROUND {
            let steps = self.session.run_profiled(&self.inputs)?.1;
            times.push(steps.iter().map(|step| step.nanoseconds as f64).sum::<f64>());
        }
        times.sort_by(f64::total_cmp);
        self.ns = self.ns.min(times[times.len() / 2].max(1.0));
        Ok(())
    }
}

fn work(graph: &TypedGraph, model: &CostModel) -> Work {
    let g = graph.graph();
    let calls = g.node_ids().filter(|&id| matches!(g.node(id), Node::Op(_) | Node::Fused(_)));
    calls.map(|id| model.node(graph, id).whole()).sum()
}
