//! Packing of weights: which output channels are computed together, and in which order their weights are read.
//!
//! The taps of a window are *runs*: bytes that follow each other in the input. A run is read eight codes at a time,
//! widened to i16 and multiplied two codes (a pair) at a time. Packed weights follow the same order: for every pair and
//! every four output channels one register `(w[o][k], w[o][k + 1])`, i16. What a run reads beyond its taps is multiplied
//! by zero.

use super::conv::ConvSpec;
use super::walk::{LANES, Panel, WIDEST};

/// Codes read at once.
pub const CHUNK: usize = 8;

/// Up to this many bytes between pixels, a kernel row is one run even if not every byte of a pixel is a channel.
const NARROW_PIXEL: usize = 8;

/// How the taps of one window lie in the input: `outer` times `inner` runs of `run` bytes.
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
    /// Bytes of one run.
    pub run: usize,
    /// Bytes of one column inside a run.
    column: usize,
    /// Channels of a group.
    channels: usize,
}

impl Taps {
    /// The taps of the convolution.
    pub fn of(spec: &ConvSpec) -> Taps {
        let (x, channels) = (&spec.input, spec.group_inputs());
        let touch = spec.dilations[1] == 1 && spec.group == 1;
        let pitch = x.pixel_stride();
        let merged = touch && spec.kernel[1] > 1 && (pitch == channels || x.first + pitch <= NARROW_PIXEL);
        let (inner, run) =
            if merged { (1, (spec.kernel[1] - 1) * pitch + channels) } else { (spec.kernel[1], channels) };
        Taps {
            outer: spec.kernel[0],
            outer_step: (spec.dilations[0] * x.row_stride()) as i64,
            inner,
            inner_step: (spec.dilations[1] * pitch) as i64,
            run,
            column: if merged { pitch } else { usize::MAX },
            channels,
        }
    }

    /// Kernel row, kernel column and channel of byte `k` of a run, if it is a tap.
    pub fn tap(&self, outer: usize, inner: usize, k: usize) -> Option<[usize; 3]> {
        let (column, c) = (k / self.column, k % self.column);
        (k < self.run && c < self.channels).then_some([outer, inner + column, c])
    }

    /// Whole chunks of a run.
    pub fn chunks(&self) -> usize {
        self.run / CHUNK
    }

    /// Pairs behind the whole chunks.
    pub fn rest(&self) -> usize {
        (self.run % CHUNK).div_ceil(2)
    }

    /// Pairs of one run.
    pub fn pairs(&self) -> usize {
        self.run.div_ceil(2)
    }
}

/// Divides the output channels into panels, as wide as possible; where their constants are is left open.
pub fn panels(spec: &ConvSpec) -> Vec<Panel> {
    let outputs = spec.group_outputs();
    let mut panels = Vec::new();
    let mut first = 0;
    while first < outputs {
        let channels = (outputs - first).min(WIDEST);
        let (repeat, channel_step, input_step) = match spec.group {
            1 => ((outputs - first) / channels, channels, 0),
            groups => (groups, outputs, spec.group_inputs()),
        };
        panels.push(Panel { first, channels, repeat, channel_step, input: 0, input_step, offset: 0, stride: 0 });
        first += if spec.group == 1 { repeat * channels } else { channels };
    }
    panels
}

/// The panels and their packed constants.
pub fn pack(spec: &ConvSpec, taps: &Taps) -> (Vec<Panel>, Vec<u8>) {
    let mut panels = panels(spec);
    let mut bytes = Vec::new();
    for panel in &mut panels {
        panel.offset = bytes.len();
        for i in 0..panel.repeat {
            pack_panel(spec, taps, panel, panel.first + i * panel.channel_step, &mut bytes);
        }
        panel.stride = (bytes.len() - panel.offset) / panel.repeat;
    }
    (panels, bytes)
}

fn pack_panel(spec: &ConvSpec, taps: &Taps, panel: &Panel, first: usize, bytes: &mut Vec<u8>) {
    let lanes = panel.vectors() * LANES;
    let valid = |lane: usize| (lane < panel.channels).then_some(first + lane);
    for lane in 0..lanes {
        let bias = valid(lane).map_or(0, |o| spec.folded_bias(o, spec.input_zero));
        bytes.extend_from_slice(&bias.to_le_bytes());
    }
    let weight = |o: usize, outer, inner, k| match taps.tap(outer, inner, k) {
        Some([row, column, c]) => spec.weight(o, c, row, column),
        None => 0,
    };
    for outer in 0..taps.outer {
        for inner in 0..taps.inner {
            for pair in 0..taps.pairs() {
                for lane in 0..lanes {
                    for k in [2 * pair, 2 * pair + 1] {
                        let w = valid(lane).map_or(0, |o| weight(o, outer, inner, k));
                        bytes.extend_from_slice(&(w as i16).to_le_bytes());
                    }
                }
            }
        }
    }
}
