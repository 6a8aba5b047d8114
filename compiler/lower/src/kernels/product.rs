//! Convolution as an implicit matrix product: [`super::tile`]s over all taps of all channels of a group.

use qcc_kernel::{KernelBuilder, Value, Width};

use super::conv::{ConvSpec, Target};
use super::pack::{Halves, Taps, Unit, pack, panels};
use super::tile::{Tile, accumulate, pixels_for};
use super::walk::{self, Core, Cursor, LANES, Panel, Pixels};
use super::{Generated, grouped};

/// The kernel of any convolution.
///
/// # Errors
/// A body that does not fit the output.
pub fn generate(spec: &ConvSpec, target: Target) -> Result<Generated, String> {
    let taps = Taps::of(spec);
    let signed = spec.has_signed_bytes();
    let unit = if target.dot4 && signed { Unit::Quad } else { Unit::Pair };
    if unit == Unit::Pair
        && signed
        && let Some(generated) = grouped::generate(spec, &taps, target.width)
    {
        return generated;
    }
    let staged = unit == Unit::Pair && is_staged(spec, target.width);
    let halves = if staged { Halves::FewChannels } else { Halves::ChannelsOrPixels };
    let (panels, constants) = pack(spec, &taps, unit, panels(spec, target.width, halves));
    walk::generate(spec, &Product { spec, taps, unit, staged }, &panels, constants, target.width)
}

struct Product<'s> {
    spec: &'s ConvSpec,
    taps: Taps,
    unit: Unit,
    staged: bool,
}

/// Whether the codes are copied before they are multiplied: where registers are wide, if enough channels use them and if
/// little else lies between them.
fn is_staged(spec: &ConvSpec, width: Width) -> bool {
    let few = spec.output.c <= LANES || spec.input.pitch > 2 * spec.input.c;
    width == Width::V256 && spec.group == 1 && !few
}

impl Core for Product<'_> {
    fn pixels(&self, panel: &Panel) -> usize {
        pixels_for(self.unit, panel, self.staged)
    }

    fn is_staged(&self) -> bool {
        self.staged
    }

    fn accumulate(&self, b: &mut KernelBuilder, panel: &Panel, pixels: Pixels, x: Cursor, w: Cursor) -> Vec<Value> {
        let pixel_step = (self.spec.input.pixel_stride() * self.spec.strides[1]) as i64;
        let (taps, unit, elem, staged) = (self.taps, self.unit, self.spec.input.elem, self.staged);
        accumulate(b, &Tile { taps, unit, elem, staged, pixel_step, panel, pixels }, x, w)
    }
}
