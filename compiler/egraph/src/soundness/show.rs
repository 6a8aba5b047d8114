//! Terms with their values as text.

use super::evaluate::Evaluator;
use crate::analysis::Kind;
use crate::instance::Instance;
use crate::language::OpId;
use egg::Id;
use qcc_tensor::Tensor;
use rustc_hash::FxHashMap;
use std::fmt::Write;

/// Elements of a tensor that are printed.
const PRINTED: usize = 12;

/// A line for each operator of a term, operands first, with the value of each.
pub(crate) fn term(instance: &Instance<'_>, root: Id, inputs: &[Tensor], outer: Option<&Tensor>) -> String {
    let evaluator = Evaluator::new(instance, inputs, outer, None);
    let mut printer = Printer { instance, evaluator, names: FxHashMap::default(), text: String::new(), outer };
    let name = printer.print(root, 0);
    let value = printer.evaluator.value(root).map_or_else(|e| e.to_string(), |v| elements(&v));
    let _ = writeln!(printer.text, "= {name} = {value}");
    printer.text
}

/// Type and first elements of a tensor.
fn elements(tensor: &Tensor) -> String {
    let shown: Vec<String> =
        match tensor.to_i64_vec() {
            Some(ints) => ints.iter().take(PRINTED).map(ToString::to_string).collect(),
            None => tensor
                .to_f64_vec()
                .iter()
                .take(PRINTED)
                .map(|v| {
                    if tensor.dtype() == qcc_tensor::DType::F32 { format!("{:?}", *v as f32) } else { format!("{v:?}") }
                })
                .collect(),
        };
    let more = if tensor.elements() > PRINTED { ", …" } else { "" };
    format!("{} [{}{more}]", tensor.ty(), shown.join(", "))
}

struct Printer<'a, 'b> {
    instance: &'b Instance<'a>,
    evaluator: Evaluator<'a, 'b>,
    names: FxHashMap<Id, String>,
    text: String,
    outer: Option<&'b Tensor>,
}

impl Printer<'_, '_> {
    /// Prints what a term is computed from; returns its name. `bodies` is how many kernels' bodies enclose it.
    fn print(&mut self, id: Id, bodies: u32) -> String {
        if let Some(name) = self.names.get(&id) {
            return name.clone();
        }
        let Ok(node) = self.evaluator.node(id) else { return "?".into() };
        let tables = &self.instance.egraph.analysis.tables;
        let line = match node.op {
            OpId::Input(i) => Some(format!("input {i}")),
            OpId::Const(c) => Some(format!("const {}", elements(tables.get_constant(c)))),
            OpId::Proj(i) => Some(format!("output {i} of {}", self.print(node.children[0], bodies))),
            OpId::Call(c) => {
                let call = tables.get_call(c);
                if call.op.name == "Acc" {
                    let outer = bodies == 0;
                    return match (outer, self.outer) {
                        (true, Some(value)) => format!("acc({})", elements(value)),
                        _ => "acc".into(),
                    };
                }
                let attrs = self.instance.attrs_of(&node).unwrap_or_default();
                let body = |i: usize| bodies + u32::from(call.op.name == "Fused" && i == 1);
                let args: Vec<String> =
                    node.inputs().iter().enumerate().map(|(i, &c)| self.print(c, body(i))).collect();
                let attrs: Vec<String> = attrs.iter().map(|(n, v)| format!("{n}: {v}")).collect();
                let attrs = if attrs.is_empty() { String::new() } else { format!(" {{{}}}", attrs.join(", ")) };
                Some(format!("{}({}){attrs}", call.op, args.join(", ")))
            }
            OpId::Absent | OpId::Attrs(_) | OpId::Folded(_) => None,
        };
        let Some(line) = line else { return "_".into() };
        let name = format!("%{}", self.names.len());
        let shown = match (&self.instance.data(id).kind, node.op) {
            (Kind::Tensor(ty), _) if bodies > 0 => ty.to_string(),
            (Kind::Tensor(_), OpId::Const(_)) => String::new(),
            (Kind::Tensor(ty), _) => self.evaluator.value(id).map_or_else(|_| ty.to_string(), |v| elements(&v)),
            _ => String::new(),
        };
        let sign = if shown.is_empty() { "" } else { "  : " };
        let _ = writeln!(self.text, "{name} = {line}{sign}{shown}");
        self.names.insert(id, name.clone());
        name
    }
}
