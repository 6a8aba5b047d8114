//! Which applications of rules stand between terms of the model and chosen terms.
//!
//! A chosen node stands in a class because a chain of unions leads from the term that the model has there to the node. A
//! union by an application needs the nodes its pattern matched; these needed unions in turn, all of them earlier ones.

use super::forest::Forest;
use crate::history::{History, Reason};
use crate::language::Node;
use crate::saturate::Saturated;
use egg::{Id, Language};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;

/// The applications that some equalities rest on.
pub(crate) struct Derivation<'a> {
    saturated: &'a Saturated,
    history: &'a History,
    forest: &'a Forest,
    /// Ids by what their node is now.
    ids: &'a FxHashMap<Node, Vec<Id>>,
    seen: FxHashSet<usize>,
    /// Nodes of the model that each application rests on, as far as they were asked for.
    sources: FxHashMap<usize, BTreeSet<Id>>,
    /// Positions in the history.
    pub(crate) applications: BTreeSet<usize>,
    open: Vec<(Id, Id)>,
}

/// All ids of a run by what their node is now, the earliest first.
pub(crate) fn ids_by_node(saturated: &Saturated, history: &History) -> FxHashMap<Node, Vec<Id>> {
    let mut ids: FxHashMap<Node, Vec<Id>> = FxHashMap::default();
    for id in (0..history.made.len()).map(Id::from) {
        ids.entry(now(saturated, saturated.egraph.id_to_node(id))).or_default().push(id);
    }
    ids
}

fn now(saturated: &Saturated, node: &Node) -> Node {
    node.clone().map_children(|c| saturated.egraph.find(c))
}

impl<'a> Derivation<'a> {
    /// Nothing derived yet.
    pub(crate) fn new(
        saturated: &'a Saturated,
        history: &'a History,
        forest: &'a Forest,
        ids: &'a FxHashMap<Node, Vec<Id>>,
    ) -> Self {
        let (seen, applications) = (FxHashSet::default(), BTreeSet::new());
        Self { saturated, history, forest, ids, seen, sources: FxHashMap::default(), applications, open: Vec::new() }
    }

    /// Adds what makes two ids equal.
    pub(crate) fn equal(&mut self, a: Id, b: Id) {
        self.open.push((a, b));
        while let Some((a, b)) = self.open.pop() {
            for edge in self.forest.path(a, b).unwrap_or_default() {
                if self.seen.insert(edge) {
                    self.union(edge);
                }
            }
        }
    }

    /// Adds the application that made a node, if the model does not have it, and what that one rests on.
    pub(crate) fn created(&mut self, id: Id) {
        if let Reason::Application(application) = self.history.made[usize::from(id)] {
            self.application(application);
            self.equal(id, id);
        }
    }

    fn union(&mut self, edge: usize) {
        let union = self.forest.union(edge);
        match union.reason {
            Reason::Application(application) => self.application(application),
            Reason::Congruence => {
                let egraph = &self.saturated.egraph;
                let (a, b) = (egraph.id_to_node(union.a), egraph.id_to_node(union.b));
                self.open.extend(a.children().iter().copied().zip(b.children().iter().copied()));
            }
            Reason::Model | Reason::SameValue => {}
        }
    }

    fn application(&mut self, position: usize) {
        if !self.applications.insert(position) {
            return;
        }
        let application = &self.history.applications[position];
        for matched in &application.bindings.trail {
            if let Some(id) = self.id_of(&matched.node, matched.class, application.time) {
                self.created(id);
                let children = self.saturated.egraph.id_to_node(id).children();
                self.open.extend(children.iter().copied().zip(matched.node.children.iter().copied()));
                // A call that is matched through one of its outputs stands in the tuple's class.
                if self.saturated.egraph.find(id) == self.saturated.egraph.find(matched.class) {
                    self.open.push((matched.class, id));
                }
            }
        }
    }

    /// Nodes of the model that a node was made from: itself, or those that the pattern of its application matched, or that
    /// these were made from.
    pub(crate) fn sources(&mut self, id: Id) -> BTreeSet<Id> {
        match self.history.made[usize::from(id)] {
            Reason::Application(application) => self.sources_of(application),
            _ => BTreeSet::from([id]),
        }
    }

    /// Nodes of the model that the pattern of an application matched, or that these were made from.
    pub(crate) fn sources_of(&mut self, application: usize) -> BTreeSet<Id> {
        let mut open = vec![application];
        while let Some(&next) = open.last() {
            if self.sources.contains_key(&next) {
                open.pop();
                continue;
            }
            let made = &self.history.applications[next];
            let matched: Vec<Id> =
                made.bindings.trail.iter().filter_map(|m| self.id_of(&m.node, m.class, made.time)).collect();
            let mut found = BTreeSet::new();
            let mut missing = Vec::new();
            for id in matched {
                match self.history.made[usize::from(id)] {
                    Reason::Application(a) if a < next => match self.sources.get(&a) {
                        Some(of) => found.extend(of),
                        None => missing.push(a),
                    },
                    Reason::Application(_) => {}
                    _ => {
                        found.insert(id);
                    }
                }
            }
            if missing.is_empty() {
                self.sources.insert(next, found);
                open.pop();
            }
            open.extend(missing);
        }
        self.sources[&application].clone()
    }

    /// The id of a node that was in a class when there were `time` unions.
    pub(crate) fn id_of(&self, node: &Node, class: Id, time: usize) -> Option<Id> {
        let candidates = self.ids.get(&now(self.saturated, node))?;
        let fits = |&&id: &&Id| {
            let own = self.saturated.egraph.id_to_node(id);
            let children = own.children().iter().zip(node.children());
            let same_class = self.saturated.egraph.find(id) != self.saturated.egraph.find(class)
                || self.forest.equal_at(id, class, time);
            same_class && children.into_iter().all(|(&a, &b)| self.forest.equal_at(a, b, time))
        };
        candidates.iter().find(fits).or(candidates.first()).copied()
    }
}
