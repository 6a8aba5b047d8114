//! Names of one graph while it is built.

use crate::facts::{Fact, Facts, derive};
use crate::upgrade::Call;
use qcc_ir::{Graph, InputNode, NodeId, OpNode, ValueId};
use qcc_ops::{Attrs, Op, OpError};
use qcc_tensor::Tensor;
use rustc_hash::FxHashMap;

/// What a name stands for.
#[derive(Clone)]
enum Named {
    Value(ValueId),
    /// A constant that no node has read yet.
    Constant(Tensor),
    /// Its node could not be imported, which has been reported.
    Broken,
}

/// The result of looking up a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The value.
    Found(ValueId),
    /// The name is defined, but its value could not be imported.
    Broken,
    /// Nothing has this name.
    Undefined,
}

/// A graph under construction, with the names of its values.
pub(crate) struct Scope<'s> {
    /// The graph so far.
    pub(crate) graph: Graph,
    names: FxHashMap<String, Named>,
    /// Names that have become values but are constants all the same.
    constants: FxHashMap<String, Tensor>,
    values: FxHashMap<ValueId, Tensor>,
    facts: Facts,
    hints: FxHashMap<String, Fact>,
    parent: Option<&'s Scope<'s>>,
}

impl<'s> Scope<'s> {
    /// An empty scope. Constants of the parents are visible and are copied when read; other values of the parents are
    /// not, since a nested graph receives them as inputs.
    pub(crate) fn new(graph: Graph, parent: Option<&'s Scope<'s>>) -> Self {
        Self {
            graph,
            names: FxHashMap::default(),
            constants: FxHashMap::default(),
            values: FxHashMap::default(),
            facts: Facts::default(),
            hints: FxHashMap::default(),
            parent,
        }
    }

    /// Whether the name is defined in this graph.
    pub(crate) fn defines(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// What the file says of a value that is not defined yet.
    pub(crate) fn hint(&mut self, name: &str, fact: Fact) {
        self.hints.insert(name.to_string(), fact);
    }

    /// Defines a constant; it becomes a node when it is first read.
    pub(crate) fn define_constant(&mut self, name: &str, tensor: Tensor) {
        self.constants.insert(name.to_string(), tensor.clone());
        self.names.insert(name.to_string(), Named::Constant(tensor));
    }

    /// Defines a graph input.
    pub(crate) fn define_input(&mut self, input: InputNode) {
        let name = input.name.clone();
        let fact = Fact { dtype: Some(input.dtype), rank: input.dims.as_ref().map(Vec::len) };
        let value = self.graph.add_input(input);
        self.facts.insert(value, fact);
        self.names.insert(name, Named::Value(value));
    }

    /// Defines an input of a nested graph, which is a value of the parent.
    pub(crate) fn define_capture(&mut self, name: &str, fact: Fact) {
        let dtype = fact.dtype.unwrap_or(qcc_tensor::DType::F32);
        let value = self.graph.add_input(InputNode { name: name.to_string(), dtype, dims: None });
        self.facts.insert(value, fact);
        self.names.insert(name.to_string(), Named::Value(value));
    }

    /// Defines the value of a node.
    pub(crate) fn define_value(&mut self, name: &str, value: ValueId) {
        if let Some(hint) = self.hints.get(name) {
            let fact = self.facts.entry(value).or_default();
            *fact = Fact { dtype: fact.dtype.or(hint.dtype), rank: fact.rank.or(hint.rank) };
        }
        self.names.insert(name.to_string(), Named::Value(value));
    }

    /// Defines a name whose node could not be imported.
    pub(crate) fn define_broken(&mut self, name: &str) {
        self.names.insert(name.to_string(), Named::Broken);
    }

    /// The constant of a name, here or in a parent.
    pub(crate) fn constant_named(&self, name: &str) -> Option<&Tensor> {
        match (self.constants.get(name), self.parent) {
            (Some(tensor), _) => Some(tensor),
            (None, Some(parent)) if !self.defines(name) => parent.constant_named(name),
            _ => None,
        }
    }

    /// The value of a name; a constant becomes a node of this graph.
    pub(crate) fn lookup(&mut self, name: &str) -> Lookup {
        let named = match self.names.get(name) {
            Some(named) => named.clone(),
            None => match self.constant_named(name) {
                Some(tensor) => Named::Constant(tensor.clone()),
                None => return Lookup::Undefined,
            },
        };
        match named {
            Named::Value(value) => Lookup::Found(value),
            Named::Broken => Lookup::Broken,
            Named::Constant(tensor) => {
                let value = self.constant(tensor);
                self.names.insert(name.to_string(), Named::Value(value));
                Lookup::Found(value)
            }
        }
    }

    /// What is known of a value.
    pub(crate) fn fact(&self, value: Option<ValueId>) -> Fact {
        value.and_then(|v| self.facts.get(&v)).copied().unwrap_or_default()
    }

    /// The tensor of a value that is a constant.
    pub(crate) fn value(&self, value: Option<ValueId>) -> Option<&Tensor> {
        value.and_then(|v| self.values.get(&v))
    }

    /// Adds a nameless constant.
    pub(crate) fn constant(&mut self, tensor: Tensor) -> ValueId {
        let fact = Fact { dtype: Some(tensor.dtype()), rank: Some(tensor.rank()) };
        let value = self.graph.add_const(tensor.clone());
        self.facts.insert(value, fact);
        self.values.insert(value, tensor);
        value
    }

    /// Adds the node of a call that is in the newest form.
    pub(crate) fn node(&mut self, call: Call, regions: Vec<Graph>) -> Result<NodeId, OpError> {
        let op = qcc_ops::find_in("", &call.op).ok_or_else(|| OpError::unsupported(format!("the op `{}`", call.op)))?;
        Ok(self.node_of(op, call, regions))
    }

    /// Adds a node.
    pub(crate) fn node_of(&mut self, op: Op, call: Call, regions: Vec<Graph>) -> NodeId {
        let facts: Vec<Fact> = call.inputs.iter().map(|v| self.fact(*v)).collect();
        let values: Vec<Option<&Tensor>> = call.inputs.iter().map(|v| self.value(*v)).collect();
        let fact = derive(op.name, &call.attrs, &facts, &values);
        let Call { name, attrs, inputs, outputs, .. } = call;
        let id = self.graph.add_op(OpNode { name, op, attrs, inputs, outputs, regions });
        for i in 0..outputs as u32 {
            self.facts.insert(id.output(i), fact);
        }
        id
    }

    /// Adds a one-output node that an upgrade needs beside the node it came from.
    pub(crate) fn extra(
        &mut self,
        call: &Call,
        op: &str,
        attrs: Attrs,
        inputs: &[ValueId],
    ) -> Result<ValueId, OpError> {
        let inputs = inputs.iter().map(|&v| Some(v)).collect();
        let extra = Call { op: op.to_string(), attrs, inputs, outputs: 1, tensors: Vec::new(), ..call.clone() };
        Ok(self.node(extra, Vec::new())?.output(0))
    }
}
