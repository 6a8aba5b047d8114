//! Registers for classes: a linear scan in the order in which they are first needed. Where none is left, the class that
//! costs least goes to the stack for its whole life; what went there is tried again at the end.

use std::collections::BTreeMap;

use super::live::{Class, Stretch};

/// Where a class lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the register of that number.
    Register(u8),
    /// On the stack, or nowhere if it is a constant.
    Spilled,
}

/// Gives every class of one kind a place in one of `registers` registers.
pub fn allocate(classes: &[Class], vector: bool, registers: usize) -> Vec<Place> {
    let mut order: Vec<usize> =
        (0..classes.len()).filter(|&c| classes[c].vector == vector && !classes[c].stretches.is_empty()).collect();
    order.sort_by_key(|&c| (classes[c].stretches[0], c));
    let mut scan =
        Scan { classes, places: vec![Place::Spilled; classes.len()], taken: vec![BTreeMap::new(); registers] };
    for &c in &order {
        scan.place(c);
    }
    order.retain(|&c| scan.places[c] == Place::Spilled);
    order.sort_by(|&a, &b| classes[b].weight.total_cmp(&classes[a].weight).then(a.cmp(&b)));
    for &c in &order {
        if let Some(free) = scan.free(c) {
            scan.take(free, c);
        }
    }
    scan.places
}

struct Scan<'c> {
    classes: &'c [Class],
    places: Vec<Place>,
    /// For each register, by their beginnings, the stretches it is taken for, and by which class.
    taken: Vec<BTreeMap<u32, (u32, usize)>>,
}

impl Scan<'_> {
    fn place(&mut self, c: usize) {
        if let Some(free) = self.free(c) {
            return self.take(free, c);
        }
        let mut best: Option<(f32, usize, Vec<usize>)> = None;
        for r in 0..self.taken.len() {
            let conflicts = self.conflicts(r, c);
            let cost: f32 = conflicts.iter().map(|&c| self.classes[c].weight).sum();
            if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
                best = Some((cost, r, conflicts));
            }
        }
        let Some((cost, r, conflicts)) = best else { return };
        if cost >= self.classes[c].weight {
            return;
        }
        for other in conflicts {
            self.places[other] = Place::Spilled;
            self.taken[r].retain(|_, (_, class)| *class != other);
        }
        self.take(r, c);
    }

    fn take(&mut self, r: usize, c: usize) {
        self.places[c] = Place::Register(r as u8);
        for &(from, to) in &self.classes[c].stretches {
            self.taken[r].insert(from, (to, c));
        }
    }

    /// A register that nothing holds when `c` needs it.
    fn free(&self, c: usize) -> Option<usize> {
        let unused = |&r: &usize| self.classes[c].stretches.iter().all(|&s| self.during(r, s).next().is_none());
        (0..self.taken.len()).find(unused)
    }

    /// The classes that hold the register when `c` needs it.
    fn conflicts(&self, r: usize, c: usize) -> Vec<usize> {
        let mut all: Vec<usize> = self.classes[c].stretches.iter().flat_map(|s| self.during(r, *s)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn during(&self, r: usize, (from, to): Stretch) -> impl Iterator<Item = usize> {
        let inside = self.taken[r].range(from..to).map(|(_, (_, class))| *class);
        let before = self.taken[r].range(..from).next_back().filter(|(_, (end, _))| *end > from);
        before.map(|(_, (_, class))| *class).into_iter().chain(inside)
    }
}
