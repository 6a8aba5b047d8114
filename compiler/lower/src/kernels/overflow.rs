//! Which products may be summed in 16 bits, proven from the weights and the bounds of the input codes.
//!
//! `madd_ubs` adds two products of an unsigned code and a signed weight in 16 bits, saturating. A *quad* is four codes that
//! follow each other in memory: two such sums per output channel. They are exact if, for each of them,
//!
//! ```text
//! highest code * (sum of positive weights) <= 32767   and   highest code * (sum of negative weights) >= -32768
//! ```
//!
//! because codes are not negative. Where that does not hold for a quad, its weights are split into two parts for which it
//! holds, and the quad is multiplied twice. A quad of zeros is not multiplied at all: what pruning leaves costs what is left.
//!
//! Such sums of several quads, a *group*, may be added before they are widened. Additions wrap, so that only the sum of the
//! group has to fit, whatever its parts do; and it has to fit after a constant is added, a *shift* of its own for every
//! sum, which the bias takes back. That is possible if there are not more than 2^16 values between its extremes:
//!
//! ```text
//! highest code * (sum of positive weights - sum of negative weights) <= 65535
//! ```
//!
//! A sum has no order, so quads are grouped freely: best fit, largest first.

/// Most quads of a group: more seldom fit, and each size is a loop of its own.
pub const LARGEST: usize = 6;

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

/// Which part of the weights of a quad is multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of them.
    Whole,
    /// As much as fits 16 bits.
    First,
    /// What that leaves.
    Rest,
}

/// What is multiplied at once: a quad, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// The quad.
    pub quad: usize,
    /// The part of its weights.
    pub part: Part,
}

/// Whether sums of groups are shifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shifts {
    /// They are not.
    None,
    /// Where that makes them fit.
    Allowed,
}

/// How the quads of a panel are summed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Groups by falling size.
    pub groups: Vec<Vec<Element>>,
    /// Whether a group does not fit without a shift.
    pub shifted: bool,
}

impl Load {
    /// The load of a few weights.
    pub fn of(weights: impl IntoIterator<Item = i32>) -> Load {
        weights.into_iter().fold(Load::default(), |load, w| Load {
            positive: load.positive + w.max(0),
            negative: load.negative + w.min(0),
        })
    }

    /// The load of both.
    pub fn and(self, other: Load) -> Load {
        Load { positive: self.positive + other.positive, negative: self.negative + other.negative }
    }

    /// What has to be added to a sum of products with codes in `0..=highest` so that it fits 16 bits, if anything does.
    pub fn shift(self, highest: i32) -> Option<i32> {
        let (least, most) = (highest * self.negative, highest * self.positive);
        if least >= i32::from(i16::MIN) && most <= i32::from(i16::MAX) {
            return Some(0);
        }
        (most - least <= i32::from(u16::MAX)).then_some(i32::from(i16::MAX) - most)
    }

    fn fits(self, highest: i32, shifts: Shifts) -> bool {
        match shifts {
            Shifts::None => self.shift(highest) == Some(0),
            Shifts::Allowed => self.shift(highest).is_some(),
        }
    }

    fn size(self, shifts: Shifts) -> i32 {
        match shifts {
            Shifts::None => self.positive.max(-self.negative),
            Shifts::Allowed => self.positive - self.negative,
        }
    }
}

impl Part {
    /// This part of two weights, each a signed byte, whose products with codes in `0..=highest` are added in 16 bits; codes
    /// are bytes.
    pub fn of(self, [a, b]: [i32; 2], highest: i32) -> [i32; 2] {
        // A weight of one sign takes what the other leaves of the room for that sign.
        let room = |w: i32| if w < 0 { i32::from(i16::MIN) } else { i32::from(i16::MAX) } / highest.max(1);
        let part = |w: i32, room: i32| if w < 0 { w.max(room) } else { w.min(room) };
        let first_a = part(a, room(a));
        let first_b = part(b, if a.signum() == b.signum() { room(b) - first_a } else { room(b) });
        match self {
            Part::Whole => [a, b],
            Part::First => [first_a, first_b],
            Part::Rest => [a - first_a, b - first_b],
        }
    }
}

impl Plan {
    /// Groups of `size` elements.
    pub fn count(&self, size: usize) -> usize {
        self.groups.iter().filter(|g| g.len() == size).count()
    }
}

/// How many elements quads are multiplied as. `weights[q]` holds the weights of each 16-bit sum of quad `q`; codes are in
/// `0..=highest`.
pub fn elements(weights: &[Vec<[i32; 2]>], highest: i32) -> usize {
    weights.iter().map(|sums| parts(sums, highest).len()).sum()
}

/// The parts that a quad is multiplied in: none if all its weights are zero.
fn parts(sums: &[[i32; 2]], highest: i32) -> &'static [Part] {
    if sums.iter().all(|w| *w == [0; 2]) {
        &[]
    } else if is_whole(sums, highest) {
        &[Part::Whole]
    } else {
        &[Part::First, Part::Rest]
    }
}

fn is_whole(sums: &[[i32; 2]], highest: i32) -> bool {
    sums.iter().all(|&w| Load::of(w).fits(highest, Shifts::None))
}

/// Groups quads, given as for [`elements`].
pub fn plan(weights: &[Vec<[i32; 2]>], highest: i32, shifts: Shifts) -> Plan {
    let mut elements: Vec<(Element, Vec<Load>)> = Vec::new();
    for (quad, sums) in weights.iter().enumerate() {
        elements.extend(
            parts(sums, highest)
                .iter()
                .map(|&part| (Element { quad, part }, sums.iter().map(|&w| Load::of(part.of(w, highest))).collect())),
        );
    }
    let size = |sums: &[Load]| sums.iter().map(|s| s.size(shifts)).max().unwrap_or(0);
    elements.sort_by_cached_key(|(element, sums)| (std::cmp::Reverse(size(sums)), element.quad));
    let mut groups: Vec<(Vec<Element>, Vec<Load>)> = Vec::new();
    let mut open: Vec<(Vec<Element>, Vec<Load>)> = Vec::new();
    for (element, loads) in elements {
        let together = |sums: &[Load]| -> Option<i32> {
            let mut both = sums.iter().zip(&loads).map(|(a, b)| a.and(*b));
            both.try_fold(0, |most, s| s.fits(highest, shifts).then(|| s.size(shifts).max(most)))
        };
        let tried = open.iter().enumerate().rev().take(TRIED);
        let fitting = tried.filter_map(|(i, (_, sums))| together(sums).map(|size| (size, i)));
        match fitting.max() {
            Some((_, i)) => {
                open[i].0.push(element);
                for (sum, load) in open[i].1.iter_mut().zip(&loads) {
                    *sum = sum.and(*load);
                }
                if open[i].0.len() == LARGEST {
                    groups.push(open.remove(i));
                }
            }
            None => open.push((vec![element], loads)),
        }
    }
    groups.extend(open);
    let shifted = groups.iter().any(|(_, sums)| sums.iter().any(|s| s.shift(highest) != Some(0)));
    let mut groups: Vec<Vec<Element>> = groups.into_iter().map(|(group, _)| group).collect();
    groups.sort_by_key(|g| std::cmp::Reverse(g.len()));
    Plan { groups, shifted }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quads of one output channel: two sums each.
    fn sums(weights: &[[i32; 4]]) -> Vec<Vec<[i32; 2]>> {
        weights.iter().map(|w| vec![[w[0], w[1]], [w[2], w[3]]]).collect()
    }

    /// Whether `madd_ubs` saturates for some codes, or the wrapping sum of the group, shifted, is not the sum for some.
    fn is_wrong(weights: &[[i32; 4]], group: &[Element], highest: i32) -> bool {
        (0..2).any(|half| {
            let pairs: Vec<[i32; 2]> = group
                .iter()
                .map(|e| e.part.of([weights[e.quad][2 * half], weights[e.quad][2 * half + 1]], highest))
                .collect();
            let Some(shift) = Load::of(pairs.iter().flatten().copied()).shift(highest) else { return true };
            // The extremes of what each instruction adds, and of the whole: what lies between lies between.
            [1, -1].into_iter().any(|sign| {
                let extreme = |w: i32| if w * sign > 0 { w * highest } else { 0 };
                let wide: Vec<i32> = pairs.iter().map(|p| extreme(p[0]) + extreme(p[1])).collect();
                let narrow = wide.iter().fold(shift as i16, |sum, &s| sum.wrapping_add(s as i16));
                let signed = pairs.iter().flatten().all(|w| (-128..=127).contains(w));
                !signed
                    || wide.iter().any(|&s| i16::try_from(s).is_err())
                    || i32::from(narrow) != shift + wide.iter().sum::<i32>()
            })
        })
    }

    #[test]
    fn no_sum_of_a_group_is_wrong_and_every_weight_is_summed_once() {
        let mut state = 1u64;
        let mut next = move |n: i32| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as i32 % n
        };
        let (mut sizes, mut parts, mut shifted) = ([0; LARGEST + 1], 0, [0; 2]);
        for round in 0..600 {
            let (largest, highest) = ([127, 100, 63, 31, 7][round % 5], [255, 128, 127, 60, 1, 0][round % 6]);
            let shifts = [Shifts::None, Shifts::Allowed][round / 30 % 2];
            let weights: Vec<[i32; 4]> = (0..1 + next(60))
                .map(|_| std::array::from_fn(|_| if next(5) == 0 { -128 } else { next(2 * largest + 1) - largest }))
                .collect();
            let plan = plan(&sums(&weights), highest, shifts);
            let mut summed = vec![[0; 4]; weights.len()];
            for group in &plan.groups {
                assert!(group.len() <= LARGEST && !is_wrong(&weights, group, highest), "{group:?} {highest}");
                sizes[group.len()] += 1;
                for element in group {
                    parts += usize::from(element.part != Part::Whole);
                    for half in [0, 2] {
                        let pair = [weights[element.quad][half], weights[element.quad][half + 1]];
                        let part = element.part.of(pair, highest);
                        summed[element.quad][half] += part[0];
                        summed[element.quad][half + 1] += part[1];
                    }
                }
            }
            assert_eq!(summed, weights);
            shifted[usize::from(shifts == Shifts::Allowed)] += usize::from(plan.shifted);
        }
        assert!(sizes[1..].iter().all(|n| *n > 20) && parts > 100, "{sizes:?}, {parts} parts");
        assert!(shifted[0] == 0 && shifted[1] > 20, "{shifted:?}");
    }

    #[test]
    fn quads_of_zeros_are_left_out() {
        let mut weights = vec![[0; 4]; 100];
        assert_eq!(plan(&sums(&weights), 255, Shifts::Allowed), Plan::default());
        (weights[7], weights[80]) = ([0, 0, 0, 1], [127, 127, 0, 0]);
        let plan = plan(&sums(&weights), 255, Shifts::None);
        let mut quads: Vec<usize> = plan.groups.iter().flatten().map(|e| e.quad).collect();
        quads.sort_unstable();
        assert_eq!((quads, elements(&sums(&weights), 255)), (vec![7, 80, 80], 3));
    }

    #[test]
    fn bounds_are_met_exactly() {
        let whole = |weights: [i32; 4], highest| {
            let plan = plan(&sums(&[weights]), highest, Shifts::None);
            plan.groups.iter().flatten().all(|e| e.part == Part::Whole)
        };
        assert!(whole([64, 64, -64, -64], 255));
        assert!(!whole([64, 65, 0, 0], 255));
        assert!(!whole([0, 0, -64, -65], 255));
        assert!(whole([127, -128, -128, 127], 255));
        assert!(whole([-128, -128, 127, 127], 128));
        assert!(!whole([-128, -128, 127, 127], 129));
        let load = |positive, negative| Load { positive, negative };
        assert_eq!(load(128, -128).shift(255), Some(0));
        assert_eq!(load(257, 0).shift(255), Some(-32768));
        assert_eq!(load(0, -257).shift(255), Some(32767));
        assert_eq!(load(129, -129).shift(255), None);
    }

    #[test]
    fn parts_of_a_pair_fit_whatever_it_is() {
        for highest in [1, 127, 128, 200, 255] {
            for a in -128..=127 {
                for b in -128..=127 {
                    let [first, rest] = [Part::First, Part::Rest].map(|part| part.of([a, b], highest));
                    assert_eq!([first[0] + rest[0], first[1] + rest[1]], [a, b]);
                    for part in [first, rest] {
                        assert!(Load::of(part).fits(highest, Shifts::None), "{part:?} of {a}, {b}, {highest}");
                    }
                }
            }
        }
    }

    #[test]
    fn seven_bit_codes_with_small_weights_form_the_largest_groups() {
        let weights = vec![[20, -20, 20, 20]; 5 * LARGEST];
        let plan = plan(&sums(&weights), 127, Shifts::None);
        assert_eq!((plan.count(LARGEST), plan.groups.len(), plan.shifted), (5, 5, false));
    }
}
