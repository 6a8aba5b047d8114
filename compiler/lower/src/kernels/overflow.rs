//! Which products may be summed in 16 bits, proven from the weights and the bounds of the input codes.
//!
//! `madd_ubs` adds two products of an unsigned code and a signed weight in 16 bits, saturating. A *quad* is four codes that
//! follow each other in memory: two such sums per output channel. Sums of several quads, a *group*, may be added in 16
//! bits before they are widened if, for every sum,
//!
//! ```text
//! highest code * (sum of positive weights) <= 32767   and   highest code * (sum of negative weights) >= -32768
//! ```
//!
//! because codes are not negative, so that every partial sum, in any order, lies between the two. A sum has no order, so
//! quads are grouped freely: best fit, largest first.

/// Most quads of a group.
pub const LARGEST: usize = 4;

/// Open groups tried for each quad: planning stays linear in the number of quads.
const TRIED: usize = 24;

/// Positive and negative part of a sum of weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Sum of the positive weights.
    pub positive: i32,
    /// Sum of the negative weights.
    pub negative: i32,
}

/// How the quads of a panel are summed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Groups of quads, by falling size.
    pub groups: Vec<Vec<usize>>,
    /// Quads whose pairs alone may overflow: widened before they are multiplied.
    pub exact: Vec<usize>,
}

impl Load {
    /// The load of a few weights.
    pub fn of(weights: impl IntoIterator<Item = i32>) -> Load {
        weights.into_iter().fold(Load::default(), |load, w| Load {
            positive: load.positive + w.max(0),
            negative: load.negative + w.min(0),
        })
    }

    fn and(self, other: Load) -> Load {
        Load { positive: self.positive + other.positive, negative: self.negative + other.negative }
    }

    fn fits(self, highest: i32) -> bool {
        highest * self.positive <= i32::from(i16::MAX) && highest * self.negative >= i32::from(i16::MIN)
    }

    fn size(self) -> i32 {
        self.positive.max(-self.negative)
    }
}

impl Plan {
    /// Groups of `size` quads.
    pub fn count(&self, size: usize) -> usize {
        self.groups.iter().filter(|g| g.len() == size).count()
    }
}

/// Groups quads. `loads[q]` holds the load of each 16-bit sum of quad `q`; codes are in `0..=highest`.
pub fn plan(loads: &[Vec<Load>], highest: i32) -> Plan {
    let mut plan = Plan::default();
    let mut order: Vec<usize> = Vec::new();
    for (q, sums) in loads.iter().enumerate() {
        if sums.iter().all(|s| s.fits(highest)) { order.push(q) } else { plan.exact.push(q) }
    }
    let size = |sums: &[Load]| sums.iter().map(|s| s.size()).max().unwrap_or(0);
    order.sort_by_key(|&q| (std::cmp::Reverse(size(&loads[q])), q));
    let mut open: Vec<(Vec<usize>, Vec<Load>)> = Vec::new();
    for q in order {
        let together = |sums: &[Load]| -> Option<Vec<Load>> {
            let both: Vec<Load> = sums.iter().zip(&loads[q]).map(|(a, b)| a.and(*b)).collect();
            both.iter().all(|s| s.fits(highest)).then_some(both)
        };
        let tried = open.iter().enumerate().rev().take(TRIED);
        let fitting = tried.filter_map(|(i, (_, sums))| together(sums).map(|both| (size(&both), i, both)));
        match fitting.max_by_key(|(size, i, _)| (*size, *i)) {
            Some((_, i, both)) => {
                open[i].0.push(q);
                open[i].1 = both;
                if open[i].0.len() == LARGEST {
                    plan.groups.push(open.remove(i).0);
                }
            }
            None => open.push((vec![q], loads[q].clone())),
        }
    }
    plan.groups.extend(open.into_iter().map(|(group, _)| group));
    plan.groups.sort_by_key(|g| std::cmp::Reverse(g.len()));
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every partial sum in any order lies between the sum of all negative and of all positive products.
    fn leaves_16_bits(weights: &[[i32; 4]], group: &[usize], highest: i32) -> bool {
        (0..2).any(|half| {
            let products =
                group.iter().flat_map(|&q| [weights[q][2 * half] * highest, weights[q][2 * half + 1] * highest]);
            let products: Vec<i32> = products.collect();
            let positive: i32 = products.iter().filter(|p| **p > 0).sum();
            let negative: i32 = products.iter().filter(|p| **p < 0).sum();
            positive > i32::from(i16::MAX) || negative < i32::from(i16::MIN)
        })
    }

    fn loads(weights: &[[i32; 4]]) -> Vec<Vec<Load>> {
        weights.iter().map(|w| vec![Load::of([w[0], w[1]]), Load::of([w[2], w[3]])]).collect()
    }

    #[test]
    fn no_sum_of_a_group_can_leave_16_bits_and_every_quad_is_summed_once() {
        let mut state = 1u64;
        let mut next = move |n: i32| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as i32 % n
        };
        let mut sizes = [0; LARGEST + 1];
        for round in 0..300 {
            let (largest, highest) = ([127, 100, 63, 31, 7][round % 5], [255, 128, 127, 60, 1, 0][round % 6]);
            let weights: Vec<[i32; 4]> = (0..1 + next(60))
                .map(|_| std::array::from_fn(|_| if next(5) == 0 { -128 } else { next(2 * largest + 1) - largest }))
                .collect();
            let plan = plan(&loads(&weights), highest);
            let mut all: Vec<usize> = plan.groups.iter().flatten().chain(&plan.exact).copied().collect();
            all.sort_unstable();
            assert_eq!(all, (0..weights.len()).collect::<Vec<_>>());
            for group in &plan.groups {
                assert!(group.len() <= LARGEST && !leaves_16_bits(&weights, group, highest), "{group:?} {highest}");
                sizes[group.len()] += 1;
            }
            for q in &plan.exact {
                assert!(leaves_16_bits(&weights, &[*q], highest), "quad {q} needs no widening");
            }
        }
        assert!(sizes[1..].iter().all(|n| *n > 20), "{sizes:?}");
    }

    #[test]
    fn bounds_are_met_exactly() {
        let fits = |weights: [i32; 4], highest| plan(&loads(&[weights]), highest).exact.is_empty();
        assert!(fits([64, 64, -64, -64], 255));
        assert!(!fits([64, 65, 0, 0], 255));
        assert!(!fits([0, 0, -64, -65], 255));
        assert!(fits([127, -128, -128, 127], 255));
        assert!(fits([-128, -128, 127, 127], 128));
        assert!(!fits([-128, -128, 127, 127], 129));
    }

    #[test]
    fn seven_bit_codes_with_small_weights_form_the_largest_groups() {
        let weights = vec![[20, -20, 30, 30]; 32];
        let plan = plan(&loads(&weights), 127);
        assert_eq!((plan.count(4), plan.groups.len(), plan.exact.len()), (8, 8, 0));
    }
}
