//! What the high halves of wide registers hold, beside the low ones.

use super::emit::GROUP;
use super::layout::TensorLayout;
use qcc_kernel::Width;

/// What the high half of each register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twin {
    /// Nothing of its own: registers are narrow, or the high half repeats the low one.
    None,
    /// The channels that many further: writes begin at multiples of twice that number.
    Channels(usize),
    /// The four channels behind those of the low half: registers of eight consecutive numbers. Not for codes.
    Numbers,
    /// The same channels of the pixel that many columns to the right.
    Pixel(i64),
}

impl Twin {
    /// In a kernel that walks `count` channels: more channels, if there are enough, in the order that codes allow. Those of
    /// the halves are `far` apart then.
    pub fn of_channels(width: Width, codes: bool, far: usize, count: usize) -> Twin {
        match width {
            Width::V256 if !codes => Twin::Numbers,
            Width::V256 if count > far => Twin::Channels(far),
            _ => Twin::None,
        }
    }

    /// The channel of a lane of the registers of four-byte numbers of a write, counted through from the first register on.
    pub fn channel(self, lane: usize) -> usize {
        match self {
            Twin::Channels(far) => lane / 8 * 4 + lane % 8 / 4 * far + lane % 4,
            _ => lane,
        }
    }

    /// The channels of a write of `count` channels that registers hold in their low halves, at most.
    pub fn low(self, count: usize) -> usize {
        match self {
            Twin::None | Twin::Pixel(_) => count,
            Twin::Channels(far) => count.min(far),
            Twin::Numbers => count.div_ceil(2),
        }
    }

    /// Registers of four-byte numbers for `count` channels.
    pub fn vectors(self, count: usize) -> usize {
        match self {
            Twin::None | Twin::Pixel(_) => count.div_ceil(4),
            Twin::Channels(far) => count.min(far).div_ceil(4),
            Twin::Numbers => count.div_ceil(8),
        }
    }

    /// Channels of the largest write.
    pub fn group(self) -> usize {
        match self {
            Twin::None | Twin::Pixel(_) => GROUP,
            Twin::Channels(far) => 2 * far,
            Twin::Numbers => 2 * GROUP,
        }
    }

    /// Bytes from one register of consecutive four-byte numbers to the next.
    pub fn number_step(self) -> i64 {
        if self == Twin::Numbers { 32 } else { 16 }
    }

    /// Bytes from the numbers of the low half to those of the high one, in a tensor; as the output has it `across`.
    pub fn numbers(self, layout: &TensorLayout, across: bool) -> Option<i64> {
        match self {
            Twin::None => None,
            Twin::Channels(far) => Some(4 * far as i64),
            Twin::Numbers => Some(16),
            Twin::Pixel(_) => self.pixel(layout, across),
        }
    }

    /// The same for codes.
    pub fn codes(self, layout: &TensorLayout, across: bool) -> Option<i64> {
        match self {
            Twin::Channels(far) => Some((far * layout.elem.bytes()) as i64),
            Twin::None | Twin::Numbers => None,
            Twin::Pixel(_) => self.pixel(layout, across),
        }
    }

    /// The same for what is there once for all channels. `across` says whether the tensor has all columns.
    pub fn pixel(self, layout: &TensorLayout, across: bool) -> Option<i64> {
        match self {
            Twin::Pixel(columns) if across => Some(columns * layout.pixel_stride() as i64),
            _ => None,
        }
    }
}
