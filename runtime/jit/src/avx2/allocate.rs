//! Registers for classes: a linear scan in the order in which they are first needed. Where none is left, the class that
//! costs least goes to the stack for its whole life; what went there is tried again at the end.

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
    let mut scan = Scan { classes, places: vec![Place::Spilled; classes.len()], taken: vec![Vec::new(); registers] };
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
    /// For each register the stretches it is taken for, in order, and by which class. They are found in the order in which
    /// they begin, so that most are put at the end.
    taken: Vec<Vec<(Stretch, usize)>>,
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
            self.taken[r].retain(|(_, class)| *class != other);
        }
        self.take(r, c);
    }

    fn take(&mut self, r: usize, c: usize) {
        self.places[c] = Place::Register(r as u8);
        for &stretch in &self.classes[c].stretches {
            let at = self.begun(r, stretch.0);
            self.taken[r].insert(at, (stretch, c));
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

    /// What holds the register in a stretch.
    fn during(&self, r: usize, (from, to): Stretch) -> impl Iterator<Item = usize> {
        let before = &self.taken[r][..self.begun(r, to)];
        before.iter().rev().take_while(move |((_, end), _)| *end > from).map(|(_, class)| *class)
    }

    /// How many stretches of a register begin before a position.
    fn begun(&self, r: usize, position: u32) -> usize {
        let taken = &self.taken[r];
        match taken.last() {
            Some(((last, _), _)) if *last >= position => taken.partition_point(|((from, _), _)| *from < position),
            _ => taken.len(),
        }
    }
}
