//! Packing of weights: which output channels are computed together, and in which order their weights are read.
//!
//! The taps of a window are *runs*: codes that follow each other in the input. One instruction multiplies a [`Unit`] of a
//! run with the weights of four output channels, one register `(w[o][k], w[o][k + 1], ..)`; packed weights follow the
//! order of runs, units, channels. What a run reads beyond its taps is multiplied by zero.

use super::conv::ConvSpec;
use super::layout::Elem;
use super::walk::{Panel, WIDEST};
use qcc_kernel::Width;

/// Units of a run computed in one iteration.
pub const CHUNK: usize = 4;

/// Up to this many codes between pixels, a kernel row is one run even if not every byte of a pixel is a channel.
const NARROW_PIXEL: usize = 8;

/// The codes of a window that are multiplied at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Two codes widened to i16, with i16 weights.
    Pair,
    /// Four unsigned codes, with i8 weights.
    Quad,
}

/// How the taps of one window lie in the input: `outer` times `inner` runs of `run` codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taps {
    /// Kernel rows.
    pub outer: usize,
    /// Bytes from one to the next.
    pub outer_step: i64,
    /// Runs of one kernel row: its columns, or one run if they touch.
    pub inner: usize,
    /// Bytes from one to the next.
    pub inner_step: i64,
    /// Codes of one run.
    pub run: usize,
    /// Codes of one column inside a run.
    column: usize,
    /// Channels of a group.
    channels: usize,
}

impl Unit {
    /// How many.
    pub const fn codes(self) -> usize {
        match self {
            Unit::Pair => 2,
            Unit::Quad => 4,
        }
    }
}

impl Taps {
    /// The taps of the convolution.
    pub fn of(spec: &ConvSpec) -> Taps {
        let (x, channels) = (&spec.input, spec.group_inputs());
        let touch = spec.dilations[1] == 1 && spec.group == 1;
        let pitch = x.pitch;
        // What lies between floats may be no number, which no weight makes zero.
        let narrow = x.elem != Elem::F32 && x.first + pitch <= NARROW_PIXEL;
        let merged = touch && spec.kernel[1] > 1 && (pitch == channels || narrow);
        let (inner, run) =
            if merged { (1, (spec.kernel[1] - 1) * pitch + channels) } else { (spec.kernel[1], channels) };
        Taps {
            outer: spec.kernel[0],
            outer_step: (spec.dilations[0] * x.row_stride()) as i64,
            inner,
            inner_step: (spec.dilations[1] * x.pixel_stride()) as i64,
            run,
            column: if merged { pitch } else { usize::MAX },
            channels,
        }
    }

    /// One run of all channels of a pixel.
    pub fn of_channels(channels: usize) -> Taps {
        Taps { outer: 1, outer_step: 0, inner: 1, inner_step: 0, run: channels, column: usize::MAX, channels }
    }

    /// Kernel row, kernel column and channel of code `k` of a run, if it is a tap.
    pub fn tap(&self, outer: usize, inner: usize, k: usize) -> Option<[usize; 3]> {
        let (column, c) = (k / self.column, k % self.column);
        (k < self.run && c < self.channels).then_some([outer, inner + column, c])
    }

    /// Units of one run.
    pub fn units(&self, unit: Unit) -> usize {
        self.run.div_ceil(unit.codes())
    }
}

/// What the halves of wide registers hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halves {
    /// Channels as long as there are enough for the widest panel, then pixels.
    ChannelsOrPixels,
    /// Always channels.
    Channels,
    /// Always channels, in panels of half the width.
    FewChannels,
    /// Always channels, in panels of a quarter of the width.
    FewestChannels,
}

/// Divides the output channels into panels, as wide as possible; where their constants are is left open.
pub fn panels(spec: &ConvSpec, width: Width, halves: Halves) -> Vec<Panel> {
    let outputs = spec.group_outputs();
    let mut panels = Vec::new();
    let mut first = 0;
    while first < outputs {
        let left = outputs - first;
        let far = match halves {
            Halves::Channels if left >= 2 * WIDEST => Some(WIDEST),
            Halves::Channels | Halves::FewChannels if left > WIDEST / 2 => Some(WIDEST / 2),
            Halves::Channels | Halves::FewChannels | Halves::FewestChannels => Some(WIDEST / 4),
            Halves::ChannelsOrPixels => {
                // Constants of channels that lie apart begin at multiples of their number.
                let aligned = spec.group == 1 || outputs.is_multiple_of(2 * WIDEST);
                (width == Width::V256 && aligned && left >= 2 * WIDEST).then_some(WIDEST)
            }
        };
        let channels = left.min(far.map_or(WIDEST, |far| 2 * far));
        let (repeat, channel_step, input_step) = match spec.group {
            1 => ((outputs - first) / channels, channels, 0),
            groups => (groups, outputs, spec.group_inputs()),
        };
        panels.push(Panel { first, channels, far, repeat, channel_step, input: 0, input_step, offset: 0, stride: 0 });
        first += if spec.group == 1 { repeat * channels } else { channels };
    }
    panels
}

/// The panels and their packed constants, with weights of `size` bytes.
pub fn pack(spec: &ConvSpec, taps: &Taps, unit: Unit, size: usize, panels: Vec<Panel>) -> (Vec<Panel>, Vec<u8>) {
    pack_each(panels, |panel, first, bytes| pack_panel(spec, taps, (unit, size), panel, first, bytes))
}

/// The panels, and their constants one behind the other; `pack` appends those of a panel that begins at an output channel.
pub fn pack_each(mut panels: Vec<Panel>, pack: impl Fn(&Panel, usize, &mut Vec<u8>)) -> (Vec<Panel>, Vec<u8>) {
    let mut bytes = Vec::new();
    for panel in &mut panels {
        panel.offset = bytes.len();
        for i in 0..panel.repeat {
            pack(panel, panel.first + i * panel.channel_step, &mut bytes);
        }
        panel.stride = (bytes.len() - panel.offset) / panel.repeat;
    }
    (panels, bytes)
}

fn pack_panel(
    spec: &ConvSpec,
    taps: &Taps,
    (unit, size): (Unit, usize),
    panel: &Panel,
    first: usize,
    bytes: &mut Vec<u8>,
) {
    let lanes: Vec<usize> = panel.lanes().collect();
    let valid = |lane: usize| (lane < panel.channels).then_some(first + lane);
    let zero = spec.input_zero + if unit == Unit::Quad { spec.flip() } else { 0 };
    for &lane in &lanes {
        let bias = valid(lane).map_or(0, |o| spec.folded_bias(o, zero));
        bytes.extend_from_slice(&bias.to_le_bytes());
    }
    let weight = |o: usize, outer, inner, k| match taps.tap(outer, inner, k) {
        Some([row, column, c]) => spec.weight(o, c, row, column),
        None => 0,
    };
    let runs = (0..taps.outer).flat_map(|outer| (0..taps.inner).map(move |inner| (outer, inner)));
    for (outer, inner) in runs {
        for first in (0..taps.run).step_by(unit.codes()) {
            for &lane in &lanes {
                for k in first..first + unit.codes() {
                    let w = valid(lane).map_or(0, |o| weight(o, outer, inner, k)) as i16;
                    bytes.extend_from_slice(&w.to_le_bytes()[..size]);
                }
            }
        }
    }
}
