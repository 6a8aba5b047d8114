//! Implicit matrix product that sums in 16 bits, as [`super::overflow`] proves that it may.
//!
//! The constants of a panel: the biases; four counts; then the groups of four, three, two and one quads or parts of quads. A
//! group holds the byte offsets of its quads in the window, the shifts of its sums if the kernel has any, then the weights.
//! Counts and offsets are data, so that one loop for each size serves all panels.

use qcc_kernel::{BinOp, KernelBuilder, Lane, Trip, VL, Value, Width};

use super::Generated;
use super::conv::ConvSpec;
use super::overflow::{Element, LARGEST, Load, Plan, Shifts, plan};
use super::pack::{Halves, Taps, Unit, panels};
use super::tile::{biases, flipped, pixels_for};
use super::walk::{self, Core, Cursor, Panel, Pixels};

/// Codes of a quad.
const QUAD: usize = 4;

/// Quads of a window from which the loops over groups pay.
const fn fewest_quads(width: Width) -> usize {
    match width {
        Width::V128 => 12,
        Width::V256 => 4,
    }
}

/// Pixels from which addresses that are data are computed for enough products.
const FEWEST_PIXELS: usize = 2;

/// The share of the exact tile's cost from which the exact tile is preferred, for its simpler addresses.
const WORTH: f64 = 0.95;

/// How much more panels of half the width cost, for as many sums: codes are loaded once more.
const NARROW: f64 = 1.03;

/// Accumulators of a tile whose registers hold channels only: with the sums of [`sharing`] pixels, their codes, weights and
/// products they fill sixteen registers.
const APART_ACCUMULATORS: usize = 8;

/// Registers of pixels that are summed side by side: each register of weights is loaded once for all of them. Where codes
/// are used for four registers of weights, loads keep up with products without that, and more instructions would not.
fn sharing(panel: &Panel) -> usize {
    if panel.far.is_some() && panel.vectors() <= 2 { 2 } else { 1 }
}

/// Bytes of the four counts, padded.
const HEADER: usize = 32;

/// Bytes of the offsets of a group, padded so that no register of weights crosses a cache line.
const OFFSETS: usize = 32;

/// The kernel, if sums in 16 bits pay. All weights are signed bytes.
pub fn generate(spec: &ConvSpec, taps: &Taps, width: Width) -> Option<Result<Generated, String>> {
    let quads = quads(taps);
    let pixels = spec.output.n * spec.output.h * spec.output.w;
    // Weights of one byte are half as many to read: with wide registers that decides where they are used once.
    let fewest = if width == Width::V256 { 1 } else { FEWEST_PIXELS };
    if quads.len() < fewest_quads(width) || pixels < fewest {
        return None;
    }
    let grouped = Grouped { spec, taps, quads, shifted: false, most: [0; LARGEST + 1], least: [0; LARGEST + 1] };
    grouped.generate(width)
}

struct Grouped<'s> {
    spec: &'s ConvSpec,
    taps: &'s Taps,
    /// Outer and inner run and first byte in the run of each quad.
    quads: Vec<(usize, usize, usize)>,
    /// Whether groups have shifts.
    shifted: bool,
    /// The most and the least groups of each size in a panel.
    most: [usize; LARGEST + 1],
    least: [usize; LARGEST + 1],
}

/// Panels with the plans of each, and what they cost.
struct Planned {
    panels: Vec<Panel>,
    plans: Vec<Vec<Plan>>,
    cost: f64,
}

fn quads(taps: &Taps) -> Vec<(usize, usize, usize)> {
    let runs = (0..taps.outer).flat_map(|outer| (0..taps.inner).map(move |inner| (outer, inner)));
    runs.flat_map(|(outer, inner)| (0..taps.run).step_by(QUAD).map(move |k| (outer, inner, k))).collect()
}

impl<'s> Grouped<'s> {
    fn generate(mut self, width: Width) -> Option<Result<Generated, String>> {
        // With registers of channels only, one broadcast is one load. The fewer channels, the more quads fit a group.
        let halves: &[Halves] = match (width, self.spec.group) {
            (Width::V256, 1) => &[Halves::Channels, Halves::FewChannels],
            _ => &[Halves::ChannelsOrPixels],
        };
        let planned = halves.iter().map(|&halves| self.planned(width, halves));
        let Planned { mut panels, plans, cost } = planned.min_by(|a, b| a.cost.total_cmp(&b.cost))?;
        let registers: f64 = panels.iter().map(|p| (p.repeat * p.vectors()) as f64).sum();
        if cost > WORTH * Costs::of(width).exact * self.quads.len() as f64 * registers {
            return None;
        }
        let all = || plans.iter().flatten();
        self.shifted = all().any(|plan| plan.shifted);
        for size in 1..=LARGEST {
            self.most[size] = all().map(|plan| plan.count(size)).max().unwrap_or(0);
            self.least[size] = all().map(|plan| plan.count(size)).min().unwrap_or(0);
        }
        let mut bytes = Vec::new();
        for (panel, plans) in panels.iter_mut().zip(&plans) {
            let packed: Vec<Vec<u8>> = plans
                .iter()
                .enumerate()
                .map(|(i, plan)| self.pack(panel, panel.first + i * panel.channel_step, plan))
                .collect();
            panel.offset = bytes.len();
            panel.stride = packed.iter().map(Vec::len).max().unwrap_or(0);
            for mut one in packed {
                one.resize(panel.stride, 0);
                bytes.extend_from_slice(&one);
            }
        }
        // Counts are data, so the verifier takes every panel to have the most groups of every size.
        let farthest = panels.iter().map(|p| p.offset + (p.repeat.max(1) - 1) * p.stride + self.most_bytes(p)).max();
        bytes.resize(bytes.len().max(farthest.unwrap_or(0)), 0);
        Some(walk::generate(self.spec, &self, &panels, bytes, width))
    }

    /// Panels of a kind and the plans for them.
    fn planned(&self, width: Width, halves: Halves) -> Planned {
        let panels = panels(self.spec, width, halves);
        let shifts = if width == Width::V256 { Shifts::Allowed } else { Shifts::None };
        let plan = |panel: &Panel, i| self.plan(panel, panel.first + i * panel.channel_step, shifts);
        let plans: Vec<Vec<Plan>> =
            panels.iter().map(|panel| (0..panel.repeat).map(|i| plan(panel, i)).collect()).collect();
        let costs = Costs::of(width);
        let each = panels.iter().zip(&plans).map(|(panel, plans)| {
            let cost: f64 = plans.iter().map(|plan| costs.plan(plan)).sum();
            cost * panel.vectors() as f64
        });
        let cost = each.sum::<f64>() * if halves == Halves::FewChannels { NARROW } else { 1.0 };
        Planned { panels, plans, cost }
    }

    /// Bytes of the registers of one element of a panel.
    fn element_bytes(&self, panel: &Panel) -> usize {
        panel.vectors() * panel.register()
    }

    /// Bytes of a group of a size.
    fn group_bytes(&self, panel: &Panel, size: usize) -> usize {
        OFFSETS + (size + usize::from(self.shifted)) * self.element_bytes(panel)
    }

    /// Bytes of a panel that has the most groups of every size.
    fn most_bytes(&self, panel: &Panel) -> usize {
        let groups: usize = (1..=LARGEST).map(|size| self.most[size] * self.group_bytes(panel, size)).sum();
        self.element_bytes(panel) + HEADER + groups
    }

    /// The highest code that windows hold, which may be padding: a zero point that the range of the codes need not contain.
    fn highest(&self) -> i32 {
        self.spec.input_range.1.max(self.spec.input_zero) + self.spec.flip()
    }

    /// The weights of the 16-bit sum of output channel `o` and half `half` of a quad.
    fn pair(&self, o: usize, quad: usize, half: usize) -> [i32; 2] {
        [self.weight(o, quad, 2 * half), self.weight(o, quad, 2 * half + 1)]
    }

    /// The same for an element.
    fn part(&self, o: usize, element: Element, half: usize) -> [i32; 2] {
        element.part.of(self.pair(o, element.quad, half), self.highest())
    }

    /// What is added to the sum of a group.
    fn shift(&self, o: usize, group: &[Element], half: usize) -> i32 {
        let load = group.iter().fold(Load::default(), |load, &e| load.and(Load::of(self.part(o, e, half))));
        load.shift(self.highest()).expect("this is a bug in qcc: the sum of a group fits 16 bits")
    }

    fn weight(&self, o: usize, quad: usize, i: usize) -> i32 {
        let (outer, inner, k) = self.quads[quad];
        match self.taps.tap(outer, inner, k + i) {
            Some([row, column, c]) => self.spec.weight(o, c, row, column),
            None => 0,
        }
    }

    fn plan(&self, panel: &Panel, first: usize, shifts: Shifts) -> Plan {
        let weights: Vec<Vec<[i32; 2]>> = (0..self.quads.len())
            .map(|q| (first..first + panel.channels).flat_map(|o| [0, 1].map(|half| self.pair(o, q, half))).collect())
            .collect();
        plan(&weights, self.highest(), shifts)
    }

    fn pack(&self, panel: &Panel, first: usize, plan: &Plan) -> Vec<u8> {
        let lanes: Vec<Option<usize>> =
            panel.lanes().map(|lane| (lane < panel.channels).then_some(first + lane)).collect();
        let mut bytes = Vec::new();
        for o in &lanes {
            let bias = o.map_or(0, |o| {
                let shifts = plan.groups.iter().flat_map(|group| [0, 1].map(|half| self.shift(o, group, half)));
                let bias = self.spec.folded_bias(o, self.spec.input_zero + self.spec.flip());
                shifts.fold(bias, i32::wrapping_sub)
            });
            bytes.extend_from_slice(&bias.to_le_bytes());
        }
        let header = bytes.len();
        let counts = (1..=LARGEST).rev().map(|size| plan.count(size) as i32);
        counts.for_each(|count| bytes.extend_from_slice(&count.to_le_bytes()));
        bytes.resize(header + HEADER, 0);
        for group in &plan.groups {
            self.pack_offsets(group, &mut bytes);
            if self.shifted {
                for o in &lanes {
                    let shifts = [0, 1].map(|half| o.map_or(0, |o| self.shift(o, group, half)) as i16);
                    shifts.iter().for_each(|shift| bytes.extend_from_slice(&shift.to_le_bytes()));
                }
            }
            for &element in group {
                for o in &lanes {
                    let pairs = [0, 1].map(|half| o.map_or([0; 2], |o| self.part(o, element, half)));
                    bytes.extend(pairs.as_flattened().iter().map(|&w| w as i8 as u8));
                }
            }
        }
        bytes
    }

    fn pack_offsets(&self, group: &[Element], bytes: &mut Vec<u8>) {
        let end = bytes.len() + OFFSETS;
        group.iter().for_each(|e| bytes.extend_from_slice(&(self.offset(e.quad) as i32).to_le_bytes()));
        bytes.resize(end, 0);
    }

    /// Byte offset of a quad in the window.
    fn offset(&self, quad: usize) -> i64 {
        let (outer, inner, k) = self.quads[quad];
        outer as i64 * self.taps.outer_step + inner as i64 * self.taps.inner_step + k as i64
    }

    fn trip(&self, b: &mut KernelBuilder, header: Cursor, size: usize) -> Trip {
        let (least, most) = (self.least[size], self.most[size]);
        if least == most {
            return Trip::Const(most as u32);
        }
        let addr = header.plus(4 * (LARGEST - size) as i64).addr().low();
        Trip::Value(b.index_load(addr, 4, 0, most as i64))
    }

    /// The windows of the quads of a group, whose offsets are at `w`.
    fn windows(&self, b: &mut KernelBuilder, x: Cursor, w: Cursor, size: usize) -> Vec<Cursor> {
        let farthest = (0..self.quads.len()).map(|q| self.offset(q)).max().unwrap_or(0);
        (0..size)
            .map(|i| {
                let offset = b.index_load(w.plus(4 * i as i64).addr().low(), 4, 0, farthest);
                x.moved(b, offset)
            })
            .collect()
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
    /// A quad in the exact tile.
    exact: f64,
}

impl Costs {
    fn of(width: Width) -> Costs {
        match width {
            // Instructions: a product and an addition per element, widening and addition per group; in the exact tile two
            // products, two additions, its share of widening and broadcasting.
            Width::V128 => Costs { element: 2.0, group: 1.0, shift: 1.0, exact: 4.6 },
            // Products: whatever else there is runs beside them.
            Width::V256 => Costs { element: 1.0, group: 1.0, shift: 0.1, exact: 2.0 },
        }
    }

    fn plan(&self, plan: &Plan) -> f64 {
        let group = self.group + if plan.shifted { self.shift } else { 0.0 };
        plan.groups.iter().map(|g| self.element * g.len() as f64 + group).sum()
    }
}

impl Core for Grouped<'_> {
    fn pixels(&self, panel: &Panel) -> usize {
        if panel.far.is_some() { APART_ACCUMULATORS / panel.vectors() } else { pixels_for(Unit::Pair, panel, false) }
    }

    fn accumulate(&self, b: &mut KernelBuilder, panel: &Panel, pixels: Pixels, x: Cursor, w: Cursor) -> Vec<Value> {
        let vectors = panel.vectors();
        let step = (self.spec.input.pixel_stride() * self.spec.strides[1]) as i64;
        let mut state = biases(b, panel, pixels, w);
        let header = w.plus((vectors * panel.register()) as i64);
        let w = header.plus(HEADER as i64);
        let sharing = sharing(panel);
        // Pixels that share weights leave no register for it.
        let ones = (sharing == 1).then(|| b.splat_i16(1));
        let places: Vec<_> = pixels.places().collect();
        state.push(w.at);
        for size in (1..=LARGEST).rev().filter(|&size| self.most[size] > 0) {
            let trip = self.trip(b, header, size);
            let bytes = self.group_bytes(panel, size) as i64;
            state = b.loop_carried(trip, 1, &state, |b, _, carried| {
                let (at, mut acc) = (carried[carried.len() - 1], carried[..carried.len() - 1].to_vec());
                let w = Cursor { at, ..w };
                let x = self.windows(b, x, w, size);
                let w = w.plus(OFFSETS as i64);
                let registers = |v: usize| w.plus((v * panel.register()) as i64);
                for (places, acc) in places.chunks(sharing).zip(acc.chunks_mut(sharing * vectors)) {
                    let x: Vec<Vec<Cursor>> =
                        x.iter().map(|x| places.iter().map(|&place| x.pixel(place, step)).collect()).collect();
                    self.summed(b, acc, ones, &x, &registers);
                }
                acc.push(b.add(at, bytes));
                acc
            });
        }
        state.pop();
        state
    }
}

impl Grouped<'_> {
    /// Adds a group, summed in 16 bits, to the accumulators of a few registers of pixels. `x` says for each quad where the
    /// codes of these pixels are, `registers` where the shifts and weights are; `ones` is a register of ones, if one is held.
    fn summed(
        &self,
        b: &mut KernelBuilder,
        acc: &mut [Value],
        ones: Option<Value>,
        x: &[Vec<Cursor>],
        registers: &dyn Fn(usize) -> Cursor,
    ) {
        let vectors = acc.len() / x[0].len();
        let mut sums: Vec<Option<Value>> = vec![None; acc.len()];
        for (q, x) in x.iter().enumerate() {
            let codes: Vec<Value> = x
                .iter()
                .map(|x| {
                    let codes = b.broadcast32(Lane::I8, x.addr());
                    flipped(b, self.spec.input.elem, codes)
                })
                .collect();
            for v in 0..vectors {
                let weights = registers((q + usize::from(self.shifted)) * vectors + v);
                let weights = b.load(Lane::I8, VL, weights.addr());
                let shift = (self.shifted && q == 0).then(|| b.load(Lane::I16, VL, registers(v).addr()));
                for (&codes, sums) in codes.iter().zip(sums.chunks_mut(vectors)) {
                    let products = b.binary(BinOp::MaddUbs, codes, weights);
                    let sum = sums[v].or(shift);
                    sums[v] = Some(sum.map_or(products, |sum| b.binary(BinOp::Add, products, sum)));
                }
            }
        }
        let ones = ones.unwrap_or_else(|| b.splat_i16(1));
        for (acc, sum) in acc.iter_mut().zip(sums.into_iter().flatten()) {
            *acc = b.madd16_acc(*acc, sum, ones);
        }
    }
}
