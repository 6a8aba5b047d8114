//! Scales of weights that were searched for before: many plans are compared, and few of them differ in what scales depend on.

use crate::{ChannelFactors, Codes};
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The best scales of every output or block, for layers and codes of weights.
#[derive(Debug, Default)]
pub struct FoundScales(Mutex<FxHashMap<Of, Found>>);

/// A layer, the codes of its weights, and whether its input's channels are divided.
type Of = (usize, Codes, bool);

#[derive(Debug, Clone)]
struct Found {
    /// What the input's channels are divided by.
    factors: Option<ChannelFactors>,
    scales: Arc<[Option<f64>]>,
}

impl FoundScales {
    /// The scales of a layer whose input's channels are divided by `factors`; `search` finds them if it has to.
    pub fn of(
        &self,
        layer: usize,
        codes: Codes,
        factors: Option<&ChannelFactors>,
        search: impl FnOnce() -> Vec<Option<f64>>,
    ) -> Arc<[Option<f64>]> {
        let of = (layer, codes, factors.is_some());
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&of).cloned();
        if let Some(found) = found.filter(|found| found.factors.as_ref() == factors) {
            return found.scales;
        }
        let scales: Arc<[Option<f64>]> = search().into();
        let found = Found { factors: factors.cloned(), scales: Arc::clone(&scales) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(of, found);
        scales
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn scales_are_searched_for_once_for_the_same_factors() {
        let (found, searched) = (FoundScales::default(), Cell::new(0));
        let of = |layer: usize, codes: Codes, factors: Option<&ChannelFactors>| {
            found.of(layer, codes, factors, || {
                searched.set(searched.get() + 1);
                vec![Some(f64::from(searched.get())), None]
            })
        };
        let factors = ChannelFactors { axis: 1, factors: vec![2.0, 0.5] };
        let first = of(3, Codes::I8, None);
        assert_eq!(of(3, Codes::I8, None), first);
        assert_eq!(searched.get(), 1, "once");
        assert_ne!(of(3, Codes::I7, None), first, "other codes");
        assert_ne!(of(4, Codes::I8, None), first, "another layer");
        assert_ne!(of(3, Codes::I8, Some(&factors)), first, "other factors");
        assert_eq!(of(3, Codes::I8, None), first, "without factors again");
        assert_eq!(searched.get(), 4);
        of(3, Codes::I8, Some(&ChannelFactors { axis: 1, factors: vec![2.0, 0.25] }));
        assert_eq!(searched.get(), 5, "factors that have changed");
    }
}
