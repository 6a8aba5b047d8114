//! Implicit matrix product that sums in 16 bits wherever [`super::overflow`] proves that nothing can overflow.
//!
//! The constants of a panel: the biases; five counts; then the groups of four, three, two and one quads, then the quads
//! that need widening. A group holds the byte offsets of its quads in the window, then their weights. Counts and offsets
//! are data, so that one loop for each size serves all panels.

use qcc_kernel::{BinOp, KernelBuilder, Lane, Trip, UnOp, VL, Value, Width};

use super::Generated;
use super::conv::ConvSpec;
use super::overflow::{LARGEST, Load, Plan, plan};
use super::pack::{Taps, Unit, panels};
use super::tile::{biases, flipped, pixels_for};
use super::walk::{self, Core, Cursor, Panel, Pixels};

/// Codes of a quad.
const QUAD: usize = 4;

/// Quads of a window from which the loops over groups pay.
const FEWEST_QUADS: usize = 12;

/// Pixels from which addresses that are data are computed for enough products.
const FEWEST_PIXELS: usize = 2;

/// The share of the exact tile's cost from which the exact tile is preferred, for its simpler addresses.
const WORTH: f64 = 0.9;

/// Pixels of a tile whose registers hold channels only: each takes four accumulators and, for a while, four sums.
const APART_PIXELS: usize = 2;

/// Bytes of the five counts, padded.
const HEADER: usize = 32;

/// Bytes of the offsets of a group.
const OFFSETS: usize = 16;

/// The kernel, if sums in 16 bits pay. All weights are signed bytes.
pub fn generate(spec: &ConvSpec, taps: &Taps, width: Width) -> Option<Result<Generated, String>> {
    let quads = quads(taps);
    let pixels = spec.output.n * spec.output.h * spec.output.w;
    // Weights of one byte are half as many to read: with wide registers that decides where they are used once.
    let fewest = if width == Width::V256 { 1 } else { FEWEST_PIXELS };
    if quads.len() < FEWEST_QUADS || pixels < fewest {
        return None;
    }
    let grouped = Grouped { spec, taps, quads, most: [0; LARGEST + 1], least: [0; LARGEST + 1] };
    grouped.generate(width)
}

struct Grouped<'s> {
    spec: &'s ConvSpec,
    taps: &'s Taps,
    /// Outer and inner run and first byte in the run of each quad.
    quads: Vec<(usize, usize, usize)>,
    /// The most and the least groups of each size in a panel; index 0 counts what needs widening.
    most: [usize; LARGEST + 1],
    least: [usize; LARGEST + 1],
}

fn quads(taps: &Taps) -> Vec<(usize, usize, usize)> {
    let runs = (0..taps.outer).flat_map(|outer| (0..taps.inner).map(move |inner| (outer, inner)));
    runs.flat_map(|(outer, inner)| (0..taps.run).step_by(QUAD).map(move |k| (outer, inner, k))).collect()
}

impl<'s> Grouped<'s> {
    fn generate(mut self, width: Width) -> Option<Result<Generated, String>> {
        let mut panels = panels(self.spec, width, false);
        let plans: Vec<Vec<Plan>> = panels
            .iter()
            .map(|panel| (0..panel.repeat).map(|i| self.plan(panel, panel.first + i * panel.channel_step)).collect())
            .collect();
        let all = || plans.iter().flatten();
        let costs = Costs::of(width);
        let exact = costs.exact * self.quads.len() as f64 * all().count() as f64;
        if all().map(|plan| costs.plan(plan)).sum::<f64>() > WORTH * exact {
            return None;
        }
        for size in 0..=LARGEST {
            let counts = || all().map(|plan| if size == 0 { plan.exact.len() } else { plan.count(size) });
            self.most[size] = counts().max().unwrap_or(0);
            self.least[size] = counts().min().unwrap_or(0);
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

    /// Bytes of a group of a size; size 0 is a quad that needs widening.
    fn group_bytes(&self, panel: &Panel, size: usize) -> usize {
        OFFSETS + size.max(1) * panel.vectors() * panel.register() * if size == 0 { 2 } else { 1 }
    }

    /// Bytes of a panel that has the most groups of every size.
    fn most_bytes(&self, panel: &Panel) -> usize {
        let groups: usize = (0..=LARGEST).map(|size| self.most[size] * self.group_bytes(panel, size)).sum();
        panel.vectors() * panel.register() + HEADER + groups
    }

    fn weight(&self, o: usize, quad: usize, i: usize) -> i32 {
        let (outer, inner, k) = self.quads[quad];
        match self.taps.tap(outer, inner, k + i) {
            Some([row, column, c]) => self.spec.weight(o, c, row, column),
            None => 0,
        }
    }

    fn plan(&self, panel: &Panel, first: usize) -> Plan {
        let loads: Vec<Vec<Load>> = (0..self.quads.len())
            .map(|q| {
                let sums = (first..first + panel.channels).flat_map(|o| [(o, 0), (o, 2)]);
                sums.map(|(o, i)| Load::of([self.weight(o, q, i), self.weight(o, q, i + 1)])).collect()
            })
            .collect();
        // Padding holds the zero point, which the range of the codes need not contain.
        plan(&loads, self.spec.input_range.1.max(self.spec.input_zero) + self.spec.flip())
    }

    fn pack(&self, panel: &Panel, first: usize, plan: &Plan) -> Vec<u8> {
        let lanes: Vec<usize> = panel.lanes().collect();
        let valid = |lane: usize| (lane < panel.channels).then_some(first + lane);
        let mut bytes = Vec::new();
        for &lane in &lanes {
            let bias = valid(lane).map_or(0, |o| self.spec.folded_bias(o, self.spec.input_zero + self.spec.flip()));
            bytes.extend_from_slice(&bias.to_le_bytes());
        }
        let counts = (1..=LARGEST).rev().map(|size| plan.count(size)).chain([plan.exact.len()]);
        let header = bytes.len();
        counts.for_each(|count| bytes.extend_from_slice(&(count as i32).to_le_bytes()));
        bytes.resize(header + HEADER, 0);
        for group in &plan.groups {
            self.pack_offsets(group, &mut bytes);
            for &q in group {
                for &lane in &lanes {
                    bytes.extend((0..QUAD).map(|i| valid(lane).map_or(0, |o| self.weight(o, q, i)) as i8 as u8));
                }
            }
        }
        for &q in &plan.exact {
            self.pack_offsets(&[q], &mut bytes);
            for pair in [0, 2] {
                for &lane in &lanes {
                    for i in [pair, pair + 1] {
                        let w = valid(lane).map_or(0, |o| self.weight(o, q, i)) as i16;
                        bytes.extend_from_slice(&w.to_le_bytes());
                    }
                }
            }
        }
        bytes
    }

    fn pack_offsets(&self, group: &[usize], bytes: &mut Vec<u8>) {
        let end = bytes.len() + OFFSETS;
        group.iter().for_each(|&q| bytes.extend_from_slice(&(self.offset(q) as i32).to_le_bytes()));
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
    /// A quad of a group.
    quad: f64,
    /// A group, beyond its quads.
    group: f64,
    /// A quad that is widened before it is multiplied.
    widened: f64,
    /// A quad in the exact tile.
    exact: f64,
}

impl Costs {
    fn of(width: Width) -> Costs {
        match width {
            // Instructions: a product and an addition per quad, widening and addition per group; in the exact tile two
            // products, two additions, its share of widening and broadcasting.
            Width::V128 => Costs { quad: 2.0, group: 1.0, widened: 5.5, exact: 4.6 },
            // Products: whatever else there is runs beside them, most of what widens excepted.
            Width::V256 => Costs { quad: 1.0, group: 1.0, widened: 2.6, exact: 2.0 },
        }
    }

    fn plan(&self, plan: &Plan) -> f64 {
        let groups: f64 = plan.groups.iter().map(|g| self.quad * g.len() as f64 + self.group).sum();
        groups + self.widened * plan.exact.len() as f64
    }
}

impl Core for Grouped<'_> {
    fn pixels(&self, panel: &Panel) -> usize {
        if panel.far.is_some() { APART_PIXELS } else { pixels_for(Unit::Pair, panel, false) }
    }

    fn accumulate(&self, b: &mut KernelBuilder, panel: &Panel, pixels: Pixels, x: Cursor, w: Cursor) -> Vec<Value> {
        let vectors = panel.vectors();
        let step = (self.spec.input.pixel_stride() * self.spec.strides[1]) as i64;
        let mut state = biases(b, panel, pixels, w);
        let header = w.plus((vectors * panel.register()) as i64);
        let w = header.plus(HEADER as i64);
        let ones = b.splat_i16(1);
        state.push(w.at);
        for size in (0..=LARGEST).rev().filter(|&size| self.most[size] > 0) {
            let trip = self.trip(b, header, size);
            let quads = size.max(1);
            let bytes = self.group_bytes(panel, size) as i64;
            state = b.loop_carried(trip, 1, &state, |b, _, carried| {
                let (at, mut acc) = (carried[carried.len() - 1], carried[..carried.len() - 1].to_vec());
                let w = Cursor { at, ..w };
                let x = self.windows(b, x, w, quads);
                let w = w.plus(OFFSETS as i64);
                for (place, acc) in pixels.places().zip(acc.chunks_mut(vectors)) {
                    let x: Vec<Cursor> = x.iter().map(|x| x.pixel(place, step)).collect();
                    let weights = |v: usize| w.plus((v * panel.register()) as i64);
                    if size == 0 {
                        self.widened(b, acc, x[0], &weights);
                    } else {
                        self.summed(b, acc, &x, &weights, ones);
                    }
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
    /// Adds the quads at `x`, summed in 16 bits, to the accumulators of one register of pixels.
    fn summed(
        &self,
        b: &mut KernelBuilder,
        acc: &mut [Value],
        x: &[Cursor],
        weights: &dyn Fn(usize) -> Cursor,
        ones: Value,
    ) {
        let mut sums: Vec<Value> = Vec::new();
        for (q, x) in x.iter().enumerate() {
            let codes = b.broadcast32(Lane::I8, x.addr());
            let codes = flipped(b, self.spec.input.elem, codes);
            for v in 0..acc.len() {
                let weights = b.load(Lane::I8, VL, weights(q * acc.len() + v).addr());
                let products = b.binary(BinOp::MaddUbs, codes, weights);
                if q == 0 {
                    sums.push(products);
                } else {
                    sums[v] = b.binary(BinOp::Add, sums[v], products);
                }
            }
        }
        for (acc, sum) in acc.iter_mut().zip(sums) {
            *acc = b.madd16_acc(*acc, sum, ones);
        }
    }

    /// Adds one quad, widened before it is multiplied.
    fn widened(&self, b: &mut KernelBuilder, acc: &mut [Value], x: Cursor, weights: &dyn Fn(usize) -> Cursor) {
        // The rest of the register does not matter: repeating the quad takes one instruction where registers are wide.
        let codes = match b.width() {
            Width::V128 => b.load(Lane::I8, QUAD, x.addr()),
            Width::V256 => b.broadcast32(Lane::I8, x.addr()),
        };
        let codes = flipped(b, self.spec.input.elem, codes);
        let codes = b.unary(UnOp::WidenLowU, codes);
        let codes = b.unary(UnOp::Bitcast(Lane::I32), codes);
        for pair in 0..2 {
            let two = b.broadcast_lane(codes, pair);
            let two = b.unary(UnOp::Bitcast(Lane::I16), two);
            for v in 0..acc.len() {
                let weights = b.load(Lane::I16, VL, weights(pair as usize * acc.len() + v).addr());
                acc[v] = b.madd16_acc(acc[v], two, weights);
            }
        }
    }
}
