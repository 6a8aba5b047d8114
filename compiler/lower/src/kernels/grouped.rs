//! Implicit matrix product that sums in 16 bits, as [`super::overflow`] proves that it may.
//!
//! The constants of a panel: the biases; a count for each size of groups; then the groups of quads or parts of quads, the
//! largest first. A group holds the byte offsets of its quads in the window, the shifts of its sums if the kernel has any,
//! then the weights. Counts and offsets are data, so that one loop for each size serves all panels.

use qcc_kernel::{BinOp, KernelBuilder, Lane, Trip, VL, Value, Width};

use super::Generated;
use super::conv::ConvSpec;
use super::grouping::{Grouping, grouping};
use super::overflow::{Element, LARGEST, Plan};
use super::pack::{Taps, Unit};
use super::quads::Quads;
use super::tile::{TOGETHER, add_products, biases, flipped, pixels_for};
use super::walk::{self, Core, Cursor, Panel, Pixels};

/// Quads of a window from which the loops over groups pay.
const fn fewest_quads(width: Width) -> usize {
    match width {
        Width::V128 => 12,
        Width::V256 => 4,
    }
}

/// Pixels from which addresses that are data are computed for enough products.
const FEWEST_PIXELS: usize = 2;

/// Accumulators of a tile whose registers hold channels only: with the sums of [`sharing`] pixels, their codes, weights and
/// products they fill sixteen registers.
const APART_ACCUMULATORS: usize = 8;

/// Registers of pixels that are summed side by side: each register of weights is loaded once for all of them. Where codes
/// are used for four registers of weights, loads keep up with products without that, and more instructions would not.
fn sharing(panel: &Panel) -> usize {
    if panel.far.is_some() && panel.vectors() <= 2 { 2 } else { 1 }
}

/// Bytes of the counts, padded.
const HEADER: usize = 32;

/// Bytes of the offsets of a group, padded so that no register of weights crosses a cache line.
const OFFSETS: usize = 32;

const _: () = assert!(4 * LARGEST <= HEADER && 4 * LARGEST <= OFFSETS, "counts and offsets have room");

/// The kernel, if sums in 16 bits pay. All weights are signed bytes.
pub fn generate(spec: &ConvSpec, taps: &Taps, width: Width) -> Option<Result<Generated, String>> {
    let quads = Quads::of(spec, taps);
    let pixels = spec.output.n * spec.output.h * spec.output.w;
    // Weights of one byte are half as many to read: with wide registers that decides where they are used once.
    let fewest = if width == Width::V256 { 1 } else { FEWEST_PIXELS };
    if quads.len() < fewest_quads(width) || pixels < fewest {
        return None;
    }
    let grouping = grouping(&quads, width)?;
    let grouped = Grouped { spec, quads, shifted: false, most: [0; LARGEST + 1], least: [0; LARGEST + 1] };
    Some(grouped.generate(grouping, width))
}

struct Grouped<'s> {
    spec: &'s ConvSpec,
    quads: Quads<'s>,
    /// Whether groups have shifts.
    shifted: bool,
    /// The most and the least groups of each size in a panel.
    most: [usize; LARGEST + 1],
    least: [usize; LARGEST + 1],
}

impl Grouped<'_> {
    fn generate(mut self, grouping: Grouping, width: Width) -> Result<Generated, String> {
        let Grouping { mut panels, plans, .. } = grouping;
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
        walk::generate(self.spec, &self, &panels, bytes, width)
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

    fn pack(&self, panel: &Panel, first: usize, plan: &Plan) -> Vec<u8> {
        let lanes: Vec<Option<usize>> =
            panel.lanes().map(|lane| (lane < panel.channels).then_some(first + lane)).collect();
        let mut bytes = Vec::new();
        for o in &lanes {
            let bias = o.map_or(0, |o| {
                let shifts = plan.groups.iter().flat_map(|group| [0, 1].map(|half| self.quads.shift(o, group, half)));
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
                    let shifts = [0, 1].map(|half| o.map_or(0, |o| self.quads.shift(o, group, half)) as i16);
                    shifts.iter().for_each(|shift| bytes.extend_from_slice(&shift.to_le_bytes()));
                }
            }
            for &element in group {
                for o in &lanes {
                    let pairs = [0, 1].map(|half| o.map_or([0; 2], |o| self.quads.part(o, element, half)));
                    bytes.extend(pairs.as_flattened().iter().map(|&w| w as i8 as u8));
                }
            }
        }
        bytes
    }

    fn pack_offsets(&self, group: &[Element], bytes: &mut Vec<u8>) {
        let end = bytes.len() + OFFSETS;
        group.iter().for_each(|e| bytes.extend_from_slice(&(self.quads.offset(e.quad) as i32).to_le_bytes()));
        bytes.resize(end, 0);
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
        let farthest = self.quads.farthest();
        (0..size)
            .map(|i| {
                let offset = b.index_load(w.plus(4 * i as i64).addr().low(), 4, 0, farthest);
                x.moved(b, offset)
            })
            .collect()
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
            let (mut weights, mut shifts) = (Vec::new(), Vec::new());
            let terms: Vec<(usize, usize)> =
                (0..vectors).flat_map(|v| (0..codes.len()).map(move |pixel| (v, pixel))).collect();
            for terms in terms.chunks(TOGETHER) {
                let products: Vec<Value> = terms
                    .iter()
                    .map(|&(v, pixel)| {
                        if v == weights.len() {
                            let at = registers((q + usize::from(self.shifted)) * vectors + v);
                            weights.push(b.load(Lane::I8, VL, at.addr()));
                        }
                        b.binary(BinOp::MaddUbs, codes[pixel], weights[v])
                    })
                    .collect();
                for (&(v, pixel), products) in terms.iter().zip(products) {
                    if self.shifted && q == 0 && v == shifts.len() {
                        shifts.push(b.load(Lane::I16, VL, registers(v).addr()));
                    }
                    let sum = &mut sums[pixel * vectors + v];
                    let before = sum.or(shifts.get(v).copied());
                    *sum = Some(before.map_or(products, |before| b.binary(BinOp::Add, products, before)));
                }
            }
        }
        let ones = ones.unwrap_or_else(|| b.splat_i16(1));
        let widened: Vec<(usize, Value)> = sums.into_iter().flatten().enumerate().collect();
        add_products(b, acc, widened.into_iter().map(|(at, sum)| (at, sum, ones)));
    }
}
