//! A concrete graph that a rule's left side is meant to match.

use super::content::Content;
use crate::analysis::{self, Data, EGraph, Kind};
use crate::instance::add;
use crate::language::{Children, Node, OpId};
use crate::tables::Call;
use egg::Id;
use qcc_ops::{Arity, AttrValue, Attrs, InferInput, Op};
use qcc_tensor::{Tensor, TensorType};

/// A node of a case; nodes refer to earlier ones by position.
#[derive(Debug, Clone)]
pub(crate) enum Term {
    /// A run-time value with what it may hold.
    Input(TensorType, Content),
    /// A constant.
    Const(Tensor),
    /// The accumulator of the kernel around it, or of the kernel around the whole case.
    Acc(TensorType),
    /// A call and which of its outputs is meant.
    Call(CallTerm),
}

/// A call.
#[derive(Debug, Clone)]
pub(crate) struct CallTerm {
    /// The operator.
    pub(crate) op: Op,
    /// Arguments.
    pub(crate) args: Vec<Option<usize>>,
    /// Canonical attributes.
    pub(crate) attrs: Attrs,
    /// Types of all outputs.
    pub(crate) types: Vec<TensorType>,
    /// The output that stands for the node.
    pub(crate) output: u32,
}

/// A graph as a list of nodes in topological order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Case {
    /// Nodes.
    pub(crate) terms: Vec<Term>,
    /// The values that the left sides stand for.
    pub(crate) roots: Vec<usize>,
    /// Type of the accumulator of a kernel around the whole case, if there is one.
    pub(crate) outer: Option<TensorType>,
}

impl Case {
    /// Adds a node.
    pub(crate) fn push(&mut self, term: Term) -> usize {
        self.terms.push(term);
        self.terms.len() - 1
    }

    /// Type of a node.
    pub(crate) fn ty(&self, at: usize) -> &TensorType {
        match &self.terms[at] {
            Term::Input(ty, _) | Term::Acc(ty) => ty,
            Term::Const(tensor) => tensor.ty(),
            Term::Call(call) => &call.types[call.output as usize],
        }
    }

    /// Number of nodes, and of their elements.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.terms.len(), (0..self.terms.len()).map(|at| self.ty(at).elements()).sum())
    }

    /// Value of a node that is a constant.
    pub(crate) fn value(&self, at: usize) -> Option<&Tensor> {
        match &self.terms[at] {
            Term::Const(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// Types a call and adds it.
    ///
    /// # Errors
    /// Why it has no type.
    pub(crate) fn call(
        &mut self,
        op: Op,
        mut args: Vec<Option<usize>>,
        attrs: Attrs,
        output: u32,
    ) -> Result<usize, String> {
        while args.last() == Some(&None) {
            args.pop();
        }
        let mut attrs = attrs;
        let inputs: Vec<Option<InferInput<'_>>> =
            args.iter().map(|a| a.map(|at| InferInput { ty: self.ty(at), value: self.value(at) })).collect();
        let required = op.outputs.iter().filter(|p| p.arity == Arity::One).count();
        // What has any number of outputs has at least two: one part is no split.
        let variadic = op.outputs.last().is_some_and(|p| p.arity == Arity::Variadic);
        let required = required.max(if variadic { 2 } else { 1 });
        let types = op.infer(&inputs, &mut attrs, required.max(output as usize + 1)).map_err(|e| e.to_string())?;
        if types.len() <= output as usize {
            return Err("an output that does not exist".into());
        }
        Ok(self.push(Term::Call(CallTerm { op, args, attrs, types, output })))
    }

    /// Adds the case to an e-graph: the class of every node.
    ///
    /// # Errors
    /// What the e-graph does not accept.
    pub(crate) fn encode(&self, egraph: &mut EGraph) -> Result<Vec<Id>, String> {
        let mut ids: Vec<Id> = Vec::with_capacity(self.terms.len());
        let mut inputs = 0;
        for term in &self.terms {
            let id = match term {
                Term::Input(ty, _) => {
                    inputs += 1;
                    add(egraph, Node::leaf(OpId::Input(inputs - 1)), Data::of_type(ty.clone()))
                }
                Term::Const(tensor) => {
                    let index = egraph.analysis.tables.constant(tensor.clone());
                    add(egraph, Node::leaf(OpId::Const(index)), Data::of_constant(tensor))
                }
                Term::Acc(ty) => {
                    let op = qcc_ops::find("Acc").ok_or("this is a bug in qcc: no op `Acc`")?;
                    let shape = ty.shape.iter().map(|&d| d as i64).collect();
                    let attrs =
                        Attrs::new().with("dtype", AttrValue::Type(ty.dtype)).with("shape", AttrValue::Ints(shape));
                    encode_call(egraph, op, &[], &attrs, 1)?
                }
                Term::Call(call) => {
                    let args: Vec<Option<Id>> = call.args.iter().map(|a| a.map(|at| ids[at])).collect();
                    let tuple = encode_call(egraph, call.op, &args, &call.attrs, call.types.len())?;
                    if call.types.len() == 1 {
                        tuple
                    } else {
                        let kind = Kind::Tensor(call.types[call.output as usize].clone());
                        let data = analysis::projection(&egraph[tuple].data, &kind);
                        let children = [tuple].into_iter().collect();
                        add(egraph, Node { op: OpId::Proj(call.output), children }, data)
                    }
                }
            };
            ids.push(id);
        }
        Ok(ids)
    }
}

fn encode_call(egraph: &mut EGraph, op: Op, args: &[Option<Id>], attrs: &Attrs, outputs: usize) -> Result<Id, String> {
    let call = Call { op, outputs: outputs as u32, regions: None };
    let mut children = Children::new();
    for arg in args {
        children.push(match arg {
            Some(id) => *id,
            None => add(egraph, Node::leaf(OpId::Absent), Data::leaf(Kind::Absent)),
        });
    }
    let inputs: Vec<&Data> = children.iter().map(|&c| &egraph[c].data).collect();
    let (types, attrs) = analysis::infer(call, &inputs, attrs)?;
    let kind = match &types[..] {
        [ty] => Kind::Tensor(ty.clone()),
        _ => Kind::Tuple(types),
    };
    let data = analysis::of_call(call, &inputs, &attrs, &kind, None);
    let bundle = egraph.analysis.tables.attrs(&attrs);
    children.push(add(egraph, Node::leaf(OpId::Attrs(bundle)), Data::leaf(Kind::Attrs(bundle))));
    let index = egraph.analysis.tables.call(call);
    Ok(add(egraph, Node { op: OpId::Call(index), children }, data))
}
