//! Makes the case of a failure small: every decision is tried at its simplest.

use super::Prober;
use super::examine::{Mismatch, Outcome};
use rustc_hash::FxHashMap;

/// The smallest failing case that is found by making decisions simpler one by one.
pub(crate) fn smallest(prober: &Prober<'_>, seed: u64, first: Mismatch, budget: usize) -> Mismatch {
    let mut forced: FxHashMap<u64, usize> = FxHashMap::default();
    let mut best = first;
    let mut left = budget;
    loop {
        let mut simpler = false;
        let made = prober.case(seed, &forced).made;
        for (name, choice) in made {
            for smaller in [0, choice / 2, choice.saturating_sub(1)] {
                if smaller >= choice || left == 0 {
                    continue;
                }
                left -= 1;
                let mut changed = forced.clone();
                changed.insert(name, smaller);
                if let Outcome::Differs(mismatch) = prober.case(seed, &changed).outcome
                    && mismatch.size <= best.size
                {
                    (best, forced, simpler) = (*mismatch, changed, true);
                    break;
                }
            }
        }
        if !simpler || left == 0 {
            return best;
        }
    }
}
