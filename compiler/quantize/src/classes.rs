//! Sets of values that are joined pair by pair.

use qcc_ir::ValueId;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Disjoint sets; the first value in the order of the graph stands for its set.
#[derive(Debug, Default)]
pub struct Classes {
    parent: FxHashMap<ValueId, ValueId>,
}

fn earlier(a: ValueId, b: ValueId) -> (ValueId, ValueId) {
    if (a.node, a.output) <= (b.node, b.output) { (a, b) } else { (b, a) }
}

impl Classes {
    /// Adds a value as a set of its own, unless it is in one.
    pub fn add(&mut self, value: ValueId) {
        self.parent.entry(value).or_insert(value);
    }

    /// Joins the sets of two values.
    pub fn join(&mut self, a: ValueId, b: ValueId) {
        self.add(a);
        self.add(b);
        let (first, second) = earlier(self.find(a), self.find(b));
        self.parent.insert(second, first);
    }

    fn find(&self, mut value: ValueId) -> ValueId {
        while self.parent[&value] != value {
            value = self.parent[&value];
        }
        value
    }

    /// All sets by their first value, in the order of the graph.
    pub fn sets(&self) -> Vec<(ValueId, Vec<ValueId>)> {
        let mut sets: BTreeMap<(u32, u32), (ValueId, Vec<ValueId>)> = BTreeMap::new();
        for &value in self.parent.keys() {
            let root = self.find(value);
            sets.entry((root.node.0, root.output)).or_insert_with(|| (root, Vec::new())).1.push(value);
        }
        sets.into_values()
            .map(|(root, mut members)| {
                members.sort_unstable_by_key(|v| (v.node, v.output));
                (root, members)
            })
            .collect()
    }
}
