//! Interned payloads of nodes.

use egg::Id;
use indexmap::IndexSet;
use qcc_ir::{Graph, text::content_hash};
use qcc_ops::{Attrs, Op};
use qcc_tensor::Tensor;
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// An operator with the number of its outputs. Nodes with nested graphs are told apart by the index of their graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    /// The operator.
    pub(crate) op: Op,
    /// Number of outputs.
    pub(crate) outputs: u32,
    /// Index into [`Tables::regions`].
    pub(crate) regions: Option<u32>,
}

/// Everything that nodes refer to by number.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    calls: IndexSet<Call>,
    attrs: IndexSet<Rc<Attrs>>,
    consts: Vec<Tensor>,
    consts_by_hash: FxHashMap<u64, Vec<u32>>,
    /// Nested graphs of `If` nodes.
    pub(crate) regions: Vec<Vec<Graph>>,
    /// Class that each folded leaf was made for.
    pub(crate) folded: Vec<Id>,
}

impl Tables {
    /// Number of a call.
    pub(crate) fn call(&mut self, call: Call) -> u32 {
        self.calls.insert_full(call).0 as u32
    }

    /// The call of a number.
    pub(crate) fn get_call(&self, index: u32) -> Call {
        self.calls[index as usize]
    }

    /// Number of a bundle of attributes.
    pub(crate) fn attrs(&mut self, attrs: &Attrs) -> u32 {
        match self.attrs.get_index_of(attrs) {
            Some(index) => index as u32,
            None => self.attrs.insert_full(Rc::new(attrs.clone())).0 as u32,
        }
    }

    /// The bundle of a number.
    pub(crate) fn get_attrs(&self, index: u32) -> &Rc<Attrs> {
        &self.attrs[index as usize]
    }

    /// Number of a constant; equal content is one constant.
    pub(crate) fn constant(&mut self, tensor: Tensor) -> u32 {
        let same = self.consts_by_hash.entry(content_hash(&tensor)).or_default();
        if let Some(&index) = same.iter().find(|&&i| self.consts[i as usize] == tensor) {
            return index;
        }
        let index = self.consts.len() as u32;
        same.push(index);
        self.consts.push(tensor);
        index
    }

    /// Number of a constant that is not one with others of the same content.
    pub(crate) fn constant_apart(&mut self, tensor: Tensor) -> u32 {
        self.consts.push(tensor);
        self.consts.len() as u32 - 1
    }

    /// The constant of a number.
    pub(crate) fn get_constant(&self, index: u32) -> &Tensor {
        &self.consts[index as usize]
    }
}
