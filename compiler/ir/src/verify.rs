//! Structural invariants, checked after every step. A violation is a bug in qcc, not in the model.

use crate::{Graph, Node, TypedGraph};

/// Checks a typed graph: every input of a node exists and comes from an earlier node, every output index is in range,
/// nested graphs have the inputs their node gives them, fused bodies are elementwise with one output, and inferring the
/// types again gives the same types.
///
/// # Errors
/// The first violation, in words.
pub fn verify(graph: &TypedGraph) -> Result<(), String> {
    verify_structure(graph.graph())?;
    let again = crate::infer(graph.graph()).map_err(|e| e[0].message.clone())?;
    for id in graph.graph().node_ids() {
        for i in 0..graph.graph().node(id).outputs() as u32 {
            if graph.ty(id.output(i)) != again.ty(id.output(i)) {
                return Err(format!(
                    "{id:?}.{i} is {}, inference says {}",
                    graph.ty(id.output(i)),
                    again.ty(id.output(i))
                ));
            }
        }
    }
    Ok(())
}

fn verify_structure(g: &Graph) -> Result<(), String> {
    if let Some(id) = g.cycle() {
        return Err(format!("{id:?} is on a cycle"));
    }
    let known: rustc_hash::FxHashSet<_> = g.node_ids().collect();
    for id in g.node_ids() {
        for v in g.node(id).inputs().iter().flatten() {
            if !known.contains(&v.node) || v.node >= id || v.output as usize >= g.node(v.node).outputs() {
                return Err(format!("{id:?} reads {v:?}, which is not defined before it"));
            }
        }
        match g.node(id) {
            Node::Op(n) => {
                for r in &n.regions {
                    let captured = n.inputs.len().saturating_sub(usize::from(n.op.name == "If"));
                    if r.inputs().len() != captured {
                        return Err(format!(
                            "{id:?} gives its region {captured} values, it takes {}",
                            r.inputs().len()
                        ));
                    }
                    verify_structure(r)?;
                }
            }
            Node::Fused(n) => {
                let core_inputs = n.core.as_ref().map_or(0, |c| c.inputs);
                let expected = n.inputs.len() - core_inputs + usize::from(n.core.is_some());
                if n.body.inputs().len() != expected || n.body.outputs().len() != 1 {
                    return Err(format!("{id:?}: its body takes {} values, not {expected}", n.body.inputs().len()));
                }
                for b in n.body.node_ids() {
                    if let Node::Op(op) = n.body.node(b)
                        && !op.op.elementwise
                    {
                        return Err(format!("{id:?}: {} stands in a body but is not elementwise", op.op));
                    }
                }
                verify_structure(&n.body)?;
            }
            Node::Input(_) | Node::Const(_) => {}
        }
    }
    Ok(())
}
