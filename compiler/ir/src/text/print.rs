//! Graph to text.

use super::{lex::is_name, literal};
use crate::{Dim, FusedNode, Graph, InputNode, Node, NodeId, OpNode, TypedGraph, ValueId};
use qcc_ops::Attrs;
use rustc_hash::{FxHashMap, FxHashSet};
use std::fmt::{self, Write};

/// The text of a typed graph, with the type of every node's outputs.
pub fn print(graph: &TypedGraph) -> String {
    whole(graph.graph(), Some(graph))
}

/// The text of a graph without types.
pub fn print_graph(graph: &Graph) -> String {
    whole(graph, None)
}

fn whole(graph: &Graph, typed: Option<&TypedGraph>) -> String {
    let mut out = String::new();
    block(&mut out, "graph", graph, typed, 0).expect("writing to a string succeeds");
    out
}

fn block(out: &mut String, word: &str, g: &Graph, typed: Option<&TypedGraph>, depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    writeln!(out, "{indent}{word} {:?} {{", g.name)?;
    for (key, value) in &g.metadata {
        writeln!(out, "{indent}  meta {key:?} = {value:?}")?;
    }
    let names = value_names(g);
    for id in g.node_ids() {
        let targets: Vec<&str> = (0..g.node(id).outputs() as u32).map(|i| names[&id.output(i)].as_str()).collect();
        write!(out, "{indent}  {} = ", targets.join(", "))?;
        match g.node(id) {
            Node::Input(n) => input(out, n, targets[0])?,
            Node::Const(t) => writeln!(out, "const {} {}", t.ty(), literal::print(t))?,
            Node::Op(n) => op(out, n, id, &names, typed, depth)?,
            Node::Fused(n) => fused(out, n, id, &names, typed, depth)?,
        }
    }
    for (name, value) in g.outputs() {
        writeln!(out, "{indent}  output {name:?} = {}", names[value])?;
    }
    writeln!(out, "{indent}}}")
}

/// `%x` for inputs whose name can be written so, numbers for all others.
fn value_names(g: &Graph) -> FxHashMap<ValueId, String> {
    let mut names = FxHashMap::default();
    let mut taken = FxHashSet::default();
    let mut count = 0;
    for id in g.node_ids() {
        for i in 0..g.node(id).outputs() as u32 {
            let own = match g.node(id) {
                Node::Input(n) if is_plain(&n.name) && taken.insert(n.name.as_str()) => Some(n.name.as_str()),
                _ => None,
            };
            let name = own.map_or_else(
                || {
                    count += 1;
                    format!("%{}", count - 1)
                },
                |own| format!("%{own}"),
            );
            names.insert(id.output(i), name);
        }
    }
    names
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_name)
}

fn input(out: &mut String, n: &InputNode, target: &str) -> fmt::Result {
    out.write_str("input ")?;
    if target.strip_prefix('%') != Some(&n.name) {
        write!(out, "{:?} ", n.name)?;
    }
    let dims = match &n.dims {
        None => "...".to_string(),
        Some(dims) => dims.iter().map(dim).collect::<Vec<_>>().join(","),
    };
    writeln!(out, ": {}[{dims}]", n.dtype)
}

fn dim(dim: &Dim) -> String {
    match dim {
        Dim::Known(n) => n.to_string(),
        Dim::Symbol(s) if s == "?" => s.clone(),
        Dim::Symbol(s) if is_plain(s) && s != "_" => s.clone(),
        Dim::Symbol(s) => format!("{s:?}"),
    }
}

fn op(
    out: &mut String,
    n: &OpNode,
    id: NodeId,
    names: &FxHashMap<ValueId, String>,
    typed: Option<&TypedGraph>,
    depth: usize,
) -> fmt::Result {
    write!(out, "{}({}){}", n.op, arguments(&n.inputs, names), attributes(&n.attrs))?;
    types_and_name(out, id, n.outputs, &n.name, typed)?;
    for (i, region) in n.regions.iter().enumerate() {
        block(out, "region", region, typed.and_then(|t| t.regions(id).get(i)), depth + 2)?;
    }
    Ok(())
}

fn fused(
    out: &mut String,
    n: &FusedNode,
    id: NodeId,
    names: &FxHashMap<ValueId, String>,
    typed: Option<&TypedGraph>,
    depth: usize,
) -> fmt::Result {
    out.write_str("fused ")?;
    let core_inputs = n.core.as_ref().map_or(0, |c| c.inputs);
    if let Some(core) = &n.core {
        let inputs = arguments(&n.inputs[..core_inputs], names);
        write!(out, "{}({inputs}){} ", core.op, attributes(&core.attrs))?;
    }
    write!(out, "with ({})", arguments(&n.inputs[core_inputs..], names))?;
    types_and_name(out, id, 1, &n.name, typed)?;
    block(out, "region", &n.body, typed.and_then(|t| t.regions(id).first()), depth + 2)
}

fn arguments(inputs: &[Option<ValueId>], names: &FxHashMap<ValueId, String>) -> String {
    inputs.iter().map(|v| v.as_ref().map_or("_", |v| names[v].as_str())).collect::<Vec<_>>().join(", ")
}

fn attributes(attrs: &Attrs) -> String {
    if attrs.is_empty() {
        return String::new();
    }
    let items: Vec<String> = attrs.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!(" {{{}}}", items.join(", "))
}

fn types_and_name(out: &mut String, id: NodeId, outputs: usize, name: &str, typed: Option<&TypedGraph>) -> fmt::Result {
    if let Some(typed) = typed {
        let types: Vec<String> = (0..outputs as u32).map(|i| typed.ty(id.output(i)).to_string()).collect();
        write!(out, " : {}", types.join(", "))?;
    }
    let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if !name.trim().is_empty() {
        write!(out, "  // {}", name.trim())?;
    }
    out.write_str("\n")
}
