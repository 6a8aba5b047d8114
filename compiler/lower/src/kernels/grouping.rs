//! Which panels of output channels sums in 16 bits are planned for, and whether they pay.

use qcc_kernel::Width;

use super::overflow::{LARGEST, Plan, Shifts, elements, plan};
use super::pack::{Halves, panels};
use super::quads::Quads;
use super::walk::Panel;

/// The share of the exact tile's cost from which the exact tile is preferred, for its simpler addresses.
const WORTH: f64 = 0.97;

/// The share of the exact tile's cost from which narrower panels are not planned, unless they skip more quads of zeros.
const GOOD: f64 = 0.7;

/// Bytes of a panel's constants that stay in the first-level cache from one tile to the next.
const NEAR: usize = 32 << 10;

/// What the exact tile takes of its time in a network if its weights are bytes.
const NARROW: f64 = 0.95;

/// How much longer a tile takes whose constants do not.
const FAR: f64 = 1.2;

/// Panels with the plans of each, and what they cost as a share of what the exact tile does.
pub struct Grouping {
    /// The panels; where their constants are is open.
    pub panels: Vec<Panel>,
    /// For each of the panels, a plan for every repetition.
    pub plans: Vec<Vec<Plan>>,
    cost: f64,
}

/// The best panels and plans, if they pay.
pub fn grouping(quads: &Quads<'_>, width: Width) -> Option<Grouping> {
    // With registers of channels only, one broadcast is one load. The fewer channels, the more quads fit a group, and the
    // more quads are zero for all of them.
    let halves: &[Halves] = match (width, quads.spec.group) {
        (Width::V256, 1) => &[Halves::Channels, Halves::FewChannels, Halves::FewestChannels],
        _ => &[Halves::ChannelsOrPixels],
    };
    // A shift is loaded and added for every sum of a group, which groups that are larger for it have to make up for.
    let allowed: &[Shifts] = match width {
        Width::V128 => &[Shifts::None],
        Width::V256 => &[Shifts::None, Shifts::Allowed],
    };
    let mut best: Option<Grouping> = None;
    let mut least = f64::INFINITY;
    for &halves in halves {
        let kind = Kind::of(quads, width, halves);
        let most = best.as_ref().map_or(WORTH, |best| best.cost);
        let skips_more = kind.least < WORTH * least;
        least = least.min(kind.least);
        if kind.least <= most && (skips_more || most > GOOD && halves != Halves::FewestChannels) {
            for &shifts in allowed {
                let most = best.as_ref().map_or(WORTH, |best| best.cost);
                best = kind.grouping(quads, shifts, most).or(best);
            }
        }
    }
    best
}

/// Panels of a kind, before groups are looked for.
struct Kind {
    width: Width,
    panels: Vec<Panel>,
    /// What the exact tile costs.
    exact: f64,
    /// What the best groups would cost, as a share of what the exact tile does.
    least: f64,
}

impl Kind {
    fn of(quads: &Quads<'_>, width: Width, halves: Halves) -> Kind {
        let panels = panels(quads.spec, width, halves);
        let registers: usize = panels.iter().map(|p| p.repeat * p.vectors()).sum();
        let exact = quads.len() as f64 * exact(width, registers, quads.spec.has_few_pixels());
        let mut least = 0.0;
        for panel in &panels {
            let costs = Costs::of(width, panel.vectors());
            for weights in weights(quads, panel) {
                let elements = elements(&weights, quads.highest()) as f64;
                least += elements * (costs.element + costs.group / LARGEST as f64) * panel.vectors() as f64;
            }
        }
        Kind { width, panels, exact, least: least / exact }
    }

    /// The plans, unless they cost as much as `most`.
    fn grouping(&self, quads: &Quads<'_>, shifts: Shifts, most: f64) -> Option<Grouping> {
        let mut cost = 0.0;
        let mut plans = Vec::new();
        for panel in &self.panels {
            let all: Vec<Plan> = weights(quads, panel).map(|weights| plan(&weights, quads.highest(), shifts)).collect();
            let costs = Costs::of(self.width, panel.vectors());
            cost += all.iter().map(|plan| costs.plan(plan, panel)).sum::<f64>();
            plans.push(all);
        }
        let cost = cost / self.exact;
        (cost < most).then(|| Grouping { panels: self.panels.clone(), plans, cost })
    }
}

/// For each repetition of a panel, the weights of the sums of every quad.
fn weights(quads: &Quads<'_>, panel: &Panel) -> impl Iterator<Item = Vec<Vec<[i32; 2]>>> {
    (0..panel.repeat).map(move |i| {
        let first = panel.first + i * panel.channel_step;
        let sums = |q: usize| -> Vec<[i32; 2]> {
            (first..first + panel.channels).flat_map(|o| [0, 1].map(|half| quads.pair(o, q, half))).collect()
        };
        (0..quads.len()).map(sums).collect()
    })
}

/// What a quad costs in the exact tile, for so many registers of channels.
fn exact(width: Width, registers: usize, few_pixels: bool) -> f64 {
    match width {
        // Instructions: two products, two additions, its share of widening and broadcasting.
        Width::V128 => 4.6 * registers as f64,
        // Measured on Zen 3; what is staged is copied once for all registers.
        Width::V256 => (2.05 * registers as f64 + 0.5) * if few_pixels { NARROW } else { 1.0 },
    }
}

/// What a panel costs, for a register of channels.
struct Costs {
    /// An element of a group.
    element: f64,
    /// A group, beyond its elements.
    group: f64,
    /// A group with shifts, beyond that.
    shift: f64,
}

impl Costs {
    /// Those of a panel of so many registers.
    fn of(width: Width, vectors: usize) -> Costs {
        // Measured on Zen 3: the fewer registers use a broadcast, the more loads there are for as many products.
        let wide = |element| Costs { element, group: 0.6, shift: 0.45 };
        match (width, vectors) {
            // Instructions: a product and an addition per element, widening and addition per group.
            (Width::V128, _) => Costs { element: 2.0, group: 1.0, shift: 1.0 },
            (Width::V256, 1) => wide(1.6),
            (Width::V256, 2) => wide(1.3),
            (Width::V256, _) => wide(1.0),
        }
    }

    fn plan(&self, plan: &Plan, panel: &Panel) -> f64 {
        let group = self.group + if plan.shifted { self.shift } else { 0.0 };
        let each: f64 = plan.groups.iter().map(|g| self.element * g.len() as f64 + group).sum();
        let far = if bytes(plan, panel) > NEAR { FAR } else { 1.0 };
        each * far * panel.vectors() as f64
    }
}

/// Bytes of the weights and shifts of a panel.
fn bytes(plan: &Plan, panel: &Panel) -> usize {
    let elements: usize = plan.groups.iter().map(|g| g.len() + usize::from(plan.shifted)).sum();
    elements * panel.vectors() * panel.register()
}
