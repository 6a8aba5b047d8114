//! The walk over the graph.

use crate::alias::is_alias;
use crate::assembly::Assembly;
use crate::constants::Constants;
use crate::grid::dense_layout;
use crate::halo::{self, Border};
use crate::kernels::conv::Target;
use crate::kernels::layout::TensorLayout;
use crate::reference::{self, Dense};
use qcc_cost::{CostModel, Work};
use qcc_diag::Diagnostic;
use qcc_ir::{FusedNode, Node, NodeId, OpNode, TypedGraph, ValueId};
use qcc_kernel::program::{Action, BufferId, Port, Program, Step};
use qcc_ops::InferInput;
use rustc_hash::FxHashMap;

/// Which kernels are generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fast {
    /// Every kernel that has a generator.
    #[default]
    All,
    /// None: every node runs on its reference evaluation.
    None,
}

/// How a graph is lowered.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which kernels are generated.
    pub fast: Fast,
    /// The CPU they are generated for. They run on any other, with the same results and slower.
    pub target: Target,
    /// What steps are predicted to take.
    pub costs: CostModel,
}

/// The program of a typed graph.
///
/// # Errors
/// A branch that cannot be lowered. Nodes without a kernel are no error: they run on their reference evaluation.
pub fn lower(graph: &TypedGraph, options: &Options) -> Result<Program, Vec<Diagnostic>> {
    let mut constants = Constants::default();
    let mut program = lower_into(graph, options, &mut constants)?;
    program.metadata = graph.graph().metadata.clone();
    share(&mut program, &constants.finish());
    Ok(program)
}

/// Gives a program and its branches the constants they refer to.
fn share(program: &mut Program, constants: &bytes::Bytes) {
    program.constants = constants.clone();
    for step in &mut program.steps {
        if let Action::If { then_branch, else_branch, .. } = &mut step.action {
            share(then_branch, constants);
            share(else_branch, constants);
        }
    }
}

fn lower_into(graph: &TypedGraph, options: &Options, constants: &mut Constants) -> Result<Program, Vec<Diagnostic>> {
    let borders = match options.fast {
        Fast::All => halo::wanted(graph, options.target.width),
        Fast::None => FxHashMap::default(),
    };
    let mut walk = Walk { graph, options, out: Assembly::new(constants), homes: FxHashMap::default(), borders };
    let g = graph.graph();
    let mut inputs = Vec::new();
    for &id in g.inputs() {
        let (name, ty) = (g.input(id).name.clone(), graph.ty(id.output(0)).clone());
        let buffer = walk.out.buffer(&name, ty.bytes());
        walk.homes.insert(id.output(0), Home::dense(buffer));
        inputs.push(Port { name, ty, buffer });
    }
    for id in g.node_ids() {
        walk.node(id)?;
    }
    let outputs = g
        .outputs()
        .iter()
        .map(|(name, value)| Port { name: name.clone(), ty: graph.ty(*value).clone(), buffer: walk.dense(*value).0 })
        .collect();
    Ok(walk.out.finish(&g.name, inputs, outputs))
}

/// Where a value lies.
#[derive(Clone, Copy)]
pub struct Home {
    /// Its buffer.
    pub buffer: BufferId,
    /// How it lies there; `None` is row-major and dense.
    pub layout: Option<TensorLayout>,
    /// What its border is filled with, if it has one.
    pub fill: u8,
    /// Proven bounds of its codes.
    pub range: Option<(i32, i32)>,
}

impl Home {
    /// A dense value.
    pub fn dense(buffer: BufferId) -> Home {
        Home { buffer, layout: None, fill: 0, range: None }
    }
}

/// The state of the walk.
pub struct Walk<'g, 'c> {
    /// The graph.
    pub graph: &'g TypedGraph,
    /// How it is lowered.
    pub options: &'g Options,
    /// The program so far.
    pub out: Assembly<'c>,
    /// Where values lie.
    pub homes: FxHashMap<ValueId, Home>,
    /// Borders that values should have.
    pub borders: FxHashMap<ValueId, Border>,
}

impl Walk<'_, '_> {
    fn node(&mut self, id: NodeId) -> Result<(), Vec<Diagnostic>> {
        match self.graph.graph().node(id) {
            Node::Input(_) => {}
            Node::Const(t) => {
                let buffer = self.out.constant(&format!("constant {}", id.0), t.to_shared());
                self.homes.insert(id.output(0), Home::dense(buffer));
            }
            Node::Op(node) if is_alias(node) => {
                let source = node.inputs[0].expect("inference has checked it");
                let range = self.homes[&source].range;
                let buffer = self.dense(source).0;
                self.homes.insert(id.output(0), Home { range, ..Home::dense(buffer) });
            }
            Node::Op(node) if !node.regions.is_empty() => self.condition(id, node)?,
            Node::Op(node) => self.op(id, node),
            Node::Fused(node) => self.fused(id, node),
        }
        Ok(())
    }

    /// How a value lies.
    ///
    /// # Errors
    /// An element type that kernels do not have.
    pub fn layout(&self, value: ValueId) -> Result<TensorLayout, String> {
        match self.homes[&value].layout {
            Some(layout) => Ok(layout),
            None => dense_layout(self.graph.ty(value)),
        }
    }

    /// The value, row-major and dense; copied out of its border if it has one.
    pub fn dense(&mut self, value: ValueId) -> Dense {
        let home = self.homes[&value];
        let ty = self.graph.ty(value).clone();
        let Some(layout) = home.layout.filter(|l| *l != TensorLayout::dense(l.n, l.h, l.w, l.c, l.elem)) else {
            return (home.buffer, ty);
        };
        let plain = TensorLayout::dense(layout.n, layout.h, layout.w, layout.c, layout.elem);
        let buffer = self.copied(home, layout, plain, "without border");
        (buffer, ty)
    }

    fn dense_inputs(&mut self, inputs: &[Option<ValueId>]) -> Vec<Option<Dense>> {
        inputs.iter().map(|v| v.map(|v| self.dense(v))).collect()
    }

    /// New dense buffers for the outputs of a node.
    fn results(&mut self, id: NodeId, name: &str, count: usize) -> Vec<Dense> {
        (0..count as u32)
            .map(|i| {
                let ty = self.graph.ty(id.output(i)).clone();
                let buffer = self.out.buffer(name, ty.bytes());
                self.homes.insert(id.output(i), Home::dense(buffer));
                (buffer, ty)
            })
            .collect()
    }

    /// Predicted time of work (ns).
    pub fn ns(&self, work: Work) -> f64 {
        self.options.costs.ns(&work)
    }

    /// Predicted time of a node that becomes one kernel (ns).
    pub fn kernel_ns(&self, id: NodeId) -> f64 {
        self.ns(self.options.costs.node(self.graph, id).whole())
    }

    fn op(&mut self, id: NodeId, node: &OpNode) {
        let name = named(&node.name, node.op.name, id);
        let remark = match self.options.fast {
            Fast::None => "kernels are off".to_string(),
            Fast::All => match self.fast_op(id, node, &name) {
                Ok(()) => return,
                Err(reason) => reason,
            },
        };
        let inputs = self.dense_inputs(&node.inputs);
        let outputs = self.results(id, &name, node.outputs);
        reference::op_step(&mut self.out, &self.options.costs, &name, (node.op, &node.attrs), inputs, outputs, &remark);
    }

    fn fused(&mut self, id: NodeId, node: &FusedNode) {
        let name = named(&node.name, node.core.as_ref().map_or("map", |c| c.op.name), id);
        let remark = match self.options.fast {
            Fast::None => "kernels are off".to_string(),
            Fast::All => match self.fast_fused(id, node, &name) {
                Ok(()) => return,
                Err(reason) => reason,
            },
        };
        let node = FusedNode { name, ..node.clone() };
        let inputs = self.dense_inputs(&node.inputs);
        let body = &self.graph.regions(id)[0];
        let core_type = node.core.as_ref().map(|core| {
            let typed: Vec<Option<InferInput<'_>>> = inputs[..core.inputs]
                .iter()
                .map(|i| i.as_ref().map(|(_, ty)| InferInput { ty, value: None }))
                .collect();
            let types = core.op.infer(&typed, &mut core.attrs.clone(), 1);
            types.expect("inference has checked it").remove(0)
        });
        let result =
            reference::fused_steps(&mut self.out, &self.options.costs, &node, body, core_type, inputs, &remark);
        self.homes.insert(id.output(0), Home::dense(result.0));
    }

    fn condition(&mut self, id: NodeId, node: &OpNode) -> Result<(), Vec<Diagnostic>> {
        let name = named(&node.name, node.op.name, id);
        let inputs = self.dense_inputs(&node.inputs);
        let mut buffers = inputs.into_iter().flatten().map(|(buffer, _)| buffer);
        let condition = buffers.next().expect("inference has checked it");
        let captures = buffers.collect();
        let outputs: Vec<Dense> = self.results(id, &name, node.outputs);
        let regions = self.graph.regions(id);
        let mut branch = |i: usize| lower_into(&regions[i], self.options, self.out.constants()).map(Box::new);
        let (then_branch, else_branch) = (branch(0)?, branch(1)?);
        let predicted_ns = |p: &Program| p.steps.iter().map(|s| s.predicted_ns).sum::<f64>();
        let ns = predicted_ns(&then_branch).max(predicted_ns(&else_branch));
        let macs = then_branch.steps.iter().map(|s| s.macs).sum();
        let outputs = outputs.into_iter().map(|(buffer, _)| buffer).collect();
        let action = Action::If { condition, captures, outputs, then_branch, else_branch };
        self.out.push(Step { name, action, predicted_ns: ns, macs, remark: None });
        Ok(())
    }
}

/// A name for a node that may have none.
fn named(name: &str, op: &str, id: NodeId) -> String {
    if name.is_empty() { format!("{op} {}", id.0) } else { name.to_string() }
}
