//! Depthwise convolution: vectors across channels, a few taps of each channel side by side. All taps are unrolled.
//!
//! Where the CPU has a dot product of four bytes, four taps are multiplied at once ([`super::depthwise_quads`]), elsewhere
//! two ([`super::depthwise_pairs`]).

use qcc_kernel::Width;

use super::Generated;
use super::conv::{ConvSpec, Target};
use super::depthwise_pairs::Pairs;
use super::depthwise_quads::Quads;
use super::product;
use super::walk::{self, Core, Panel, WIDEST};

/// Registers of pixels of a tile: enough independent sums to hide the latency of the products, and sixteen registers hold
/// them.
pub const PIXELS: usize = 2;

/// Taps up to which they are unrolled; beyond, the general product is used.
const MOST_TAPS: usize = 81;

/// A core whose constants are packed by panels.
pub trait Depthwise: Core {
    /// Appends the constants of the channels from `first` on: the biases, then the weights.
    fn pack(&self, panel: &Panel, first: usize, bytes: &mut Vec<u8>);
}

/// The kernel of a convolution in which every channel is a group.
///
/// # Errors
/// A body that does not fit the output.
pub fn generate(spec: &ConvSpec, target: Target) -> Result<Generated, String> {
    if spec.kernel[0] * spec.kernel[1] > MOST_TAPS {
        return product::generate(spec, target);
    }
    if target.dot4 && spec.has_signed_bytes() {
        with_core(spec, &Quads::of(spec), target.width)
    } else {
        with_core(spec, &Pairs::of(spec), target.width)
    }
}

fn with_core(spec: &ConvSpec, core: &dyn Depthwise, width: Width) -> Result<Generated, String> {
    let mut constants = Vec::new();
    let mut panels = Vec::new();
    let mut first = 0;
    while first < spec.output.c {
        let far = (width == Width::V256 && spec.output.c - first > WIDEST).then_some(WIDEST);
        let channels = (spec.output.c - first).min(far.map_or(WIDEST, |far| 2 * far));
        let repeat = (spec.output.c - first) / channels;
        let (channel_step, input_step, offset) = (channels, channels, constants.len());
        let mut panel =
            Panel { first, channels, far, repeat, channel_step, input: first, input_step, offset, stride: 0 };
        for i in 0..repeat {
            core.pack(&panel, first + i * channels, &mut constants);
        }
        panel.stride = (constants.len() - offset) / repeat;
        panels.push(panel);
        first += repeat * channels;
    }
    walk::generate(spec, core, &panels, constants, width)
}

/// Appends the biases of the channels of a panel from `first` on, of codes to which `flip` is added.
pub fn pack_biases(spec: &ConvSpec, panel: &Panel, first: usize, flip: i32, bytes: &mut Vec<u8>) {
    for c in panel.lanes() {
        let bias = if c < panel.channels { spec.folded_bias(first + c, spec.input_zero + flip) } else { 0 };
        bytes.extend_from_slice(&bias.to_le_bytes());
    }
}

/// Appends the weights of taps (rows and columns) side by side for each channel of a panel, each in so many bytes; a tap
/// that is missing has no weight.
pub fn pack_weights<const TAPS: usize>(
    spec: &ConvSpec,
    panel: &Panel,
    first: usize,
    taps: [Option<[usize; 2]>; TAPS],
    bytes: &mut Vec<u8>,
) {
    for c in panel.lanes() {
        for tap in taps {
            let w = match tap {
                Some([row, column]) if c < panel.channels => spec.weight(first + c, 0, row, column),
                _ => 0,
            };
            bytes.extend_from_slice(&(w as i16).to_le_bytes()[..4 / TAPS]);
        }
    }
}
