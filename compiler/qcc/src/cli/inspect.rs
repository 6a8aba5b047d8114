//! `qcc inspect`.

use super::{Most, RuleFiles, Sizes};
use qcc::failure::Failure;
use qcc::model::Model;
use qcc::pipeline;
use qcc_ir::{Node, TypedGraph};
use qcc_kernel::program::{Action, Program};
use qcc_tensor::TensorType;
use std::path::PathBuf;

/// Show what a model consists of and what becomes of it
///
/// Inputs, outputs, operators, parameters, multiply-accumulates; then every step of the compiled model: the kernel it got,
/// or why it runs on reference evaluation.
///
/// Example:
///   qcc inspect model.onnx --bind N=1
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Inspect {
    /// The model, an .onnx or .qcc file
    model: PathBuf,
    #[command(flatten)]
    sizes: Sizes,
    #[command(flatten)]
    rules: RuleFiles,
    #[command(flatten)]
    most: Most,
}

/// One line of the table.
#[derive(Default)]
struct Row {
    nodes: usize,
    macs: u64,
    bytes: usize,
}

impl Inspect {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let (model, bindings) =
            (Model::open_with(&self.model, &self.rules.selection(), &self.most.limits())?, self.sizes.bindings());
        match &model {
            Model::Graph(graph) => print!("{}", report(&pipeline::split(graph, &bindings)?.head)),
            Model::Program(program) => print!("{}", ports(program)),
        }
        print!("\n{}", steps(&*model.program(&bindings, &self.rules.selection())?));
        Ok(())
    }
}

fn ports(program: &Program) -> String {
    let line = |kind: &str, port: &qcc_kernel::program::Port| format!("{kind:<7} {}: {}\n", port.name, port.ty);
    let inputs = program.inputs.iter().map(|port| line("input", port));
    inputs.chain(program.outputs.iter().map(|port| line("output", port))).collect()
}

/// Every step, and what the program needs.
fn steps(program: &Program) -> String {
    let mut out = format!("{:<40} {:>9}  kernel\n", "step", "MMAC");
    for step in &program.steps {
        let kernel = match &step.action {
            // Maps and pools are named after their step.
            Action::Kernel { kernel, .. } => match &program.kernels[*kernel as usize].name {
                name if *name == step.name => "kernel".into(),
                name => format!("kernel {name}"),
            },
            Action::Gemm(g) => format!("float product {} x {} x {}", g.m, g.k, g.n),
            Action::Reference { op, .. } => {
                format!("none, {} on reference evaluation: {}", op.name, step.remark.as_deref().unwrap_or("no kernel"))
            }
            Action::If { .. } => "one of two branches".into(),
            Action::Halo(_) | Action::Copy { .. } => continue,
        };
        out += &format!("{:<40} {:>9.3}  {kernel}\n", step.name, step.macs as f64 / 1e6);
    }
    if let Some(tail) = &program.tail {
        let calls = tail.block.calls.len();
        out += &format!(
            "then {calls} ops on reference evaluation, whose shapes depend on data; the first: {}\n",
            tail.reason
        );
    }
    let kib = |bytes: usize| bytes as f64 / 1024.0;
    let (arena, constants) = (kib(program.arena_bytes), kib(program.constants.len()));
    out + &format!("\n{arena:.1} KiB of working memory, {constants:.1} KiB of constants\n")
}

fn report(typed: &TypedGraph) -> String {
    let graph = typed.graph();
    let mut out = String::new();
    for &id in graph.inputs() {
        out += &format!("input   {}: {}\n", graph.input(id).name, typed.ty(id.output(0)));
    }
    for (name, value) in graph.outputs() {
        out += &format!("output  {name}: {}\n", typed.ty(*value));
    }
    let mut rows = std::collections::BTreeMap::<&str, Row>::new();
    let mut parameters = 0;
    for id in graph.node_ids() {
        match graph.node(id) {
            Node::Const(t) => parameters += t.elements(),
            Node::Op(n) => {
                let inputs: Vec<Option<&TensorType>> = n.inputs.iter().map(|v| v.map(|v| typed.ty(v))).collect();
                let outputs: Vec<TensorType> = (0..n.outputs as u32).map(|i| typed.ty(id.output(i)).clone()).collect();
                let row = rows.entry(n.op.name).or_default();
                row.nodes += 1;
                row.macs += (n.op.macs)(&inputs, &outputs, &n.attrs);
                row.bytes += outputs.iter().map(TensorType::bytes).sum::<usize>();
            }
            Node::Input(_) | Node::Fused(_) => {}
        }
    }
    out += &format!("\n{:<24} {:>6} {:>12} {:>14}\n", "op", "nodes", "MMAC", "output bytes");
    for (op, row) in &rows {
        out += &format!("{op:<24} {:>6} {:>12.2} {:>14}\n", row.nodes, row.macs as f64 / 1e6, row.bytes);
    }
    let macs: u64 = rows.values().map(|r| r.macs).sum();
    out += &format!("\n{parameters} constant elements, {:.2} MMAC\n", macs as f64 / 1e6);
    out
}
