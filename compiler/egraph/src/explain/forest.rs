//! The unions of a run as a forest: between two equal ids there is exactly one path.
//!
//! Every union that had an effect joined two trees, so the unions are the edges of a forest, and two ids that were equal at
//! some time are joined by unions from before that time.

use crate::history::{Reason, Union};
use egg::Id;
use std::collections::VecDeque;

/// The forest.
pub(crate) struct Forest {
    unions: Vec<Union>,
    /// Neighbour towards the root of the tree and the union that joins them.
    parents: Vec<Option<(usize, usize)>>,
    depths: Vec<u32>,
}

impl Forest {
    /// The forest of all unions among `ids` ids.
    pub(crate) fn new(unions: &[Union], ids: usize) -> Self {
        let mut neighbours: Vec<Vec<(usize, usize)>> = vec![Vec::new(); ids];
        for (edge, union) in unions.iter().enumerate() {
            let (a, b) = (usize::from(union.a), usize::from(union.b));
            neighbours[a].push((b, edge));
            neighbours[b].push((a, edge));
        }
        let mut forest = Self { unions: unions.to_vec(), parents: vec![None; ids], depths: vec![0; ids] };
        let mut seen = vec![false; ids];
        for root in 0..ids {
            if std::mem::replace(&mut seen[root], true) {
                continue;
            }
            let mut queue = VecDeque::from([root]);
            while let Some(id) = queue.pop_front() {
                for &(next, edge) in &neighbours[id] {
                    if !std::mem::replace(&mut seen[next], true) {
                        forest.parents[next] = Some((id, edge));
                        forest.depths[next] = forest.depths[id] + 1;
                        queue.push_back(next);
                    }
                }
            }
        }
        forest
    }

    /// The union at a position.
    pub(crate) fn union(&self, edge: usize) -> Union {
        self.unions[edge]
    }

    /// The unions that make two ids equal; `None` if they are not.
    pub(crate) fn path(&self, a: Id, b: Id) -> Option<Vec<usize>> {
        let (mut a, mut b) = (usize::from(a), usize::from(b));
        let mut edges = Vec::new();
        while a != b {
            let deeper = if self.depths[a] >= self.depths[b] { &mut a } else { &mut b };
            let (next, edge) = self.parents[*deeper]?;
            edges.push(edge);
            *deeper = next;
        }
        Some(edges)
    }

    /// Whether two ids were equal when there were `time` unions.
    pub(crate) fn equal_at(&self, a: Id, b: Id, time: usize) -> bool {
        self.path(a, b).is_some_and(|edges| edges.iter().all(|&e| e < time))
    }

    /// Whether an application made two ids equal.
    pub(crate) fn joins(&self, application: usize, a: Id, b: Id) -> bool {
        let edges = self.path(a, b).unwrap_or_default();
        edges.iter().any(|&e| self.unions[e].reason == Reason::Application(application))
    }
}
