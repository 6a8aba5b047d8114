//! `qcc inspect`.

use super::Sizes;
use qcc::failure::Failure;
use qcc::pipeline;
use qcc_ir::{Node, TypedGraph};
use qcc_tensor::TensorType;
use std::path::PathBuf;

/// Show what a model consists of: inputs, outputs, ops, parameters, multiply-accumulates
///
/// Example:
///   qcc inspect model.onnx --bind N=1
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Inspect {
    /// The model, an .onnx file
    model: PathBuf,
    #[command(flatten)]
    sizes: Sizes,
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
        let graph = pipeline::import(&self.model)?;
        let typed = pipeline::typed(&graph, &self.sizes.bindings())?;
        print!("{}", report(&typed));
        Ok(())
    }
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
