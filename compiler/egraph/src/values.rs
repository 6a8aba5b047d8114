//! Values of constant classes, computed on demand.

use crate::analysis::{EGraph, Kind};
use crate::language::{Node, OpId};
use egg::{Id, Language};
use qcc_tensor::Tensor;

/// The value of a constant class. It is computed once, from the term of least height, so that the content of a constant
/// of the model wins over what rules say it equals. Of what it is computed from nothing is kept, such as weights in double
/// precision.
///
/// # Errors
/// Why it has no value: it is not constant, or an operator cannot be evaluated.
pub(crate) fn value(egraph: &EGraph, id: Id) -> Result<Tensor, String> {
    let before = egraph.analysis.values.borrow().len();
    let value = remembered(egraph, id)?;
    let mut values = egraph.analysis.values.borrow_mut();
    values.truncate(before);
    values.insert(egraph.find(id), value.clone());
    Ok(value)
}

/// As [`value`], with what it is computed from.
fn remembered(egraph: &EGraph, id: Id) -> Result<Tensor, String> {
    let id = egraph.find(id);
    if let Some(value) = &egraph[id].data.value {
        return Ok(value.clone());
    }
    if let Some(value) = egraph.analysis.values.borrow().get(&id) {
        return Ok(value.clone());
    }
    if egraph[id].data.constant.is_none() {
        return Err("it is no constant".into());
    }
    let node = smallest(egraph, id).ok_or("this is a bug in qcc: a constant class without a term of constants")?;
    let value = match node.op {
        OpId::Const(c) => egraph.analysis.tables.get_constant(c).clone(),
        OpId::Call(_) => outputs(egraph, &node)?.swap_remove(0),
        OpId::Proj(i) => {
            let tuple = smallest(egraph, node.children[0]).ok_or("a tuple without a term of constants")?;
            outputs(egraph, &tuple)?.into_iter().nth(i as usize).ok_or("an output that does not exist")?
        }
        _ => return Err("it is no constant".into()),
    };
    egraph.analysis.values.borrow_mut().insert(id, value.clone());
    Ok(value)
}

/// The node of a class whose children are constants of the least height.
pub(crate) fn smallest(egraph: &EGraph, id: Id) -> Option<Node> {
    let height = |node: &Node| -> Option<u32> {
        match node.op {
            OpId::Const(_) => Some(0),
            OpId::Proj(_) => egraph[node.children[0]].data.constant.map(|h| h + 1),
            OpId::Call(c) => {
                let call = egraph.analysis.tables.get_call(c);
                if call.op.name == "Acc" || call.op.name == "Fused" || call.regions.is_some() {
                    return None;
                }
                node.inputs().iter().try_fold(0, |max, &child| match egraph[child].data.kind {
                    Kind::Absent => Some(max),
                    _ => egraph[child].data.constant.map(|h| max.max(h + 1)),
                })
            }
            _ => None,
        }
    };
    egraph[id].iter().filter_map(|n| height(n).map(|h| (h, n))).min_by_key(|(h, n)| (*h, *n)).map(|(_, n)| n.clone())
}

fn outputs(egraph: &EGraph, node: &Node) -> Result<Vec<Tensor>, String> {
    let OpId::Call(call) = node.op else { return Err("it is no call".into()) };
    let call = egraph.analysis.tables.get_call(call);
    let mut args: Vec<Option<Tensor>> = Vec::new();
    for &child in node.inputs() {
        let absent = egraph[child].data.kind == Kind::Absent;
        args.push(if absent { None } else { Some(remembered(egraph, child)?) });
    }
    let attrs_class = node.children()[node.children().len() - 1];
    let Kind::Attrs(attrs) = egraph[attrs_class].data.kind else { return Err("a call without attributes".into()) };
    let attrs = egraph.analysis.tables.get_attrs(attrs).clone();
    let args: Vec<Option<&Tensor>> = args.iter().map(Option::as_ref).collect();
    call.op.eval(&args, &attrs, call.outputs as usize).map_err(|e| format!("{}: {e}", call.op))
}
