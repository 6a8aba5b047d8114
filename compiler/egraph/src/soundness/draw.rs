//! Reproducible decisions, each under a name of its own.
//!
//! A decision depends on the seed and on the place it is made for, not on how many were made before it. A case can
//! therefore be generated again with one decision changed and the others kept, which is how guards are satisfied and how
//! failures shrink. Decision 0 is always the simplest one.

pub(crate) use crate::random::mix;
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::{Hash, Hasher};

/// The decisions of one case.
pub(crate) struct Draw<'a> {
    seed: u64,
    place: u64,
    forced: &'a FxHashMap<u64, usize>,
    /// Every decision that was made, in order: its name and the choice.
    pub(crate) made: Vec<(u64, usize)>,
}

impl<'a> Draw<'a> {
    /// Decisions of a seed; those in `forced` are given.
    pub(crate) fn new(seed: u64, forced: &'a FxHashMap<u64, usize>) -> Self {
        Self { seed, place: 0, forced, made: Vec::new() }
    }

    /// Runs `f` for a part of the case; names of its decisions are its own.
    pub(crate) fn place(&self) -> u64 {
        self.place
    }

    /// Enters the part `index` of a place.
    pub(crate) fn enter(&mut self, place: u64, index: usize) {
        self.place = mix(place ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }

    /// Returns to a place.
    pub(crate) fn leave(&mut self, place: u64) {
        self.place = place;
    }

    /// The size of nearly all axes of a case in which sizes coincide: channels with rows, rows with batches. A rule that takes one axis for
    /// another is right wherever the sizes tell them apart, because nothing else has a type. Most cases have none.
    pub(crate) fn coincidence(&mut self) -> Option<usize> {
        let here = self.place;
        self.place = 0;
        let size = [None, None, None, None, Some(2), Some(3)][self.pick("coincidence", 6)];
        self.place = here;
        size
    }

    /// One of `n` choices.
    pub(crate) fn pick(&mut self, what: &str, n: usize) -> usize {
        let name = self.name(what);
        let n = n.max(1);
        let choice = self.forced.get(&name).map_or_else(|| (mix(name ^ mix(self.seed)) % n as u64) as usize, |&c| c);
        let choice = choice.min(n - 1);
        if n > 1 {
            self.made.push((name, choice));
        }
        choice
    }

    /// One of several values.
    pub(crate) fn one_of<T: Clone>(&mut self, what: &str, items: &[T]) -> T {
        items[self.pick(what, items.len())].clone()
    }

    /// True once in `n` times; never is the simplest.
    pub(crate) fn rarely(&mut self, what: &str, n: usize) -> bool {
        n > 0 && self.pick(what, n) == n - 1
    }

    /// A seed for the contents of a tensor.
    pub(crate) fn content(&self, what: &str) -> u64 {
        mix(self.name(what) ^ self.seed)
    }

    fn name(&self, what: &str) -> u64 {
        let mut hasher = FxHasher::default();
        (self.place, what).hash(&mut hasher);
        mix(hasher.finish())
    }
}

/// The seed of a rule: its name decides.
pub(crate) fn seed_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
